"""What becomes of each request. A life is the steps of one request, and before each of them the time that passes."""

import uuid
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta

from connections import workflow
from connections.demo import asked, sandbox_control
from connections.demo.asked import Ask
from connections.demo.verbs import Verbs, key_of
from connections.models import ChangeKind, ConnectionRequest
from connections.queue.retry import MAX_ATTEMPTS
from connections.states import Actor
from connections.worker import outcome
from connections.worker.create import claim_row, expire
from connections.worker.handover import tidy as remind_owners
from connections.workflow import batches

# How long to wait, or the working day and the time to wait for.
Pause = timedelta | tuple[int, str]
Life = Iterator[Pause]
Part = Generator[Pause, None, ConnectionRequest]
_SOON = timedelta(seconds=40)
_REFUSAL = {
    "code": "InvalidInput",
    "message": "This service cannot be synced to the region of the destination: choose another one.",
}


def _hours(hours: float) -> timedelta:
    return timedelta(hours=hours)


def _deliberation(ask: Ask) -> timedelta:
    """Until an approver decides: some minutes, or some hours."""
    return timedelta(minutes=9 + 31 * len(ask.reason) % 197)


# --- requests that end before anything is sent -----------------------------------------------------------------------
def draft(verbs: Verbs, ask: Ask) -> Life:
    workflow.save_draft(by=verbs.people[ask.by], filing=verbs.filing(ask))
    yield from ()


def pending(verbs: Verbs, ask: Ask) -> Life:
    verbs.submit(ask)
    yield from ()


def expired(verbs: Verbs, ask: Ask) -> Life:
    conn_request = verbs.submit(ask)
    yield timedelta(days=30, minutes=5)
    expire(conn_request)


def withdrawn(verbs: Verbs, ask: Ask) -> Life:
    conn_request = verbs.submit(ask)
    yield _hours(3)
    workflow.withdraw(by=verbs.people[ask.by], conn_request=conn_request, reason="We take HubSpot's events instead.")


def sent_back(verbs: Verbs, ask: Ask) -> Life:
    conn_request = verbs.submit(ask)
    yield _deliberation(ask)
    reason = "Every 15 minutes is more than a daily report needs: hourly will do. And please name the picking table."
    workflow.request_changes(by=verbs.approver_of(ask), conn_request=conn_request, reason=reason)


def rejected(verbs: Verbs, ask: Ask) -> Life:
    conn_request = verbs.submit(ask)
    yield _deliberation(ask)
    reason = "A screen does not justify what five minutes cost. Ask again for once an hour."
    workflow.reject(by=verbs.approver_of(ask), conn_request=conn_request, reason=reason)


# --- requests between approval and connection ------------------------------------------------------------------------
def _approved(verbs: Verbs, ask: Ask, *, after: timedelta) -> Part:
    conn_request = verbs.submit(ask)
    yield after
    verbs.approve(ask, conn_request)
    return conn_request


def approved(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _approved(verbs, ask, after=timedelta(minutes=6))
    yield _SOON
    spread = "Waiting its turn: the portal spreads creations over time."
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(note=spread)


def claimed(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _approved(verbs, ask, after=timedelta(minutes=7))
    yield _SOON
    claim_row(conn_request.pk, uuid.uuid4())


def sending(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _approved(verbs, ask, after=timedelta(minutes=8))
    yield _SOON
    verbs.send(conn_request)


def unknown(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _approved(verbs, ask, after=timedelta(minutes=5))
    yield _SOON
    claim, _attempt = verbs.send(conn_request)
    yield timedelta(seconds=15)
    why = "Fivetran's answer did not arrive in time."
    outcome.to_unknown(conn_request, Actor.WORKER, why, claim.mine)


def attention(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _approved(verbs, ask, after=_deliberation(ask))
    yield _hours(1)
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(attempts_used=MAX_ATTEMPTS)
    claim_row(conn_request.pk, uuid.uuid4())


def refused(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _approved(verbs, ask, after=_deliberation(ask))
    yield _SOON
    answer = {"path": "/v1/connections", "status": 400, "body": _REFUSAL}
    sandbox_control.tell("POST", "settings", {"next_answers": [answer]})
    verbs.create(conn_request)


# --- connections -----------------------------------------------------------------------------------------------------
def _created(verbs: Verbs, ask: Ask) -> Part:
    conn_request = yield from _approved(verbs, ask, after=_deliberation(ask))
    yield _SOON
    verbs.create(conn_request)
    return conn_request


def _connected(verbs: Verbs, ask: Ask) -> Part:
    """Created, with credentials where it needs some, and with its first data."""
    conn_request = yield from _created(verbs, ask)
    if hasattr(conn_request, "handover"):
        yield _deliberation(ask)
        verbs.hand_over(conn_request)
    yield timedelta(minutes=17)
    verbs.sync(conn_request)
    verbs.look(conn_request)
    return conn_request


def _lasting(verbs: Verbs, ask: Ask, conn_request: ConnectionRequest) -> Life:
    """It syncs until today."""
    yield (0, str(5 + 7 * len(ask.reason) % 170))
    verbs.sync(conn_request)


def connected(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _connected(verbs, ask)
    yield from _lasting(verbs, ask, conn_request)


def certificate(verbs: Verbs, ask: Ask) -> Life:
    yield from _created(verbs, ask)


def opened(verbs: Verbs, ask: Ask) -> Life:
    """The source owner opened the link and a card, and has not come back."""
    conn_request = yield from _created(verbs, ask)
    yield (1, "09:05")
    verbs.open_link(conn_request)


def overdue(verbs: Verbs, ask: Ask) -> Life:
    """The source owner is reminded as often as the portal does, and never comes."""
    yield from _created(verbs, ask)


def broken(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _connected(verbs, ask)
    yield (2, "06:40")
    verbs.change_outside(conn_request, config={"password": "wrong"})
    yield _hours(2)
    workflow.rerun_tests(by=verbs.people["operator"], conn_request=conn_request)
    verbs.run_tests(conn_request)


def drifted(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _connected(verbs, ask)
    yield (4, "16:20")
    verbs.change_outside(conn_request, sync_frequency=15, run_setup_tests=False)
    yield from _lasting(verbs, ask, conn_request)


def paused(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _connected(verbs, ask)
    yield (3, "10:10")
    verbs.change(ask, conn_request, ChangeKind.PAUSE, "The move to HubSpot is done; nobody reads this any more.")


def rescheduled(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _connected(verbs, ask)
    yield (7, "09:20")
    daily = {"sync_frequency": 1440, "daily_sync_time": "04:00", "schedule_type": "auto"}
    verbs.change(ask, conn_request, ChangeKind.SCHEDULE, "Once a day is enough for the budget.", **daily)
    yield from _lasting(verbs, ask, conn_request)


def to_be_changed(verbs: Verbs, ask: Ask) -> Life:
    conn_request = yield from _connected(verbs, ask)
    yield (1, "11:30")
    workflow.ask_for_change(
        by=verbs.people[ask.by],
        conn_request=conn_request,
        kind=ChangeKind.SCHEDULE,
        reason="At month end we need refunds within the hour.",
        values={"sync_frequency": 60, "schedule_type": "auto"},
    )
    yield from _lasting(verbs, ask, conn_request)


# --- a table of several ----------------------------------------------------------------------------------------------
def half_decided_batch(verbs: Verbs) -> Life:
    filings = [verbs.filing(ask) for ask in asked.BATCH]
    batch = batches.file_batch(by=verbs.people[asked.BATCH_BY], filings=filings, token=key_of("batch"))
    yield _hours(1)
    first, second = [row.request for row in batch.rows.select_related("request")[:2]]
    no = "Radio ended in spring: there is nothing to read."
    decisions = {
        first.pk: batches.Decision(digest=first.digest, approve=True),
        second.pk: batches.Decision(digest=second.digest, approve=False, reason=no),
    }
    batches.decide_batch(by=verbs.people["approver"], batch=batch, decisions=decisions)
    yield _SOON
    verbs.create(first)
    yield timedelta(minutes=17)
    verbs.sync(first)
    verbs.look(first)
    yield (0, "25")
    verbs.sync(first)


_UNSENT = (draft, pending, expired, withdrawn, sent_back, rejected, approved, claimed)
_SENT = (sending, unknown, attention, refused, certificate, opened, overdue)
_USED = (connected, broken, drifted, paused, rescheduled, to_be_changed)


def every_morning(_verbs: Verbs) -> Life:
    """What the scheduler does for those who keep others waiting."""
    for working_days in range(30, -1, -1):
        yield (working_days, "06:00") if working_days else (0, "10")
        remind_owners()


LIVES: dict[str, Callable[[Verbs, Ask], Life]] = {life.__name__: life for life in (*_UNSENT, *_SENT, *_USED)}
