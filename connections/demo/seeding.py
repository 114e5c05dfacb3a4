"""The company at work: six weeks of requests, made step by step in the order of time; and starting anew."""

import heapq
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management.base import CommandError
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from connections import notifications, worker
from connections.catalog.refresh import refresh_kind
from connections.demo import asked, clock, company, lives, sandbox_control
from connections.demo.company import COLLEAGUES
from connections.demo.management.commands.seed_demo import PEOPLE
from connections.demo.verbs import Verbs, key_of
from connections.fivetran import configured
from connections.models import ConnectionRequest, Event, EventSeal, Kind
from connections.states import Status
from connections.worker import sync_history
from portal.environment import is_loopback

_SEED = 1
_RECORD = (EventSeal, Event)
_HIRED = 46  # working days ago: before anything is asked for
_QUICK = {"create_seconds": 0.0, "test_seconds": 0.0, "first_sync_seconds": 0.0, "id_seed": _SEED}


@dataclass(order=True)
class _Turn:
    """Which story goes on when; of two at the same moment the one that stands first in the list."""

    moment: datetime
    number: int
    life: lives.Life = field(compare=False)


def why_not() -> str:
    """Why the database gets no such data, in a sentence; empty where it does."""
    if not sandbox_control.is_sandbox(settings.FIVETRAN_BASE_URL):
        return f"{settings.FIVETRAN_BASE_URL} does not say that it is the sandbox: the demo's data is made only there."
    if ConnectionRequest.objects.exists():
        return "There are requests already: the demo's data is made only in a database without any."
    return ""


def seed() -> int:
    """Make the demo's data; returns the number of requests. Raises CommandError where it must not be made."""
    if reason := why_not():
        raise CommandError(reason)
    _make_room()
    # Accounts were made before there was anything to ask for: a record begins weeks ago, or its times go back.
    _empty(_RECORD)
    with sandbox_control.changed_settings(**_QUICK, behind_seconds=0.0), clock.put_back() as now:
        now.set(_moment(datetime.now(UTC), _HIRED, "07:00"))
        people = company.hire()
        company.make_rules()
        _tell(_turns(Verbs(people)), now)
    worker.run("observe")
    for pk in sync_history.due().values_list("request_id", flat=True):
        worker.run("read_syncs", pk)
    refresh_kind(configured.client(), Kind.CONNECTION)
    company.leave(people)
    hold_in_place()
    worker.run("seal")  # or whoever verifies the record within the first seconds is told of events without a seal
    return ConnectionRequest.objects.count()


def _make_room() -> None:
    """Connections of an earlier demo, whose database is gone, hold names that are asked for again."""
    wanted = {(ask.group, ask.name) for ask in (*asked.ASKS, *asked.BATCH)}
    wanted |= {(outside["group_id"], outside["schema"]) for outside in asked.OUTSIDE}
    for found in sandbox_control.tell("GET", "connections"):
        if (found["group_id"], found["schema"]) in wanted:
            configured.client().delete_connection(found["id"])


def _turns(verbs: Verbs) -> list[_Turn]:
    today = datetime.now(UTC)
    begun = [(_moment(today, ask.days, ask.at), lives.LIVES[ask.life](verbs, ask)) for ask in asked.ASKS]
    begun.append((_moment(today, asked.BATCH_DAYS, asked.BATCH_AT), lives.half_decided_batch(verbs)))
    begun.append((_moment(today, 31, "06:00"), lives.every_morning(verbs)))
    begun += [(_moment(today, 45, "08:00"), _made_outside(one)) for one in asked.OUTSIDE]
    return [_Turn(moment, number, life) for number, (moment, life) in enumerate(begun)]


def _made_outside(doc: dict[str, object]) -> lives.Life:
    made = sandbox_control.tell("POST", "connections", doc)
    yield timedelta(minutes=5)
    sandbox_control.tell("POST", f"connections/{made['id']}/sync")


def _moment(today: datetime, working_days: int, at: str) -> datetime:
    """So many working days ago at a time of day (UTC); for none, so many minutes ago."""
    if not working_days:
        return today - timedelta(minutes=int(at))
    day = today
    while working_days:
        day -= timedelta(days=1)
        working_days -= day.weekday() < 5  # Monday to Friday
    hour, minute = map(int, at.split(":"))
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def _tell(turns: list[_Turn], now: clock.Clock) -> None:
    heapq.heapify(turns)
    while turns:
        turn = heapq.heappop(turns)
        now.set(turn.moment)
        sandbox_control.tell("POST", "settings", {"behind_seconds": now.behind.total_seconds()})
        pause = next(turn.life, None)
        clock.date_notices()
        notifications.send_due(seconds=5)
        if pause is not None:
            heapq.heappush(turns, _Turn(_after(turn.moment, pause), turn.number, turn.life))


def _after(moment: datetime, pause: lives.Pause) -> datetime:
    then = moment + pause if isinstance(pause, timedelta) else _moment(datetime.now(UTC), *pause)
    return max(moment, min(then, datetime.now(UTC)))


# --- what waits, and is on its way -----------------------------------------------------------------------------------
# These would go on within seconds, and nobody would see what their pages say. The demo itself is the worker that holds
# them, and prolongs what it holds as long as it runs; never by more than a worker may.
def hold_in_place() -> None:
    _held(Status.APPROVED).update(next_try_at=_ahead(20 * settings.PROBE_SECONDS))
    _held(Status.CLAIMED).update(lease_until=_ahead(settings.CLAIM_LEASE))
    _held(Status.SENDING).update(deadline_at=_ahead(settings.SUBMIT_DEADLINE))
    _held(Status.UNKNOWN).update(next_lookup_at=_ahead(settings.SETTLE_SECONDS))


def _held(status: Status) -> QuerySet[ConnectionRequest]:
    keys = [key_of(ask.life, ask.group, ask.name) for ask in asked.ASKS if ask.life == status]
    return ConnectionRequest.objects.filter(status=status, idempotency_key__in=keys)


def _ahead(seconds: float) -> CombinedExpression:
    return Now() + timedelta(seconds=seconds)


# --- starting anew: the demo's rows, people, mails and connections are deleted, and nothing else ever is -------------
def clear() -> None:
    """Raises CommandError where there may be more than a demo."""
    if not sandbox_control.is_sandbox(settings.FIVETRAN_BASE_URL):
        raise CommandError(f"{settings.FIVETRAN_BASE_URL} does not say that it is the sandbox: nothing was deleted.")
    accounts = ConnectionRequest.objects.exclude(approved_account="").values_list("approved_account", flat=True)
    if real := sorted({root for root, *_ in map(str.split, accounts) if not is_loopback(root)}):
        raise CommandError(f"There are requests that were approved for {real[0]}: nothing was deleted.")
    _empty([*apps.get_app_config("connections").get_models(include_auto_created=True), Session])
    User.objects.filter(username__in=[*PEOPLE, *COLLEAGUES]).delete()
    _empty(_RECORD)  # that they went stands there
    sandbox_control.tell("DELETE", "connections")
    shutil.rmtree(Path(settings.EMAIL_FILE_PATH or "/nonexistent"), ignore_errors=True)


def _empty(tables: Iterable[type[Model]]) -> None:
    # The one place that empties the record, for which its triggers have to go for a moment.
    names = [model._meta.db_table for model in tables]
    record = import_module("connections.migrations.0038_seal")
    editor = connection.schema_editor()
    with transaction.atomic():
        record.drop_triggers(None, editor)
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), names, reset_sequences=True))
        record.create_triggers(None, editor)
