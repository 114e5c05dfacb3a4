"""Log-ins, refusals and log-outs, by whatever door."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Q
from django.utils import timezone

from connections.models import About, Event, EventKind
from connections.models.event import PERSON
from portal.caller import acting_instead, address_of_caller, person_calling
from portal.sign_on.record import Topic, recorded, turned_away

WITHIN = timedelta(minutes=15)
FROM_ONE = 10  # refusals about one account, or nobody known, from one address
OF_NOBODY = 100  # refusals of whom nothing is known, from everywhere
CLOSED = "closed"
_KINDS = {
    Topic.SECOND_FACTOR: EventKind.SECOND_FACTOR_CHANGED,
    Topic.ACCOUNT: EventKind.ACCOUNT_CHANGED,
}


def listen() -> None:
    for signal, receiver in (
        (user_logged_in, logged_in),
        (user_login_failed, refused),
        (user_logged_out, logged_out),
        (recorded, of_account),
        (turned_away, not_let_in),
    ):
        signal.connect(receiver, dispatch_uid=f"connections.recording.{receiver.__name__}")


def logged_in(user: Any, **_more: Any) -> None:
    backend = {"door": getattr(user, "backend", "").rpartition(".")[2]}
    Event.objects.record(EventKind.LOGGED_IN, by=user, about=user, detail=getattr(user, "door", backend))


def refused(sender: Any, credentials: dict[str, Any], request: Any = None, **_more: Any) -> None:
    """Of the tries while the log-in is closed one is an event: a flood of them would bury the others."""
    person = _named(str(credentials.get("username") or ""))
    closed = getattr(request, "axes_locked_out", False)
    if closed and any(one.wrong == CLOSED for one in _alike(_latest(), person)):
        return
    wrong = CLOSED if closed else "code" if sender == "portal.throttle" else "password"
    # What was typed as the name is sometimes the password, so only the name of an account is kept.
    _record_refusal(person, "", {"wrong": "account" if person and not person.is_active and not closed else wrong})


def not_let_in(door: str, why: str, user: User | None, name: str, **_more: Any) -> None:
    """Unlike tries of passwords these are not counted by the throttle: strangers could write as many as they like."""
    latest = _latest()
    nobodys = sum(not one.person for one in latest)
    if len(list(_alike(latest, user))) >= FROM_ONE or (user is None and not name and nobodys >= OF_NOBODY):
        return
    _record_refusal(user, name, {"door": door, "why": why})


def _record_refusal(person: Any, name: str, detail: dict[str, Any]) -> None:
    typed = person.get_username() if person else name
    Event.objects.record(EventKind.LOG_IN_REFUSED, by=None, about=person, typed_name=typed, detail=detail)


class _Refusal(NamedTuple):
    at: datetime
    address: str
    person: str
    wrong: str


def _latest() -> list[_Refusal]:
    """The last refusals, of a quarter of an hour."""
    rows = Event.objects.filter(~Q(kind=EventKind.MOVED), kind=EventKind.LOG_IN_REFUSED).order_by("-pk")
    found = rows.values_list("at", "address", "about_id", "detail__wrong")[: 2 * OF_NOBODY]
    return [one for one in map(_Refusal._make, found) if one.at > timezone.now() - WITHIN]


def _alike(latest: list[_Refusal], person: Any) -> Iterable[_Refusal]:
    known = str(person.pk) if person else ""
    return (one for one in latest if (one.address, one.person) == (address_of_caller(), known))


def logged_out(user: Any, request: Any = None, **_more: Any) -> None:
    """Where a limit of time ends a session, only the session knows whose it was."""
    if user is None and request is not None and (key := request.session.get(SESSION_KEY)):
        user = get_user_model()._default_manager.filter(pk=key).first()
    if user is not None and user.pk:
        Event.objects.record(EventKind.LOGGED_OUT, by=user, about=user)


def of_account(topic: str, entry: LogEntry, **_more: Any) -> None:
    """Roles of the directory, addresses and log-ins are on record by themselves."""
    if kind := _KINDS.get(Topic(topic)):
        who = acting_instead()
        about = About(PERSON, str(entry.object_id), entry.object_repr)
        detail = {"who": who} if who else {}
        by = None if who else person_calling() or entry.user
        Event.objects.record(kind, by=by, about=about, reason=str(entry.change_message), detail=detail)


def _named(typed: str) -> Any:
    if not typed or len(typed) > 254 or "\0" in typed:
        return None
    people = get_user_model()._default_manager.filter(Q(username__iexact=typed) | Q(email__iexact=typed))
    return people.order_by("pk").first()
