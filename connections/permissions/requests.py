"""Requests: who sees them, and who may submit, edit, withdraw, copy and decide them."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from connections.models import Batch, BatchRow, ConnectionRequest, Preset, Trust, Writer
from connections.models.request import ConnectionRequestQuerySet
from connections.permissions.rights import (
    Denied,
    Person,
    as_boolean,
    has_right,
    holders,
    is_approver,
    is_operator,
    sees_everything,
)
from connections.permissions.teams import (
    check_own,
    continued_by,
    continues,
    in_a_team,
    of_teams,
    oversees,
    teams_requests,
    written_by,
    wrote,
)
from connections.permissions.trust import trust_waiting_for
from connections.states import EDITABLE, TESTS_OPEN, WITHDRAWABLE, Status


def not_a_draft(user: Person, request: str = "") -> Q:
    """A draft is private to its requester, also after it was withdrawn, until it is shared with the team. `request` is
    the path to the request from another model, with its `__`.
    """
    own = Q(**{f"{request}submitted_at__isnull": False}) | Q(**{f"{request}requester_id": user.pk})
    return own | of_teams(user, request) if in_a_team(user) else own


def visible_to(user: Person) -> ConnectionRequestQuerySet:
    """The requests that exist for `user`; every page, export and fragment starts from it."""
    if sees_everything(user):
        return ConnectionRequest.objects.filter(not_a_draft(user))
    if not user.is_active:
        return ConnectionRequest.objects.none()
    own = ConnectionRequest.objects.filter(requester_id=user.pk)
    parts: list[QuerySet[Any, Any]] = [teams_requests(user).values("pk")] if in_a_team(user) else []
    if has_right(user, "approve_trust"):
        # Also what a colleague has approved meanwhile: a mail or an open page must not lead to a 404.
        parts.append(trust_waiting_for(user).order_by().values("request"))
        parts.append(Trust.objects.order_by().values("request"))
    # A union, because a condition with OR would walk the whole table.
    return ConnectionRequest.objects.filter(pk__in=own.values("pk").union(*parts)) if parts else own


def can_see(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether `visible_to` holds `conn_request`, which was read already: of one's own no right is asked for."""
    if conn_request.requester_id == user.pk:
        return user.is_active
    if sees_everything(user) and conn_request.submitted_at is not None:
        return True
    if continues(user, conn_request):  # a page asks this anyway, and again
        return True
    return visible_to(user).filter(pk=conn_request.pk).exists()


def sees_all_of(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether the batch and the changes of a request that `user` sees exist for `user` too."""
    return continues(user, conn_request) or sees_everything(user)


def batches_visible_to(user: Person) -> QuerySet[Batch]:
    if sees_everything(user):
        return Batch.objects.all()
    if not user.is_active:
        return Batch.objects.none()
    # Of a batch that is partly theirs the page shows that part.
    continued = BatchRow.objects.filter(request__in=continued_by(user)).order_by().values("batch")
    return Batch.objects.filter(pk__in=Batch.objects.filter(requester_id=user.pk).values("pk").union(continued))


def approvers_for(
    requester: Person, preset: Preset | None = None, conn_request: ConnectionRequest | None = None
) -> QuerySet[User]:
    """The active users who may decide on requests of `requester`, never the requester, nor who wrote `conn_request`; of
    a preset with a group, only the members of that group.
    """
    found = holders("approve_request").exclude(pk=requester.pk or 0)
    if conn_request is not None:
        writers = Writer.objects.filter(request=conn_request).values("person")
        found = found.exclude(pk=conn_request.requester_id).exclude(pk__in=writers)
    return found.filter(groups=preset.approvers_id) if preset is not None and preset.approvers_id else found


def waiting_for(user: Person) -> ConnectionRequestQuerySet:
    if not is_approver(user):
        return ConnectionRequest.objects.none()
    waiting = ConnectionRequest.objects.filter(of_groups(user), status=Status.PENDING)
    return waiting.exclude(requester_id=user.pk).exclude(written_by(user)).order_by("submitted_at", "id")


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
    if is_approver(user) or is_operator(user):
        return
    if not continued_by(user).filter(connection_id=connection_id).exists():
        raise Denied("Only approvers, operators and who asked for a connection can copy it as it is at Fivetran.")


def check_can_decide(user: Person, conn_request: ConnectionRequest) -> None:
    if not is_approver(user):
        raise Denied("Only approvers can decide on requests.")
    if conn_request.requester_id == user.pk:
        raise Denied("Nobody can decide on their own request.")
    if wrote(user, conn_request):
        raise Denied("You wrote a part of this request, so somebody else decides on it.")
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
