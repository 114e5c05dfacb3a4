"""What waits for one person, of all kinds: requests, decisions, certificates, credentials."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet

from connections.models import ConnectionRequest, Handover
from connections.models.request import ConnectionRequestQuerySet
from connections.permissions.changes import changes_waiting_for
from connections.permissions.reach import not_by_index
from connections.permissions.requests import waiting_for
from connections.permissions.rights import Person, in_a_team, is_operator, reads_only
from connections.permissions.teams import of_teams
from connections.permissions.trust import trust_waiting_for
from connections.states import Owner, Status

_COPIED = Exists(ConnectionRequest.objects.filter(cloned_from=OuterRef("pk")))
_WAITS_FOR_REQUESTER = (
    Q(turn=Owner.REQUESTER) & ~(Q(status=Status.FAILED) & Q(_COPIED))
    # The requester stands for a source owner whom nobody has asked yet; who was asked has a list of hand-overs.
    | Q(turn=Owner.SOURCE_OWNER, handover=None)
)


def own_waiting_for(user: Person) -> ConnectionRequestQuerySet:
    """The requests that `user` has to go on with: the own ones with drafts, and those of colleagues who have left.

    An auditor, who may have asked for some before, goes on with none.
    """
    if reads_only(user):
        return ConnectionRequest.objects.none()
    own = ConnectionRequest.objects.filter(_WAITS_FOR_REQUESTER, requester_id=user.pk)
    if not in_a_team(user):
        return own
    leavers = User.objects.filter(is_active=False)
    theirs = ConnectionRequest.objects.filter(not_by_index(of_teams(user)), requester__in=leavers.values("pk"))
    left = theirs.filter(_WAITS_FOR_REQUESTER).exclude(status=Status.DRAFT)
    return ConnectionRequest.objects.filter(pk__in=own.values("pk").union(left.values("pk")))


def to_approve(user: Person) -> QuerySet[Any, Any]:
    """The ids of the requests with something to approve: the request itself, a change, a certificate."""
    # Not those whose stored turn is an approver's: a request has one turn, and while that is its source owner's, a
    # change of it waits for an approver all the same.
    changes = changes_waiting_for(user).order_by().values("request")
    return (
        waiting_for(user).order_by().values("pk").union(changes, trust_waiting_for(user).order_by().values("request"))
    )


def to_go_on_with(user: Person, *, nothing_to_approve: bool = False) -> QuerySet[Any, Any]:
    """The ids of the requests that wait for `user` as requester, source owner or operator; no drafts. With
    `nothing_to_approve` without those that `to_approve` has too, so that both together count what needs `user`.
    """
    own = own_waiting_for(user).exclude(status=Status.DRAFT).order_by().values("pk")
    owned = Handover.objects.live().filter(owner_id=user.pk)
    if nothing_to_approve:
        changes, trust = changes_waiting_for(user).order_by(), trust_waiting_for(user).order_by()
        owned = owned.exclude(request__in=changes.values("request")).exclude(request__in=trust.values("request"))
    handovers = owned.order_by().values("request")
    if not is_operator(user):
        return own.union(handovers)
    stuck = ConnectionRequest.objects.filter(status=Status.ATTENTION).values("pk")
    return own.union(handovers, stuck, ConnectionRequest.objects.refused_for_operators().values("pk"))


def needing(user: Person) -> QuerySet[Any, Any]:
    """The ids of the requests that wait for `user`, who may not see all of them."""
    return to_go_on_with(user).union(to_approve(user))
