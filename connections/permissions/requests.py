"""Requests: who sees them, and who may submit, edit, withdraw, copy and decide them."""

from functools import reduce
from operator import or_
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet, Value

from connections.models import Batch, BatchRow, ConnectionRequest, Preset, Trust, Writer
from connections.models.request import ConnectionRequestQuerySet
from connections.people import display_name
from connections.permissions.access import (
    Into,
    Right,
    answer,
    check_approves_into,
    check_requester_asks,
    denied_words,
    let_into,
    may_ask_into,
    reads_whole,
)
from connections.permissions.reach import may_ask, not_by_index, reach_of, sees_every_submitted
from connections.permissions.rights import (
    Denied,
    Person,
    as_boolean,
    check_writes,
    has_right,
    holders,
    in_a_team,
    is_approver,
    is_operator,
)
from connections.permissions.teams import (
    check_can_take_over,
    check_own,
    continued_by,
    continues,
    of_teams,
    oversees,
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
    return ConnectionRequest.objects.filter(seen(user)) if user.is_active else ConnectionRequest.objects.none()


def seen(user: Person, path: str = "") -> Q:
    """`visible_to` for a query of what has a request at `path` (with its `__`)."""
    return reduce(or_, _reasons(user, path))


def parts_of(user: Person, *, submitted: bool = False, in_order: bool = False) -> list[ConnectionRequestQuerySet]:
    """`visible_to` in parts, which may overlap: an index finds each, and none finds them all. `submitted`: of requests
    that were submitted; `in_order`: to be read in an order until there are enough.
    """
    if not user.is_active:
        return [ConnectionRequest.objects.none()]
    reasons = _reasons(user, submitted=submitted, in_order=in_order)
    return [ConnectionRequest.objects.filter(reason) for reason in reasons]


def _reasons(user: Person, path: str = "", *, submitted: bool = False, in_order: bool = True) -> list[Q]:
    """Why a request exists for `user`: one of these is enough."""
    if sees_every_submitted(user):
        return [Q() if submitted else not_a_draft(user, path)]
    reasons = [Q(**{f"{path}requester_id": user.pk})]
    if in_a_team(user):
        reasons.append(of_teams(user, path, submitted=submitted))
    if is_approver(user):
        approves = reach_of(user).approves(path, in_order=in_order)
        was_submitted = not_by_index(Q(**{f"{path}submitted_at__isnull": False}))
        reasons.append(approves if submitted else approves & was_submitted)
    elif has_right(user, "approve_trust"):
        # Also what a colleague has approved meanwhile: a mail or an open page must not lead to a 404.
        approved = Trust.objects.filter(reach_of(user).approves("request__")).order_by().values("request")
        waiting = trust_waiting_for(user).order_by().values("request")
        reasons.append(Q(**{f"{path}pk__in": waiting.union(approved)}))
    return reasons


def can_see(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether `visible_to` holds `conn_request`, which was read already: of one's own no right is asked for."""
    if conn_request.requester_id == user.pk:
        return user.is_active
    if conn_request.submitted_at is not None and reads_whole(user, conn_request):
        return True
    if continues(user, conn_request):  # a page asks this anyway, and again
        return True
    return visible_to(user).filter(pk=conn_request.pk).exists()


def sees_all_of(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether the batch and the changes of a request that `user` sees exist for `user` too."""
    return continues(user, conn_request) or reads_whole(user, conn_request)


def batches_visible_to(user: Person) -> QuerySet[Batch]:
    if sees_every_submitted(user):
        return Batch.objects.all()
    if not user.is_active:
        return Batch.objects.none()
    # Of a batch that is partly theirs the page shows that part.
    continued = BatchRow.objects.filter(request__in=continued_by(user)).order_by().values("batch")
    own = Q(pk__in=Batch.objects.filter(requester_id=user.pk).values("pk").union(continued))
    if not is_approver(user):
        return Batch.objects.filter(own)
    decided = BatchRow.objects.filter(reach_of(user).approves("request__"), batch=OuterRef("pk"))
    return Batch.objects.filter(own | Q(Exists(decided)))


def rows_visible_to(user: Person, batch: Batch) -> QuerySet[BatchRow]:
    return batch.rows.filter(request__in=visible_to(user))


def approvers_for(
    requester: Person,
    preset: Preset | None = None,
    conn_request: ConnectionRequest | None = None,
    into: Into | None = None,
) -> QuerySet[User]:
    """The active users who may decide on requests of `requester`, never the requester, nor who wrote `conn_request`; of
    a preset with a group, only the members of that group. With `into` those whom the rules let approve there, each with
    `requester_asks`: whether they let the requester ask.
    """
    found = holders("approve_request").exclude(pk=requester.pk or 0)
    if conn_request is not None:
        writers = Writer.objects.filter(request=conn_request).values("person")
        found = found.exclude(pk=conn_request.requester_id).exclude(pk__in=writers)
    if into is not None:
        found = found.filter(let_into(Right.APPROVE, into))
        found = found.annotate(requester_asks=let_into(Right.REQUEST, into, Value(requester.pk or 0)))
    return found.filter(groups=preset.approvers_id) if preset is not None and preset.approvers_id else found


def nobody_decides(conn_request: ConnectionRequest) -> str:
    """Who can mend that nobody may decide on a pending request, in words; empty where somebody may."""
    into = Into.of(conn_request)
    if approvers_for(conn_request.requester, conn_request.preset, conn_request, into).exists():
        return ""
    return (
        f"Nobody can decide on this request at the moment: besides who wrote it, no active approver is let in for "
        f"{into.words}. An administrator can add one to a group of its access rule, or give somebody the right to "
        "approve."
    )


def check_can_reassign(to: User, conn_request: ConnectionRequest, by: User) -> None:
    """Whether `to` can become the requester, and somebody is left to decide then."""
    check_can_take_over(to, conn_request, by)
    into, number = Into.of(conn_request), f"request #{conn_request.pk}"
    waits = conn_request.state in (Status.PENDING, Status.CHANGES_REQUESTED)
    if waits and not approvers_for(to, conn_request.preset, conn_request, into).exists():
        raise Denied(f"Nobody else could decide on {number} then, so it does not go to {display_name(to)}.")


def waiting_for(user: Person) -> ConnectionRequestQuerySet:
    if not is_approver(user):
        return ConnectionRequest.objects.none()
    waiting = ConnectionRequest.objects.filter(of_groups(user), reach_of(user).approves(), status=Status.PENDING)
    return waiting.exclude(requester_id=user.pk).exclude(pk__in=written_by(user)).order_by("submitted_at", "id")


def of_groups(user: Person, preset: str = "preset") -> Q:
    """What any approver may decide, or a group of `user`; `preset` is the path to the preset."""
    group = f"{preset}__approvers"
    return Q(**{preset: None}) | Q(**{group: None}) | Q(**{f"{group}__in": user.groups.values("pk")})


def check_in_group(user: Person, preset: Preset | None, what: str) -> None:
    group = preset.approvers if preset else None
    if group is not None and not user.groups.filter(pk=group.pk).exists():
        raise Denied(f"Only approvers in the group “{group}” can decide on {what} of the preset “{preset}”.")


def check_can_file(
    user: Person,
    preset: Preset | None = None,
    approvers: QuerySet[User] | None = None,
    into: Into | None = None,
    *,
    looks_after: bool = False,
) -> None:
    """Raise Denied unless `user` is active, may ask for connections `into` the destination or `looks_after` one there,
    and somebody else can approve. A caller that has read `approvers` already, with `into`, gives them.
    """
    if not user.is_active:
        raise Denied("Your account is not active.")
    check_writes(user)
    found: Any = approvers if approvers is not None else approvers_for(user, preset, into=into)[:1]
    if into and not looks_after and not (found[0].requester_asks if found else may_ask_into(user, into)):
        raise Denied(denied_words(into))
    if found:
        return
    if into and approvers_for(user, preset).exists():
        raise Denied(
            f"The access rules let nobody else approve {into.words} yet: ask an administrator to add an approver there."
        )
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
    check_writes(user)
    if not visible_to(user).filter(pk=conn_request.pk).exists():  # a copy holds no secret, for none is stored
        raise Denied("This request is not yours to see.")


def check_can_test(user: Person, conn_request: ConnectionRequest) -> None:
    check_writes(user)
    if not can_see(user, conn_request):
        raise Denied("This request is not yours to see.")
    # A dry run asks Fivetran about the destination, and tells what has the name there.
    into = Into.of(conn_request)
    if not into.group_id or reads_whole(user, conn_request):
        return
    if not into.service:  # a draft
        allowed = may_ask(user).is_open(into.group_id)
    elif conn_request.requester_id == user.pk:
        allowed = answer(user, conn_request).requester_asks
    else:
        allowed = may_ask_into(user, into)
    if not allowed:
        raise Denied(denied_words(into))


def check_can_copy_live(user: Person, connection_id: str) -> None:
    check_writes(user)
    if is_approver(user) or is_operator(user):
        return
    if not continued_by(user).filter(connection_id=connection_id).exists():
        raise Denied("Only approvers, operators and who asked for a connection can copy it as it is at Fivetran.")


def may_copy_from(user: Person, connection_id: str, into: Into) -> bool:
    """Whether `user`, who can copy connections in general, may read this one, which is `into` a destination."""
    own = continued_by(user).filter(connection_id=connection_id)
    return is_operator(user) or own.exists() or may_approve_into(user, into)


def may_approve_into(user: Person, into: Into) -> bool:
    found = User.objects.filter(pk=user.pk or 0).values_list(let_into(Right.APPROVE, into), flat=True).first()
    return is_approver(user) and bool(found)


def check_can_decide(user: Person, conn_request: ConnectionRequest) -> None:
    if not is_approver(user):
        raise Denied("Only approvers can decide on requests.")
    if conn_request.requester_id == user.pk:
        raise Denied("Nobody can decide on their own request.")
    if wrote(user, conn_request):
        raise Denied("You wrote a part of this request, so somebody else decides on it.")
    check_approves_into(user, conn_request)
    check_in_group(user, conn_request.preset, "requests")
    if conn_request.state is not Status.PENDING:
        by = f" by {conn_request.decided_by}" if conn_request.decided_by and conn_request.decided_at else ""
        raise Denied(f"There is nothing to decide: it is already “{conn_request.state.label}”{by}.")


def check_can_approve(user: Person, conn_request: ConnectionRequest) -> None:
    check_can_decide(user, conn_request)  # what its requester may no longer ask for can still be rejected
    check_requester_asks(user, conn_request)


def check_can_rerun_tests(user: Person, conn_request: ConnectionRequest) -> None:
    check_writes(user)
    if not oversees(user, conn_request):
        raise Denied("Only the requester, approvers and operators can run the setup tests.")
    if conn_request.state is not Status.CREATED or conn_request.deleted_at_fivetran_at:
        raise Denied("There is no connection to test.")
    if conn_request.connection.tests in TESTS_OPEN:
        raise Denied("The setup tests are already on their way.")


can_edit = as_boolean(check_can_edit)
can_decide = as_boolean(check_can_decide)
