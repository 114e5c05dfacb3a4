"""Hand-overs: who the source owner is, and who may hand over, pass on and revoke."""

from django.utils.crypto import constant_time_compare

from connections.models import ConnectionRequest, Handover
from connections.permissions.rights import Denied, Person, as_boolean, check_writes
from connections.permissions.teams import oversees
from connections.states import Status


def is_source_owner(user: Person, handover: Handover, proof: str = "") -> bool:
    """Whether `user` is the named user, or `proof` is the nonce that `workflow.enter_code` returned for this owner."""
    if handover.owner_id is not None:
        return bool(user.is_active and user.pk == handover.owner_id)
    return constant_time_compare(proof, handover.nonce)  # another owner has another nonce


def check_is_source_owner(user: Person, handover: Handover, proof: str = "") -> None:
    if not is_source_owner(user, handover, proof):
        raise Denied("This hand-over is somebody else's: only the named source owner can open it.")
    if handover.request.deleted_at_fivetran_at:
        raise Denied("The connection is no longer at Fivetran, so there is nothing to hand over.")
    if not handover.is_live:
        raise Denied(f"There is nothing to hand over: it is “{handover.get_state_display()}”.")


def check_can_hand_over(user: Person, conn_request: ConnectionRequest) -> None:
    check_writes(user)
    if not oversees(user, conn_request):
        raise Denied("Only the requester, approvers and operators can hand a connection over.")
    if conn_request.state is not Status.CREATED or conn_request.deleted_at_fivetran_at:
        raise Denied("There is no connection to hand over.")
    if conn_request.connection.setup_state == "connected":
        raise Denied("Nobody's credentials are needed: the connection is connected.")


def check_can_pass_on(user: Person, handover: Handover, proof: str = "") -> None:
    may_always = oversees(user, handover.request)
    if not (may_always or is_source_owner(user, handover, proof)):
        raise Denied("Only the source owner, the requester, approvers and operators can give it to somebody else.")
    if handover.request.deleted_at_fivetran_at:
        raise Denied("The connection is no longer at Fivetran, so there is nothing to hand over.")
    if handover.request.connection.setup_state == "connected":
        raise Denied("Nobody's credentials are needed: the connection is connected.")
    if not (may_always or handover.is_live):
        raise Denied(f"There is nothing to hand over: it is “{handover.get_state_display()}”.")


def check_can_revoke(user: Person, handover: Handover) -> None:
    check_writes(user)
    if not oversees(user, handover.request):
        raise Denied("Only the requester, approvers and operators can revoke a hand-over.")
    if not handover.is_live:
        raise Denied(f"There is nothing to revoke: it is “{handover.get_state_display()}”.")


can_hand_over = as_boolean(check_can_hand_over)
