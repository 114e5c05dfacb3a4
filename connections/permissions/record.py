"""The portal's record: who reads it, and which events."""

from typing import Any

from django.db.models import Q, QuerySet

from connections.models import Event
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
