"""Teams: whose requests somebody may see and continue besides their own, and who wrote a request."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet

from connections.models import ConnectionRequest, Team, Writer
from connections.models.request import ConnectionRequestQuerySet
from connections.people import display_name
from connections.permissions.access import Into, approves, may_ask_into
from connections.permissions.reach import reach_of
from connections.permissions.rights import Denied, Person, check_writes, in_a_team, is_approver, is_operator, reads_only
from connections.states import ChangeStatus, Status

_WRITERS = "_writer_ids"


def of_teams(user: Person, request: str = "", *, submitted: bool = False) -> Q:
    """The requests of the teams of `user`, and the drafts that were shared with them. `request` is the path to the
    request from another model, with its `__`; `submitted`: of requests that were submitted.
    """
    mine = Q(**{f"{request}team__in": reach_of(user).teams})
    if submitted:
        return mine
    open_to_team = Q(**{f"{request}submitted_at__isnull": False}) | Q(**{f"{request}shared_at__isnull": False})
    return mine & open_to_team


def teams_requests(user: Person) -> ConnectionRequestQuerySet:
    if not in_a_team(user):
        return ConnectionRequest.objects.none()
    return ConnectionRequest.objects.filter(of_teams(user))


def continued_by(user: Person) -> ConnectionRequestQuerySet:
    """The requests that `user` may continue: the own ones, and those of the own teams; of an auditor none."""
    if not user.is_active or reads_only(user):
        return ConnectionRequest.objects.none()
    own = ConnectionRequest.objects.filter(requester_id=user.pk)
    if not in_a_team(user):
        return own
    # A union, because a condition with OR would walk the whole table.
    return ConnectionRequest.objects.filter(pk__in=own.values("pk").union(teams_requests(user).values("pk")))


def continues(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether `user` is the requester, or in the team of the request; a draft is the team's once it is shared."""
    if conn_request.requester_id == user.pk:
        return user.is_active and not reads_only(user)
    if conn_request.team_id is None or (conn_request.submitted_at is None and conn_request.shared_at is None):
        return False
    # A page that has read with the request whether it is of a team of its reader need not ask again.
    reader, is_member = getattr(conn_request, "for_reader", (None, False))
    return in_a_team(user) and (is_member if reader == user.pk else conn_request.team_id in team_ids(user))


def team_ids(user: Person) -> frozenset[int]:
    return frozenset(reach_of(user).teams)


def check_own(user: Person, conn_request: ConnectionRequest, verb: str) -> None:
    check_writes(user)
    if not continues(user, conn_request):
        team = f" and the team “{conn_request.team}”" if conn_request.team_id else ""
        raise Denied(f"Only {conn_request.requester}{team} can {verb} this request.")


def check_can_share(user: Person, conn_request: ConnectionRequest) -> None:
    _check_own_draft(user, conn_request)
    if not team_ids(user):
        raise Denied("You are in no team, so there is nobody to share it with: ask an administrator.")


def check_can_stop_sharing(user: Person, conn_request: ConnectionRequest) -> None:
    """Also for whoever has left the team since."""
    _check_own_draft(user, conn_request)


def _check_own_draft(user: Person, conn_request: ConnectionRequest) -> None:
    check_writes(user)
    if conn_request.requester_id != user.pk or not user.is_active:
        raise Denied(f"Only {conn_request.requester} can share this draft.")
    if conn_request.state is not Status.DRAFT:
        raise Denied("It was submitted, and the team sees what was submitted.")


def check_in_team(user: Person, team: Team) -> None:
    if team.pk not in team_ids(user):
        raise Denied("You are not in this team.")


def check_can_take_over(to: User, conn_request: ConnectionRequest, by: User) -> None:
    """Whether `to` can become the requester. The reason is for `by`, the operator who hands it over."""
    name, number = display_name(to), f"request #{conn_request.pk}"
    if not to.is_active:
        raise Denied(f"{name} has no active account.")
    if reads_only(to):
        raise Denied(f"{name} is an auditor, who changes nothing, so {number} goes to somebody else.")
    if conn_request.requester_id == to.pk:
        raise Denied(f"{name} has {number} already.")
    if conn_request.approved_by_id == to.pk:
        raise Denied(f"{name} approved it, so {number} goes to somebody else: nobody approves their own request.")
    if conn_request.submitted_at is None:  # private, and an operator reads none of it by handing it over
        if conn_request.requester.is_active:
            raise Denied(f"{display_name(conn_request.requester)} has an active account, and hands over no draft.")
        if to.pk == by.pk:
            raise Denied("A draft goes to a colleague of who wrote it, not to the operator who hands it over.")
    into = Into.of(conn_request)
    if into.group_id and into.service and not may_ask_into(to, into):
        words = into.words if conn_request.submitted_at else "what the draft is about"
        raise Denied(f"The access rules do not let {name} ask for {words}, so {number} goes to somebody else.")
    if conn_request.trusts.filter(approved_by=to).exists():
        raise Denied(f"{name} approved what is trusted for it, so {number} goes to somebody else.")
    if conn_request.changes.open().filter(approved_by=to).exists():
        raise Denied(f"{name} approved a change of it that is on its way, so {number} goes to somebody else for now.")
    asked = conn_request.changes.filter(status=ChangeStatus.PENDING, requester=conn_request.requester_id)
    if is_approver(to) and (change := asked.first()):
        raise Denied(
            f"{name} could approve change #{change.pk}, which {display_name(conn_request.requester)} asked for: let "
            f"somebody decide on it first, or give {number} to somebody else."
        )


def check_not_handed_to(user: Person, conn_request: ConnectionRequest) -> None:
    """For whoever approves a part of it, once its connection is locked. A hand-over locks it too: of two at once the
    second sees what the first did.
    """
    was_mine = conn_request.requester_id == user.pk
    if not was_mine and ConnectionRequest.objects.filter(pk=conn_request.pk, requester=user.pk).exists():
        raise Denied("It was handed to you in the meantime, and nobody approves what is their own.")


def oversees(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether `user` looks after the connection of this request, whatever its state."""
    if conn_request.requester_id == user.pk:
        return user.is_active and not reads_only(user)
    return is_operator(user) or approves(user, conn_request) or continues(user, conn_request)


# --- who wrote it ----------------------------------------------------------------------------------------------------
def wrote(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether `user` is the requester, was it, or wrote any version: then never the one who decides."""
    return conn_request.requester_id == user.pk or user.pk in _writer_ids(conn_request)


def writers_of(conn_request: ConnectionRequest) -> QuerySet[User]:
    return User.objects.filter(pk__in=_writer_ids(conn_request)).order_by("username")


def _writer_ids(conn_request: ConnectionRequest) -> frozenset[int]:
    # As of the version that was read: who writes another one makes a decision about this one stale.
    known: frozenset[int] | None = getattr(conn_request, _WRITERS, None)
    if known is None:
        # A page that has read with the request that there are none need not ask again.
        some = getattr(conn_request, "has_writers", True)
        known = frozenset(conn_request.writers.values_list("person_id", flat=True)) if some else frozenset()
        setattr(conn_request, _WRITERS, known)
    return known


def with_reader(rows: ConnectionRequestQuerySet, user: Person) -> ConnectionRequestQuerySet:
    """Reads with each request what `continues` and `wrote` would ask; see `read_for`."""
    mine = Team.objects.of(user.pk).filter(pk=OuterRef("team"))
    return rows.annotate(has_writers=Exists(Writer.objects.filter(request=OuterRef("pk"))), of_my_team=Exists(mine))


def read_for(user: Person, conn_request: ConnectionRequest) -> None:
    conn_request.for_reader = (user.pk, conn_request.of_my_team)  # type: ignore[attr-defined]


def written_by(user: Person) -> QuerySet[Writer, Any]:
    """The ids of the requests of which `user`, who is not their requester, wrote a version."""
    return Writer.objects.filter(person=user.pk).values("request")
