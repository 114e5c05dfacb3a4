"""Changes of connections: who sees them, asks for them and decides them."""

from django.db.models import Q

from connections.models import ConnectionChange, ConnectionRequest
from connections.models.change import ConnectionChangeQuerySet
from connections.people import display_name
from connections.permissions.access import Into, answer, check_approves_into, may_ask_into
from connections.permissions.reach import reach_of, sees_every_submitted
from connections.permissions.requests import check_in_group, of_groups
from connections.permissions.rights import Denied, Person, check_writes, is_approver, is_operator
from connections.permissions.teams import continued_by, continues, oversees
from connections.states import CHANGE_WITHDRAWABLE, ChangeStatus, Status


def changes_visible_to(user: Person) -> ConnectionChangeQuerySet:
    if sees_every_submitted(user):
        return ConnectionChange.objects.all()
    own = Q(request__in=continued_by(user))
    if not is_approver(user):
        return ConnectionChange.objects.filter(own)
    return ConnectionChange.objects.filter(own | reach_of(user).approves("request__"))


def changes_waiting_for(user: Person) -> ConnectionChangeQuerySet:
    if not is_approver(user):
        return ConnectionChange.objects.none()
    mine = of_groups(user, "request__preset"), reach_of(user).approves("request__")
    waiting = ConnectionChange.objects.filter(*mine, status=ChangeStatus.PENDING)
    return waiting.exclude(requester_id=user.pk).order_by("created_at", "id")


def check_can_ask_for_change(user: Person, conn_request: ConnectionRequest) -> None:
    check_writes(user)
    if not oversees(user, conn_request):
        raise Denied("Only the requester, approvers and operators can ask for a change of a connection.")
    if conn_request.state is not Status.CREATED:
        raise Denied("There is no connection to change.")
    if conn_request.deleted_at_fivetran_at:
        raise Denied("The connection is no longer at Fivetran.")
    # A page that has read the number of the open change with the request need not ask again.
    number = getattr(conn_request, "open_change", None)
    if not hasattr(conn_request, "open_change"):
        number = conn_request.changes.open().values_list("pk", flat=True).first()
    if number is not None:
        raise Denied(f"Change #{number} of this connection is open already.")


def _check_change_in(change: ConnectionChange, statuses: frozenset[ChangeStatus], verb: str) -> None:
    if change.state not in statuses:
        # Whoever approved it did not make it, nor let it fail: only the decision itself is that person's.
        decision = change.state in (ChangeStatus.APPROVED, ChangeStatus.REJECTED)
        by = f" by {change.decided_by}" if change.decided_by and decision else ""
        raise Denied(f"There is nothing to {verb}: the change is already “{change.state.label}”{by}.")


def check_can_withdraw_change(user: Person, change: ConnectionChange) -> None:
    check_writes(user)
    asked = user.is_active and change.requester_id == user.pk
    # Whoever asked may have left: the connection's requester and team can take it back as well.
    if not (asked or continues(user, change.request)):
        raise Denied(f"Only {change.requester} and who continues the request can withdraw this change.")
    _check_change_in(change, CHANGE_WITHDRAWABLE, "withdraw")


def check_can_decide_change(user: Person, change: ConnectionChange) -> None:
    if not is_approver(user):
        raise Denied("Only approvers can decide on changes.")
    if change.requester_id == user.pk:
        raise Denied("Nobody can decide on a change they asked for themselves.")
    check_approves_into(user, change.request)
    check_in_group(user, change.request.preset, "connections")
    _check_change_in(change, frozenset({ChangeStatus.PENDING}), "decide")


def check_can_approve_change(user: Person, change: ConnectionChange) -> None:
    check_can_decide_change(user, change)  # the connection's end leaves only its rejection
    if change.request.deleted_at_fivetran_at:
        raise Denied("The connection is no longer at Fivetran, so there is nothing to approve. It can be rejected.")
    _check_still_asks(user, change)


def _check_still_asks(user: Person, change: ConnectionChange) -> None:
    """For whoever approves: the rules may have changed since it was asked for. Approvers and operators look after
    connections for which they need not ask.
    """
    asked, conn_request = change.requester, change.request
    if not asked.is_active or is_approver(asked) or is_operator(asked):
        return
    own = asked.pk == conn_request.requester_id
    if not (answer(user, conn_request).requester_asks if own else may_ask_into(asked, Into.of(conn_request))):
        into = Into.of(conn_request).words
        raise Denied(f"{display_name(asked)} may no longer ask for {into}, so the change can only be rejected.")
