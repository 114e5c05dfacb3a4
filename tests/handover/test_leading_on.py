"""After failed tests the page leads on: whoever can act has the button that does, as the first action."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User

from connections import workflow
from connections.models import Connection, ConnectionRequest, Handover, HandoverState, Notice, NoticeKind, store_run
from connections.states import Actor, Status
from connections.worker import outcome
from tests import factories
from tests.handover import handed_over, logged_in, page_of

pytestmark = pytest.mark.django_db
FAILED = [{"title": "Connecting to the database", "status": "FAILED", "message": "password authentication failed"}]


def broken(by: User | None = None, **changes: Any) -> ConnectionRequest:
    """A request without a Connect Card whose connection exists and whose tests failed: nobody gave credentials."""
    conn_request = factories.request_in(Status.SENDING, by, **changes)
    state = {"setup_state": "incomplete"}
    outcome.to_created(
        conn_request, Actor.WORKER, factories.created_data(conn_request, status=state, setup_tests=FAILED)
    )
    return conn_request


def first_action(user: User, conn_request: ConnectionRequest) -> str:
    """The first button or link among what can be done."""
    page = logged_in(user).get(f"/requests/{conn_request.pk}/").content.decode()
    main = page.partition('id="actions"')[2]
    found = re.search(r'<(?:button type="(?:submit|button)"|a class="btn)[^>]*>([^<]*)<', main)
    return found[1].strip() if found else ""


def press(user: User, conn_request: ConnectionRequest) -> Any:
    page = logged_in(user).get(f"/requests/{conn_request.pk}/").content.decode()
    form = page.partition('class="lead-on"')[0].rpartition("<form")[2] + page.partition('class="lead-on"')[2]
    url, to = re.search(r'action="([^"]*)"', form), re.search(r'name="to"\s+value="([^"]*)"', form)
    assert url and to
    return logged_in(user).post(url[1], {"to": to[1]})


def test_a_requester_who_has_the_credentials_enters_them() -> None:
    conn_request = broken()
    assert first_action(conn_request.requester, conn_request) == "Enter the credentials"
    answer = press(conn_request.requester, conn_request)
    handover = Handover.objects.get(request=conn_request)
    assert answer["Location"] == page_of(handover) and handover.owner == conn_request.requester
    assert "Open Connect Card" in logged_in(conn_request.requester).get(answer["Location"]).content.decode()
    assert first_action(conn_request.requester, conn_request) == "Open Connect Card"


@pytest.mark.parametrize("role", ["requester", "approver", "operator"])
def test_others_hand_it_over_to_the_source_owner(role: str) -> None:
    olga = factories.person(username="olga")
    conn_request = broken(source_owner="olga")
    reader = conn_request.requester if role == "requester" else factories.person(role)
    assert first_action(reader, conn_request) == "Hand over"
    assert press(reader, conn_request)["Location"] == f"/requests/{conn_request.pk}/"
    handover = Handover.objects.get(request=conn_request)
    assert handover.owner == olga
    assert Notice.objects.filter(request=conn_request, kind=NoticeKind.HANDOVER, recipient=olga).count() == 1
    assert "olga" in conn_request.events.filter(kind="handover_sent").get().detail["why"]


def test_an_auditor_has_no_button_and_a_stranger_no_page() -> None:
    conn_request = broken()
    auditor = factories.person("auditor")
    assert first_action(auditor, conn_request) == "Open in Fivetran"
    url = f"/requests/{conn_request.pk}/handover/begin/"
    assert logged_in(auditor).post(url, {"to": "olga"}).status_code == 403
    assert logged_in(factories.person()).post(url, {"to": "olga"}).status_code == 404
    assert not Handover.objects.exists()


@pytest.mark.parametrize(
    ("state", "button"), [("done", "Enter the credentials again"), ("revoked", "Enter the credentials")]
)
def test_what_was_handed_over_in_vain_is_handed_over_again(state: str, button: str) -> None:
    handover = handed_over()
    conn_request = handover.request
    Handover.objects.update(state=state)
    store_run(conn_request.connection, {"setup_tests": FAILED})
    assert first_action(conn_request.requester, conn_request) == button
    answer = press(conn_request.requester, conn_request)
    handover.refresh_from_db()
    assert handover.state == HandoverState.WAITING and answer["Location"] == page_of(handover)
    approver = factories.person("approver")
    Handover.objects.update(state=state)
    assert first_action(approver, conn_request) == "Hand over again"


@pytest.mark.parametrize("columns", [{"setup_state": "connected"}, {"tests": "due"}, {"tests": "running"}])
def test_nothing_leads_on_where_nothing_lacks_or_something_runs(columns: dict[str, str]) -> None:
    conn_request = broken()
    Connection.objects.filter(request=conn_request).update(**columns)
    assert "credentials" not in first_action(conn_request.requester, conn_request)


def test_whoever_is_named_and_cannot_be_asked_is_typed_anew() -> None:
    conn_request = broken(source_owner="olga")  # who has left
    approver = factories.person("approver")
    assert 'id="id_lead_to"' in logged_in(approver).get(f"/requests/{conn_request.pk}/").content.decode()
    answer = logged_in(approver).post(f"/requests/{conn_request.pk}/handover/begin/", {"to": "olga"}, follow=True)
    assert "Enter a username of this portal, or an e-mail address" in answer.content.decode()
    assert not Handover.objects.exists()


def test_who_may_not_know_every_user_is_not_told_whether_there_is_one() -> None:
    conn_request = broken(source_owner="olga")
    assert "id_lead_to" not in logged_in(conn_request.requester).get(f"/requests/{conn_request.pk}/").content.decode()
    answer = press(conn_request.requester, conn_request)
    assert answer["Location"] == f"/requests/{conn_request.pk}/"
    assert Handover.objects.get(request=conn_request).owner == conn_request.requester  # as where a request names nobody


def test_two_who_hand_over_at_once_make_one() -> None:
    conn_request = broken()
    factories.person(username="olga")
    workflow.hand_over(by=conn_request.requester, conn_request=conn_request, to="olga")
    answer = logged_in(conn_request.requester).post(f"/requests/{conn_request.pk}/handover/begin/", {"to": "olga"})
    assert answer.status_code == 302 and Handover.objects.count() == 1
