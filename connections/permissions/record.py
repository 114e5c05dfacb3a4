"""The portal's record: who reads it, and which events."""

from typing import Any

from django.db.models import Q, QuerySet

from connections.models import Event, Notice
from connections.permissions.operations import check_sees_operations
from connections.permissions.requests import not_a_draft
from connections.permissions.rights import Denied, Person, has_right


def reads_record(user: Person) -> bool:
    return has_right(user, "read_record")


def check_can_read_record(user: Person) -> None:
    if not reads_record(user):
        raise Denied("Only auditors can read the record.")


def events_visible_to(user: Person) -> QuerySet[Event, Any]:
    """All but those of other people's drafts."""
    check_can_read_record(user)
    return Event.objects.filter(Q(request=None) | not_a_draft(user, "request__"))


def notices_visible_to(user: Person) -> QuerySet[Notice, Any]:
    """The mails to all, for whoever looks after the portal; but those about other people's drafts."""
    check_sees_operations(user)
    return Notice.objects.filter(Q(request=None) | not_a_draft(user, "request__"))
