"""A refusal has an owner: what operators mend is their turn, and the requester reads that it is looked at."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db.models import Q
from django.test import Client

from connections import notifications, permissions
from connections.fivetran.errors import NotSent, Unauthorized
from connections.models import ConnectionRequest, Notice, NoticeKind
from connections.next_step import MENDED, next_step
from connections.queue import circuit_breaker
from connections.spec import refusals
from connections.states import Owner, Status
from connections.worker import outcome
from connections.workflow import operations
from tests import factories

pytestmark = pytest.mark.django_db
Login = Callable[[str], Client]
LOOKED_AT = "The operators were told and look at it."


def refused(by: User, approver: User, code: str) -> ConnectionRequest:
    conn_request = factories.request_in(Status.SENDING, by=by, approver=approver)
    outcome.to_failed(conn_request, code, "No", Q())
    return ConnectionRequest.objects.get(pk=conn_request.pk)


@pytest.fixture
def forbidden(cast: dict[str, User]) -> ConnectionRequest:
    return refused(cast["requester"], cast["approver"], "Forbidden")


@pytest.mark.parametrize(
    ("code", "owner"),
    [
        ("Forbidden", Owner.OPERATOR),
        ("AuthFailed", Owner.OPERATOR),
        ("NotFound_Group", Owner.OPERATOR),
        ("NotFound_Destination", Owner.OPERATOR),
        ("NotFound_RemoteExecutionAgent", Owner.OPERATOR),
        ("NotFound", Owner.OPERATOR),
        ("MethodNotAllowed", Owner.OPERATOR),
        ("UnsupportedMediaType", Owner.OPERATOR),
        ("InvalidInput", Owner.REQUESTER),
        ("name_taken", Owner.REQUESTER),
        ("closed_by_operator", Owner.REQUESTER),
        ("mended_by_operator", Owner.REQUESTER),
        ("", Owner.REQUESTER),
        ("SomethingNew", Owner.REQUESTER),
    ],
)
def test_whose_turn_it_is_comes_from_the_code(cast: dict[str, User], code: str, owner: Owner) -> None:
    assert next_step(Status.FAILED, failure_code=code).owner is owner and refusals.refusal_of(code).act
    conn_request = refused(cast["requester"], cast["approver"], code)
    found = ConnectionRequest.objects.refused_for_operators().filter(pk=conn_request.pk)
    assert found.exists() is (owner is Owner.OPERATOR)
    told = Notice.objects.filter(request=conn_request, kind=NoticeKind.ATTENTION, recipient=cast["operator"])
    assert told.exists() is (owner is Owner.OPERATOR)


def test_no_other_status_listens_to_the_code() -> None:
    for status in set(Status) - {Status.FAILED}:
        assert next_step(status, failure_code="Forbidden") is next_step(status)


@pytest.mark.parametrize(
    ("status", "code", "stored"),
    [
        (403, "Forbidden", "Forbidden"),
        (403, "AccessDenied", "Forbidden"),
        (404, "NotFound_Group", "NotFound_Group"),
        (404, "GroupGone", "NotFound"),
        (405, "Odd", "MethodNotAllowed"),
        (400, "InvalidInput", "InvalidInput"),
        (400, "NotFound_Group", "NotFound_Group"),
        (None, "", ""),
    ],
)
def test_a_code_that_is_new_is_read_by_its_http_status(status: int | None, code: str, stored: str) -> None:
    assert refusals.code_of(status, code) == stored


# --- what each person reads ------------------------------------------------------------------------------------------
def test_the_requester_reads_that_it_is_looked_at(as_user: Login, forbidden: ConnectionRequest) -> None:
    page = as_user("requester").get(f"/requests/{forbidden.pk}/").content.decode()
    assert "<strong><bdi>an operator</bdi></strong>" in page and LOOKED_AT in page
    assert "Correct" not in page and "Hand back" not in page and "API key" not in page
    home = as_user("requester").get("/").content.decode()
    waiting = home.partition('id="waiting-heading"')[2].partition("</section>")[0]
    assert f'data-request-id="{forbidden.pk}"' not in waiting
    assert "operator" in as_user("requester").get("/requests/").content.decode().partition("<tbody")[2]


def test_what_the_requester_can_mend_stays_the_requester_s(as_user: Login, cast: dict[str, User]) -> None:
    conn_request = refused(cast["requester"], cast["approver"], "InvalidInput")
    page = as_user("requester").get(f"/requests/{conn_request.pk}/").content.decode()
    assert "<strong><bdi>yours</bdi></strong>" in page and "Correct and clone" in page
    assert f'data-request-id="{conn_request.pk}"' in as_user("requester").get("/").content.decode()


def test_operators_read_what_to_do_and_can_hand_it_back(
    as_user: Login, cast: dict[str, User], forbidden: ConnectionRequest
) -> None:
    operator = as_user("operator")
    for address in (f"/requests/{forbidden.pk}/", "/operations/"):
        page = operator.get(address).content.decode()
        assert "may not create connections in this destination" in page and "Hand back" in page
    assert "1 request needs an operator" in operator.get("/").content.decode()
    address = f"/operations/{forbidden.pk}/hand-back/"
    assert "Enter the reason" in operator.post(address, {"decision_reason": " "}).content.decode()
    assert operator.post(address, {"decision_reason": "The key has the role now"}).status_code == 302
    conn_request = ConnectionRequest.objects.get(pk=forbidden.pk)
    assert (conn_request.status, conn_request.failure_code) == (Status.FAILED, MENDED)
    page = as_user("requester").get(f"/requests/{conn_request.pk}/").content.decode()
    assert "<strong><bdi>yours</bdi></strong>" in page
    assert "The key has the role now" in page and "Cause of the refusal mended" in page
    assert f'data-request-id="{conn_request.pk}"' in as_user("requester").get("/").content.decode()
    assert Notice.objects.filter(request=conn_request, kind=NoticeKind.MENDED, recipient=cast["requester"]).count() == 1
    again = operator.post(address, {"decision_reason": "Twice"}, follow=True).content.decode()
    assert "There is no refusal of Fivetran to mend." in again


def test_only_operators_hand_back_and_only_such_refusals(cast: dict[str, User], forbidden: ConnectionRequest) -> None:
    own = refused(cast["requester"], cast["approver"], "InvalidInput")
    waiting = factories.submitted(cast["requester"])
    for person, conn_request in [
        ("requester", forbidden),
        ("approver", forbidden),
        ("operator", own),
        ("operator", waiting),
    ]:
        with pytest.raises(permissions.Denied):
            operations.hand_back(by=cast[person], conn_request=conn_request, reason="x")


def test_a_request_that_needs_an_operator_is_settled_from_its_own_page(as_user: Login, cast: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.ATTENTION, by=cast["requester"], approver=cast["approver"])
    page = as_user("operator").get(f"/requests/{conn_request.pk}/").content.decode()
    assert f"Settle request #{conn_request.pk}" in page and "<strong><bdi>yours</bdi></strong>" in page
    assert "Settle request" not in as_user("approver").get(f"/requests/{conn_request.pk}/").content.decode()


def test_the_mails_say_whose_turn_it_is(cast: dict[str, User], forbidden: ConnectionRequest, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    notifications.send_due()
    said = {
        (message.to[0].partition("@")[0], "refused" in message.subject.lower()): message.body for message in mail.outbox
    }
    assert "a reason that is not yours" in said[("requester", True)]
    operators = next(m.body for m in mail.outbox if m.to == [cast["operator"].email] and "operator" in m.subject)
    assert "may not create connections" in operators and "(Forbidden)" in operators


def test_the_admin_names_the_same_turn(as_user: Login, forbidden: ConnectionRequest) -> None:
    page = as_user("admin").get(f"/admin/connections/connectionrequest/{forbidden.pk}/change/").content.decode()
    assert "operator" in page.partition("Whose turn")[2][:300].lower()


# --- a bad key -------------------------------------------------------------------------------------------------------
def test_a_bad_key_is_the_operators_turn_while_requests_wait(
    as_user: Login, cast: dict[str, User], settings: Any
) -> None:
    conn_request = factories.approved(cast["requester"], cast["approver"])
    circuit_breaker.record_failure(Unauthorized("Invalid authorization credentials"))
    page = as_user("requester").get(f"/requests/{conn_request.pk}/").content.decode()
    assert "<strong><bdi>an operator</bdi></strong>" in page
    assert "does not accept the portal" in as_user("operator").get("/").content.decode()
    assert "does not accept the portal" not in as_user("requester").get("/").content.decode()
    outcome.tell_of_bad_key(conn_request, Unauthorized("Invalid authorization credentials"))
    outcome.tell_of_bad_key(conn_request, NotSent("away"))
    assert Notice.objects.filter(kind=NoticeKind.ATTENTION, recipient=cast["operator"]).count() == 1
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    notifications.send_due()
    [told] = [m.body for m in mail.outbox if m.to == [cast["operator"].email]]
    assert "Put the right key and secret in place" in told
