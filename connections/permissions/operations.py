"""What operators may do."""

from connections.models import ConnectionRequest
from connections.next_step import NextStep, next_step
from connections.permissions.rights import Denied, Person, as_boolean, has_right, is_approver, is_operator
from connections.states import Status


def check_can_operate(user: Person) -> None:
    if not is_operator(user):
        raise Denied("Only operators can do this.")


def check_sees_operations(user: Person) -> None:
    """Auditors look, and have no button."""
    if not has_right(user, "read_record"):
        check_can_operate(user)


def check_can_refresh(user: Person) -> None:
    if not can_refresh(user):
        raise Denied("Only operators and approvers can refresh what Fivetran offers.")


def can_refresh(user: Person) -> bool:
    return is_operator(user) or is_approver(user)


def check_can_settle(user: Person, conn_request: ConnectionRequest) -> None:
    check_can_operate(user)
    if conn_request.state is not Status.ATTENTION:
        raise Denied(f"It does not need an operator: it is “{conn_request.state.label}”.")


def check_can_hand_back(user: Person, conn_request: ConnectionRequest) -> None:
    check_can_operate(user)
    if next_step(conn_request.status, failure_code=conn_request.failure_code) is not NextStep.REFUSED_FOR_OPERATORS:
        raise Denied("There is no refusal of Fivetran to mend.")


can_settle = as_boolean(check_can_settle)
can_hand_back = as_boolean(check_can_hand_back)
