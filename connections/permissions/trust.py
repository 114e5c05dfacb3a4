"""Certificates and SSH fingerprints: who may approve them."""

from django.contrib.auth.models import User
from django.db.models import QuerySet

from connections.models import Connection, ConnectionRequest, Writer
from connections.permissions.access import Into, Right, check_approves_into, let_into
from connections.permissions.reach import reach_of
from connections.permissions.rights import Denied, Person, as_boolean, has_right, holders
from connections.permissions.teams import written_by, wrote
from connections.states import Status


def check_can_trust(user: Person, conn_request: ConnectionRequest) -> None:
    if not has_right(user, "approve_trust"):
        raise Denied("Only people with the right to approve certificates and fingerprints can do this.")
    if conn_request.requester_id == user.pk:
        raise Denied("Nobody can approve what is to be trusted for their own request.")
    if wrote(user, conn_request):
        raise Denied("You wrote a part of this request, so somebody else approves what is to be trusted for it.")
    check_approves_into(user, conn_request)
    if conn_request.state is not Status.CREATED or conn_request.deleted_at_fivetran_at:
        raise Denied("There is no connection to approve it for.")


def trust_approvers(conn_request: ConnectionRequest) -> QuerySet[User]:
    writers = Writer.objects.filter(request=conn_request).values("person")
    found = holders("approve_trust").filter(let_into(Right.APPROVE, Into.of(conn_request)))
    return found.exclude(pk=conn_request.requester_id).exclude(pk__in=writers)


def trust_waiting_for(user: Person) -> QuerySet[Connection]:
    """The connections with something that `user` may approve, those that wait longest first."""
    if not has_right(user, "approve_trust"):
        return Connection.objects.none()
    mine = reach_of(user).approves("request__")
    waiting = Connection.objects.filter(mine, trust_since__isnull=False, request__deleted_at_fivetran_at=None)
    others = waiting.exclude(request__requester_id=user.pk).exclude(request__in=written_by(user))
    return others.order_by("trust_since", "pk")


can_trust = as_boolean(check_can_trust)
