"""The tabs of the history: parts of what the reader may see, with their sizes."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from connections import permissions
from connections.context_processors import WAITING
from connections.models import ConnectionRequest
from connections.models.capped_count import CountsForReader
from connections.models.request import ConnectionRequestQuerySet
from connections.permissions import Person
from connections.states import LIVE, Labelled, Status

COUNTED = 1000


class Tab(Labelled):
    ALL = "", "All"
    NEEDS_ME = "needs-me", "Needs me"
    TEAM = "team", "My team"
    WAITING = "waiting", "Waiting"
    LIVE = "live", "Live"
    FAILED = "failed", "Failed"
    DRAFTS = "drafts", "Drafts"


NOTHING = {
    Tab.NEEDS_ME: "Nothing waits for you.",
    Tab.TEAM: "Nobody in your teams has asked for anything, or you are in no team.",
    Tab.WAITING: "Nothing is on its way: every request is decided and settled.",
    Tab.LIVE: "No connection exists yet.",
    Tab.FAILED: "Fivetran refused nothing.",
    Tab.DRAFTS: "You have no drafts.",
}


def rows_of(tab: Tab, visible: ConnectionRequestQuerySet, user: Person) -> ConnectionRequestQuerySet:
    """The part of the `visible` requests of `user`."""
    match tab:
        case Tab.NEEDS_ME:
            return visible.filter(pk__in=permissions.needing(user))
        case Tab.TEAM:
            return permissions.teams_requests(user)
        case Tab.WAITING:
            return visible.filter(status__in=sorted(LIVE))
        case Tab.LIVE:
            return visible.filter(status=Status.CREATED, deleted_at_fivetran_at=None)
        case Tab.FAILED:
            return visible.filter(status=Status.FAILED)
        case Tab.DRAFTS:
            return ConnectionRequest.objects.filter(status=Status.DRAFT, requester_id=user.pk)
    return visible


def visible_in(tab: Tab, user: Person, *, in_order: bool = False) -> list[ConnectionRequestQuerySet]:
    """What `user` may see of a tab, in the parts of `permissions.parts_of`; `rows_of` finds the tab in each."""
    if tab in (Tab.NEEDS_ME, Tab.TEAM, Tab.DRAFTS):
        return [permissions.visible_to(user)]
    # Only a draft may be hidden from who sees everything: without that condition an index alone answers.
    return permissions.parts_of(user, submitted=tab is not Tab.ALL, in_order=in_order)


def _lists(user: User) -> list[list[QuerySet[Any, Any]]]:
    """Of the tabs; what needs the reader in two parts, each counted to its cap: the navigation tells the second."""
    rest = permissions.to_go_on_with(user, nothing_to_approve=True)
    lists: dict[Tab, list[QuerySet[Any, Any]]]
    lists = {tab: [rows_of(tab, part, user) for part in visible_in(tab, user)] for tab in Tab}
    return [*(lists | {Tab.NEEDS_ME: [rest]}).values(), [permissions.to_approve(user)]]


def hidden(reader: User) -> tuple[Tab, ...]:
    """The tabs that can only be empty for `reader`."""
    return () if permissions.in_a_team(reader) else (Tab.TEAM,)


_counts = CountsForReader(_lists, COUNTED)


def counts(request: HttpRequest) -> dict[Tab, int]:
    """COUNTED + 1 stands for more."""
    reader = permissions.logged_in(request.user)
    *found, to_approve = _counts.of(reader, permissions.sight_of(reader))
    setattr(request, WAITING, to_approve)
    sizes = dict(zip(Tab, found, strict=True))
    return sizes | {Tab.NEEDS_ME: sizes[Tab.NEEDS_ME] + to_approve}
