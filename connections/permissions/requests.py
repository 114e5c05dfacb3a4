"""Requests: who sees them, and who may submit, edit, withdraw, copy and decide them."""

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from connections.models import Batch, ConnectionRequest, Preset, Trust
from connections.models.request import ConnectionRequestQuerySet
from connections.permissions.rights import (
    Denied,
    Person,
    as_boolean,
    has_right,
    holders,
    is_approver,
    is_operator,
    oversees,
    sees_everything,
)
from connections.permissions.trust import trust_waiting_for
from connections.states import EDITABLE, TESTS_OPEN, WITHDRAWABLE, Status


def not_a_draft(user: Person, request: str = "") -> Q:
    """A draft is private to its writer, also after it was withdrawn. `request` is the path to the request from another
    model, with its `__`.
    """
    return Q(**{f"{request}submitted_at__isnull": False}) | Q(**{f"{request}requester_id": user.pk})


def visible_to(user: Person) -> ConnectionRequestQuerySet:
    """The requests that exist for `user`; every page, export and fragment starts from it."""
    if sees_everything(user):
        return ConnectionRequest.objects.filter(not_a_draft(user))
    if not user.is_active:
        return ConnectionRequest.objects.none()
    own = ConnectionRequest.objects.filter(requester_id=user.pk)
    if not has_right(user, "approve_trust"):
        return own
    # Also what a colleague has approved meanwhile: a mail or an open page must not lead to a 404.
    # A union, because a condition with OR would walk the whole table.
    waiting, approved = trust_waiting_for(user).order_by().values("request"), Trust.objects.order_by().values("request")
    return ConnectionRequest.objects.filter(pk__in=own.values("pk").union(waiting, approved))


def can_see(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether `visible_to` holds `conn_request`, which was read already: of one's own no right is asked for."""
    if conn_request.requester_id == user.pk:
        return user.is_active
    if sees_everything(user):
        return conn_request.submitted_at is not None
    return visible_to(user).filter(pk=conn_request.pk).exists()


def sees_all_of(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether the batch and the changes of a request that `user` sees exist for `user` too."""
    return conn_request.requester_id == user.pk or sees_everything(user)


def batches_visible_to(user: Person) -> QuerySet[Batch]:
    if sees_everything(user):
        return Batch.objects.all()
    if not user.is_active:
        return Batch.objects.none()
    return Batch.objects.filter(requester_id=user.pk)


def approvers_for(requester: Person, preset: Preset | None = None) -> QuerySet[User]:
    """The active users who may decide on requests of `requester`, never the requester; of a preset with a group, only
    the members of that group.
    """
    found = holders("approve_request").exclude(pk=requester.pk or 0)
    return found.filter(groups=preset.approvers_id) if preset is not None and preset.approvers_id else found


def waiting_for(user: Person) -> ConnectionRequestQuerySet:
    if not is_approver(user):
        return ConnectionRequest.objects.none()
    waiting = ConnectionRequest.objects.filter(of_groups(user), status=Status.PENDING)
    return waiting.exclude(requester_id=user.pk).order_by("submitted_at", "id")


def of_groups(user: Person, preset: str = "preset") -> Q:
    """What any approver may decide, or a group of `user`; `preset` is the path to the preset."""
    group = f"{preset}__approvers"
    return Q(**{preset: None}) | Q(**{group: None}) | Q(**{f"{group}__in": user.groups.values("pk")})


def check_in_group(user: Person, preset: Preset | None, what: str) -> None:
    group = preset.approvers if preset else None
    if group is not None and not user.groups.filter(pk=group.pk).exists():
        raise Denied(f"Only approvers in the group “{group}” can decide on {what} of the preset “{preset}”.")


def check_can_file(user: Person, preset: Preset | None = None, approvers: QuerySet[User] | None = None) -> None:
    """Raise Denied unless `user` is active and somebody else can approve. A caller that has read `approvers` already
    gives them.
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


def check_own(user: Person, conn_request: ConnectionRequest, verb: str) -> None:
    if not user.is_active or conn_request.requester_id != user.pk:
        raise Denied(f"Only {conn_request.requester} can {verb} this request.")


def check_can_edit(user: Person, conn_request: ConnectionRequest) -> None:
    check_own(user, conn_request, "edit")
    if conn_request.state not in EDITABLE:
        raise Denied(f"It can no longer be edited: {conn_request.state.label}.")


def check_can_withdraw(user: Person, conn_request: ConnectionRequest) -> None:
    check_own(user, conn_request, "withdraw")
    if conn_request.state not in WITHDRAWABLE:
        raise Denied(f"It can no longer be withdrawn: {conn_request.state.label}.")
    if conn_request.first_sent_at is not None:
        raise Denied("It can no longer be withdrawn: it was sent once, and what became of that may still show up.")


def check_can_clone(user: Person, conn_request: ConnectionRequest) -> None:
    if not visible_to(user).filter(pk=conn_request.pk).exists():  # a copy holds no secret, for none is stored
        raise Denied("This request is not yours to see.")


def check_can_test(user: Person, conn_request: ConnectionRequest) -> None:
    if not can_see(user, conn_request):
        raise Denied("This request is not yours to see.")


def check_can_copy_live(user: Person, connection_id: str) -> None:
    asked = ConnectionRequest.objects.filter(connection_id=connection_id, requester_id=user.pk)
    if not (is_approver(user) or is_operator(user) or (user.is_active and asked.exists())):
        raise Denied("Only approvers, operators and who asked for a connection can copy it as it is at Fivetran.")


def check_can_decide(user: Person, conn_request: ConnectionRequest) -> None:
    if not is_approver(user):
        raise Denied("Only approvers can decide on requests.")
    if conn_request.requester_id == user.pk:
        raise Denied("Nobody can decide on their own request.")
    check_in_group(user, conn_request.preset, "requests")
    if conn_request.state is not Status.PENDING:
        by = f" by {conn_request.decided_by}" if conn_request.decided_by and conn_request.decided_at else ""
        raise Denied(f"There is nothing to decide: it is already “{conn_request.state.label}”{by}.")


def check_can_rerun_tests(user: Person, conn_request: ConnectionRequest) -> None:
    if not oversees(user, conn_request):
        raise Denied("Only the requester, approvers and operators can run the setup tests.")
    if conn_request.state is not Status.CREATED or conn_request.deleted_at_fivetran_at:
        raise Denied("There is no connection to test.")
    if conn_request.connection.tests in TESTS_OPEN:
        raise Denied("The setup tests are already on their way.")


can_edit = as_boolean(check_can_edit)
can_decide = as_boolean(check_can_decide)
