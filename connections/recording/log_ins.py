"""Log-ins, refusals and log-outs."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Q

from connections.models import About, Event, EventKind
from connections.models.event import PERSON
from portal.sign_on.record import Topic, recorded


def listen() -> None:
    for signal, receiver in (
        (user_logged_in, logged_in),
        (user_login_failed, refused),
        (user_logged_out, logged_out),
        (recorded, of_account),
    ):
        signal.connect(receiver, dispatch_uid=f"connections.recording.{receiver.__name__}")


def logged_in(user: Any, **_more: Any) -> None:
    by = getattr(user, "backend", "").rpartition(".")[2]
    Event.objects.record(EventKind.LOGGED_IN, by=user, about=user, detail={"backend": by})


def refused(sender: Any, credentials: dict[str, Any], request: Any = None, **_more: Any) -> None:
    """A try while the log-in is closed is no event of its own: a flood of them would bury the others."""
    if getattr(request, "axes_locked_out", False):
        return
    person = _named(str(credentials.get("username") or ""))
    # What was typed as the name is sometimes the password, so only the name of an account is kept.
    typed = person.get_username() if person else ""
    what = "code" if sender == "portal.throttle" else "password"
    Event.objects.record(EventKind.LOG_IN_REFUSED, by=None, about=person, typed_name=typed, detail={"wrong": what})


def logged_out(user: Any, request: Any = None, **_more: Any) -> None:
    """Where a limit of time ends a session, only the session knows whose it was."""
    if user is None and request is not None and (key := request.session.get(SESSION_KEY)):
        user = get_user_model()._default_manager.filter(pk=key).first()
    if user is not None and user.pk:
        Event.objects.record(EventKind.LOGGED_OUT, by=user, about=user)


def of_account(topic: str, entry: LogEntry, **_more: Any) -> None:
    """Roles of the directory and log-ins are on record by themselves."""
    if topic == Topic.SECOND_FACTOR:
        about = About(PERSON, str(entry.object_id), entry.object_repr)
        words = str(entry.change_message)
        Event.objects.record(EventKind.SECOND_FACTOR_CHANGED, by=entry.user, about=about, reason=words)


def _named(typed: str) -> Any:
    if not typed or len(typed) > 254 or "\0" in typed:
        return None
    people = get_user_model()._default_manager.filter(Q(username__iexact=typed) | Q(email__iexact=typed))
    return people.order_by("pk").first()
