"""Who may do what. `check_can_x` raises Denied with the reason in words; `can_x` is its boolean.

The same sentence stands on the disabled button, on the 403 page and in the tests. Whether a status allows a move is
part of the answer, so a page needs only this module to decide what to offer.
"""

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.utils.crypto import constant_time_compare

from connections.models import (
    Batch,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Handover,
    Preset,
    SetupTestsState,
    Trust,
)
from connections.models.change import ConnectionChangeQuerySet
from connections.models.request import ConnectionRequestQuerySet
from connections.spec import refusals
from connections.states import CHANGE_WITHDRAWABLE, EDITABLE, WITHDRAWABLE, ChangeStatus, Owner, Status

Person = User | AnonymousUser
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class Denied(PermissionDenied):
    """Not allowed; `reason` says why, in a sentence for the person who tried."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def logged_in(user: Person) -> User:
    """`user` as one who has logged in, which the middleware made sure of; raises Denied otherwise."""
    if not isinstance(user, User):
        raise Denied("Log in first.")
    return user


def _has(user: Person, codename: str) -> bool:
    return bool(user.is_active and user.has_perm(f"connections.{codename}"))


def is_approver(user: Person) -> bool:
    """Whether `user` holds the right to decide (group Approvers, or superuser)."""
    return _has(user, "approve_request")


def is_operator(user: Person) -> bool:
    """Whether `user` holds the right to operate the portal (group Operators, or superuser)."""
    return _has(user, "operate_portal")


def sees_everything(user: Person) -> bool:
    """Whether `user` sees everybody's requests."""
    return any(_has(user, name) for name in ("view_all_requests", "approve_request", "operate_portal"))


def not_a_draft(user: Person, request: str = "") -> Q:
    """What was submitted, or is the user's own: a draft is private to its writer, also after it was thrown away.

    `request` is the way to the request from another model, with the `__` behind it.
    """
    return Q(**{f"{request}submitted_at__isnull": False}) | Q(**{f"{request}requester_id": user.pk})


def visible_to(user: Person) -> ConnectionRequestQuerySet:
    """The requests that exist for `user`; every page, export and fragment starts from it.

    Other people's drafts exist for nobody. For who may only approve what is to be trusted these are, beside their own,
    those where something waits for that, and those where something was approved: a mail or an open page must not end
    nowhere because a colleague was faster.
    """
    if sees_everything(user):
        return ConnectionRequest.objects.filter(not_a_draft(user))
    if not user.is_active:
        return ConnectionRequest.objects.none()
    own = ConnectionRequest.objects.filter(requester_id=user.pk)
    if not _has(user, "approve_trust"):
        return own
    # A union, because a condition with OR would walk the whole table.
    waiting, approved = trust_waiting_for(user).order_by().values("request"), Trust.objects.order_by().values("request")
    return ConnectionRequest.objects.filter(pk__in=own.values("pk").union(waiting, approved))


def sees_all_of(user: Person, request: ConnectionRequest) -> bool:
    """Whether what belongs to a request that `user` sees, its batch and its changes, exists for them as well."""
    return request.requester_id == user.pk or sees_everything(user)


def batches_visible_to(user: Person) -> QuerySet[Batch]:
    """The batches that exist for `user`: those whose requests do."""
    if sees_everything(user):
        return Batch.objects.all()
    if not user.is_active:
        return Batch.objects.none()
    return Batch.objects.filter(requester_id=user.pk)


def approvers_for(requester: Person, preset: Preset | None = None) -> QuerySet[User]:
    """The active users who may decide on requests of `requester`: holders of the right, never the requester.

    Of a request that was made from a preset with a group of its own, only that group's members.
    """
    holders = User.objects.with_perm("connections.approve_request", backend=_BACKEND)
    if preset is not None and preset.approvers_id:
        holders = holders.filter(groups=preset.approvers_id)
    return holders.filter(is_active=True).exclude(pk=requester.pk or 0)


def waiting_for(user: Person) -> ConnectionRequestQuerySet:
    """The requests that wait for a decision which `user` may take, oldest first; none for who is no approver."""
    if not is_approver(user):
        return ConnectionRequest.objects.none()
    groups = Q(preset=None) | Q(preset__approvers=None) | Q(preset__approvers__in=user.groups.values("pk"))
    return ConnectionRequest.objects.waiting_for_approval().filter(groups).exclude(requester_id=user.pk)


def check_can_file(user: Person, preset: Preset | None = None, approvers: QuerySet[User] | None = None) -> None:
    """Raise Denied unless `user` may submit requests: anybody active, while somebody else can approve them.

    Whoever tells the approvers afterwards gives them (`approvers_for`), so that they are read once.
    """
    if not user.is_active:
        raise Denied("Your account is not active.")
    if approvers if approvers is not None else approvers_for(user, preset).exists():
        return
    if preset is not None and preset.approvers:
        raise Denied(
            f"Nobody in the group “{preset.approvers}” can approve requests of the preset “{preset}” yet: ask an "
            "administrator to add an approver to it."
        )
    raise Denied("Nobody can approve this request yet: ask an administrator to add an approver.")


def check_own(user: Person, request: ConnectionRequest, verb: str) -> None:
    """Raise Denied unless `user` is the requester."""
    if not user.is_active or request.requester_id != user.pk:
        raise Denied(f"Only {request.requester} can {verb} this request.")


def check_can_edit(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless `user` is the requester and the request is not decided yet."""
    check_own(user, request, "edit")
    if request.state not in EDITABLE:
        raise Denied(f"It can no longer be edited: {request.state.label}.")


def check_can_withdraw(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless `user` is the requester and nothing has started at Fivetran, nor may have."""
    check_own(user, request, "withdraw")
    if request.state not in WITHDRAWABLE:
        raise Denied(f"It can no longer be withdrawn: {request.state.label}.")
    if request.first_sent_at is not None:
        raise Denied("It can no longer be withdrawn: it was sent once, and what became of that may still show up.")


def check_can_clone(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless the request exists for `user`; a clone holds no secret, for none is stored."""
    if not visible_to(user).filter(pk=request.pk).exists():
        raise Denied("This request is not yours to see.")


def check_can_copy_live(user: Person, connection_id: str) -> None:
    """Raise Denied unless `user` decides or operates, or asked for the connection with this id."""
    asked = ConnectionRequest.objects.filter(connection_id=connection_id, requester_id=user.pk)
    if not (is_approver(user) or is_operator(user) or (user.is_active and asked.exists())):
        raise Denied("Only approvers, operators and who asked for a connection can copy it as it is at Fivetran.")


def check_can_decide(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless `user` may approve, reject or ask for changes, is not the requester, and it is pending."""
    if not is_approver(user):
        raise Denied("Only approvers can decide on requests.")
    if request.requester_id == user.pk:
        raise Denied("Nobody can decide on their own request.")
    group = request.preset.approvers if request.preset else None
    if group is not None and not user.groups.filter(pk=group.pk).exists():
        raise Denied(f"Only approvers in the group “{group}” can decide on requests of the preset “{request.preset}”.")
    if request.state is not Status.PENDING:
        by = f" by {request.decided_by}" if request.decided_by and request.decided_at else ""
        raise Denied(f"There is nothing to decide: it is already “{request.state.label}”{by}.")


def check_can_rerun_tests(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless the request is created, `user` is its requester or an operator, and no run is under way."""
    own = user.is_active and request.requester_id == user.pk
    if not (own or is_operator(user) or is_approver(user)):
        raise Denied("Only the requester, approvers and operators can run the setup tests.")
    if request.state is not Status.CREATED or request.gone_at:
        raise Denied("There is no connection to test.")
    if request.connection.tests in (SetupTestsState.DUE, SetupTestsState.RUNNING):
        raise Denied("The setup tests are already on their way.")


def check_can_trust(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless `user` may approve certificates and fingerprints, is not the requester, and it exists."""
    if not _has(user, "approve_trust"):
        raise Denied("Only people with the right to approve certificates and fingerprints can do this.")
    if request.requester_id == user.pk:
        raise Denied("Nobody can approve what is to be trusted for their own request.")
    if request.state is not Status.CREATED or request.gone_at:
        raise Denied("There is no connection to approve it for.")


def trust_approvers(request: ConnectionRequest) -> QuerySet[User]:
    """The active users who may approve certificates and fingerprints of this request."""
    holders = User.objects.with_perm("connections.approve_trust", backend=_BACKEND)
    return holders.filter(is_active=True).exclude(pk=request.requester_id)


def trust_waiting_for(user: Person) -> QuerySet[Connection]:
    """The connections with something to trust that `user` may approve, those that wait longest first."""
    if not _has(user, "approve_trust"):
        return Connection.objects.none()
    waiting = Connection.objects.filter(trust_since__isnull=False, request__gone_at=None)
    return waiting.exclude(request__requester_id=user.pk).order_by("trust_since", "pk")


def check_can_operate(user: Person) -> None:
    """Raise Denied unless `user` operates the portal."""
    if not is_operator(user):
        raise Denied("Only operators can do this.")


def check_can_refresh(user: Person) -> None:
    """Raise Denied unless `user` operates the portal or decides on requests."""
    if not (is_operator(user) or is_approver(user)):
        raise Denied("Only operators and approvers can refresh what Fivetran offers.")


def can_refresh(user: Person) -> bool:
    """Whether `user` may ask for a fresh copy of what Fivetran offers."""
    return is_operator(user) or is_approver(user)


def check_can_settle(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless `user` operates the portal and the request needs a person."""
    check_can_operate(user)
    if request.state is not Status.ATTENTION:
        raise Denied(f"It does not need an operator: it is “{request.state.label}”.")


def check_can_hand_back(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless `user` operates the portal and the refusal of the request is the operators' to mend."""
    check_can_operate(user)
    if (
        refusals.owner_of(request.status, request.failure_code) is not Owner.OPERATOR
        or request.state is not Status.FAILED
    ):
        raise Denied("There is no refusal of Fivetran to mend.")


def is_source_owner(user: Person, handover: Handover, proof: str = "") -> bool:
    """Whether the credentials are this person's to enter: the named user, or who proved to hold the address.

    `proof` is the nonce that the right code was answered with (`workflow.enter_code`); another owner has another nonce.
    """
    if handover.owner_id is not None:
        return bool(user.is_active and user.pk == handover.owner_id)
    return constant_time_compare(proof, handover.nonce)


def check_is_source_owner(user: Person, handover: Handover, proof: str = "") -> None:
    """Raise Denied unless the hand-over is this person's, and not over."""
    if not is_source_owner(user, handover, proof):
        raise Denied("This hand-over is somebody else's: only the named source owner can open it.")
    if handover.request.gone_at:
        raise Denied("The connection is no longer at Fivetran, so there is nothing to hand over.")
    if not handover.is_live:
        raise Denied(f"There is nothing to hand over: it is “{handover.get_state_display()}”.")


def oversees(user: Person, request: ConnectionRequest) -> bool:
    """Whether `user` may redirect the hand-over of this request, whatever its state."""
    own = user.is_active and request.requester_id == user.pk
    return own or is_approver(user) or is_operator(user)


def check_can_hand_over(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless `user` is the requester, an approver or an operator, and the connection lacks credentials."""
    if not oversees(user, request):
        raise Denied("Only the requester, approvers and operators can hand a connection over.")
    if request.state is not Status.CREATED or request.gone_at:
        raise Denied("There is no connection to hand over.")
    if request.connection.setup_state == "connected":
        raise Denied("Nobody's credentials are needed: the connection is connected.")


def check_can_pass_on(user: Person, handover: Handover, proof: str = "") -> None:
    """Raise Denied unless `user` is the owner, the requester, an approver or an operator, and it is not connected."""
    may_always = oversees(user, handover.request)
    if not (may_always or is_source_owner(user, handover, proof)):
        raise Denied("Only the source owner, the requester, approvers and operators can give it to somebody else.")
    if handover.request.gone_at:
        raise Denied("The connection is no longer at Fivetran, so there is nothing to hand over.")
    if handover.request.connection.setup_state == "connected":
        raise Denied("Nobody's credentials are needed: the connection is connected.")
    if not (may_always or handover.is_live):
        raise Denied(f"There is nothing to hand over: it is “{handover.get_state_display()}”.")


def check_can_revoke(user: Person, handover: Handover) -> None:
    """Raise Denied unless `user` is the requester, an approver or an operator, and the hand-over is not over."""
    if not oversees(user, handover.request):
        raise Denied("Only the requester, approvers and operators can revoke a hand-over.")
    if not handover.is_live:
        raise Denied(f"There is nothing to revoke: it is “{handover.get_state_display()}”.")


def _can(check: Callable[[Person, ConnectionRequest], None]) -> Callable[[Person, ConnectionRequest], bool]:
    def can(user: Person, request: ConnectionRequest) -> bool:
        try:
            check(user, request)
        except Denied:
            return False
        return True

    return can


can_edit = _can(check_can_edit)
can_withdraw = _can(check_can_withdraw)
can_clone = _can(check_can_clone)
can_decide = _can(check_can_decide)
can_rerun_tests = _can(check_can_rerun_tests)
can_settle = _can(check_can_settle)
can_hand_back = _can(check_can_hand_back)
can_trust = _can(check_can_trust)
can_hand_over = _can(check_can_hand_over)


# --- changes of connections that exist -------------------------------------------------------------------------------
def changes_visible_to(user: Person) -> ConnectionChangeQuerySet:
    """The changes that exist for `user`: those of the requests that do."""
    if sees_everything(user):
        return ConnectionChange.objects.all()
    if not user.is_active:
        return ConnectionChange.objects.none()
    return ConnectionChange.objects.filter(request__requester_id=user.pk)


def changes_waiting_for(user: Person) -> ConnectionChangeQuerySet:
    """The changes that wait for a decision which `user` may take, oldest first; none for who is no approver."""
    if not is_approver(user):
        return ConnectionChange.objects.none()
    preset = "request__preset"
    groups = Q(**{preset: None}) | Q(**{f"{preset}__approvers": None})
    groups |= Q(**{f"{preset}__approvers__in": user.groups.values("pk")})
    waiting = ConnectionChange.objects.filter(groups, status=ChangeStatus.PENDING)
    return waiting.exclude(requester_id=user.pk).order_by("created_at", "id")


def may_ask_for_change(user: Person, request: ConnectionRequest) -> bool:
    """Whether `user` is one who may ask for changes of this connection, whatever its state."""
    own = user.is_active and request.requester_id == user.pk
    return own or is_operator(user) or is_approver(user)


def check_can_ask_for_change(user: Person, request: ConnectionRequest) -> None:
    """Raise Denied unless the connection exists, no change of it is open, and `user` is one who may ask."""
    if not may_ask_for_change(user, request):
        raise Denied("Only the requester, approvers and operators can ask for a change of a connection.")
    if request.state is not Status.CREATED:
        raise Denied("There is no connection to change.")
    if request.gone_at:
        raise Denied("The connection is no longer at Fivetran.")
    # A page that has read the number of the open change with the request need not ask again.
    number = getattr(request, "open_change", None)
    if not hasattr(request, "open_change"):
        number = request.changes.open().values_list("pk", flat=True).first()
    if number is not None:
        raise Denied(f"Change #{number} of this connection is open already.")


def _check_change_in(change: ConnectionChange, statuses: frozenset[ChangeStatus], verb: str) -> None:
    if change.state not in statuses:
        # Whoever approved it did not make it, nor let it fail: only the decision itself is that person's.
        decision = change.state in (ChangeStatus.APPROVED, ChangeStatus.REJECTED)
        by = f" by {change.decided_by}" if change.decided_by and decision else ""
        raise Denied(f"There is nothing to {verb}: the change is already “{change.state.label}”{by}.")


def check_can_withdraw_change(user: Person, change: ConnectionChange) -> None:
    """Raise Denied unless `user` asked for the change and Fivetran is not being told."""
    if not user.is_active or change.requester_id != user.pk:
        raise Denied(f"Only {change.requester} can withdraw this change.")
    _check_change_in(change, CHANGE_WITHDRAWABLE, "withdraw")


def check_can_decide_change(user: Person, change: ConnectionChange) -> None:
    """Raise Denied unless `user` may approve or reject, did not ask for it, and it is pending."""
    if not is_approver(user):
        raise Denied("Only approvers can decide on changes.")
    if change.requester_id == user.pk:
        raise Denied("Nobody can decide on a change they asked for themselves.")
    preset = change.request.preset
    group = preset.approvers if preset else None
    if group is not None and not user.groups.filter(pk=group.pk).exists():
        raise Denied(f"Only approvers in the group “{group}” can decide on connections of the preset “{preset}”.")
    _check_change_in(change, frozenset({ChangeStatus.PENDING}), "decide")


def check_can_approve_change(user: Person, change: ConnectionChange) -> None:
    """Raise Denied unless `user` may decide on the change and the connection is still there: else only to reject it."""
    check_can_decide_change(user, change)
    if change.request.gone_at:
        raise Denied("The connection is no longer at Fivetran, so there is nothing to approve. It can be rejected.")
