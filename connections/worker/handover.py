"""Hand-overs: closed by what Fivetran says, however that became known. The owner's return is only a hint."""

from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.db.transaction import atomic

from connections import notifications
from connections.models import Connection, Event, EventKind, Handover, HandoverState, NoticeKind, SetupTestsState, move
from connections.models.connection import DUE_NOW
from connections.queue import sweep
from connections.states import Actor

REMINDERS = 3


def conclude(connection: Connection, setup_state: str) -> None:
    """Follow what Fivetran says of a connection, in the caller's transaction."""
    mine = Handover.objects.filter(request_id=connection.request_id)
    if setup_state != "connected":
        # The tests run so that people see why, and the link stays usable.
        if move(mine, HandoverState.OPEN, actor=Actor.RECONCILER) == 1:
            _run_tests(connection)
        return
    # The card's state stays: its owner may still be on the way back, and is then told that it is done.
    conn_request = connection.request
    done = partial(Event.objects.note, conn_request, EventKind.HANDOVER_DONE, actor=Actor.RECONCILER)
    if move(mine, HandoverState.DONE, actor=Actor.RECONCILER, event=done, done_at=Now(), code_nonce="") == 1:
        dedup_key = mine.values_list("mails", flat=True).get()
        notifications.notify(conn_request, NoticeKind.CONNECTED, conn_request.requester, dedup_key=dedup_key)
        _run_tests(connection)


def _run_tests(connection: Connection) -> None:
    # Not where they are open: a run under way sees the same state.
    mine = Connection.objects.filter(pk=connection.pk)
    move(mine, SetupTestsState.DUE, actor=Actor.RECONCILER, **DUE_NOW)


def tidy() -> None:
    """Remind owners who have not acted, REMINDERS times at most, and note cards that expired unused."""
    sweep.each(to_remind().select_related("request", "owner"), remind)
    sweep.each(unused_cards(), note_expired_card)


def to_remind() -> QuerySet[Handover]:
    """Hand-overs whose owner was asked long enough ago, and can be mailed."""
    since = Now() - timedelta(days=settings.HANDOVER_REMIND_DAYS)
    waiting = Handover.objects.live().filter(state__in=[HandoverState.WAITING, HandoverState.OPEN])
    waiting = waiting.filter(Q(owner=None) | Q(owner__is_active=True) & ~Q(owner__email=""))
    return waiting.filter(last_notified_at__lte=since, reminders__lt=REMINDERS).order_by("last_notified_at")


def unused_cards() -> QuerySet[Handover]:
    """Hand-overs whose last card expired and brought nobody back."""
    ran_out = Handover.objects.live().filter(state=HandoverState.OPEN, card_expires_at__lte=Now())
    unused = ran_out.filter(card_expired_at=None).exclude(returned_at__gte=F("card_at"))
    return unused.select_related("request").order_by("card_expires_at")


@atomic
def remind(handover: Handover) -> None:
    if to_remind().filter(pk=handover.pk).update(last_notified_at=Now(), reminders=F("reminders") + 1) == 1:
        why = f"Reminder {handover.reminders + 1} of {REMINDERS} to {handover.owner_shown}"
        Event.objects.note(handover.request, EventKind.HANDOVER_REMINDED, actor=Actor.SWEEPER, detail={"why": why})
        notifications.tell_owner(handover, NoticeKind.HANDOVER_REMINDER)


@atomic
def note_expired_card(handover: Handover) -> None:
    if unused_cards().filter(pk=handover.pk).update(card_expired_at=Now()) == 1:
        why = "The owner opens another one with the same link."
        Event.objects.note(handover.request, EventKind.CARD_EXPIRED, actor=Actor.SWEEPER, detail={"why": why})
