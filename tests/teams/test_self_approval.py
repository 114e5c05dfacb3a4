"""Routes by which somebody might approve what they asked for or wrote: each is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client

from connections import permissions, workflow
from connections.models import Batch, ChangeKind, ConnectionRequest, StaleRow, Trust
from connections.permissions import Denied
from connections.states import Status
from connections.workflow import batches, operations
from tests import factories
from tests.teams import fresh, team

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
As = Callable[[User], Client]


@pytest.fixture
def as_person() -> As:
    def log_in(user: User) -> Client:
        browser = Client()
        browser.force_login(user)
        return browser

    return log_in


@pytest.fixture
def ada() -> User:
    return factories.person("approver", username="ada")


@pytest.fixture
def ben() -> User:
    return factories.person("approver", username="ben")


def decide(by: User, conn_request: ConnectionRequest) -> None:
    conn_request = ConnectionRequest.objects.get(pk=conn_request.pk)
    workflow.approve(by=fresh(by), conn_request=conn_request, digest=conn_request.digest)


def refused(by: User, conn_request: ConnectionRequest, words: str) -> None:
    """By the verb, in the inbox, and in the mails to approvers."""
    with pytest.raises(Denied, match=words):
        decide(by, conn_request)
    again = ConnectionRequest.objects.get(pk=conn_request.pk)
    with pytest.raises(Denied, match=words):
        workflow.reject(by=fresh(by), conn_request=again, reason="No", digest=again.digest)
    with pytest.raises(Denied, match=words):
        workflow.request_changes(by=fresh(by), conn_request=again, reason="Else", digest=again.digest)
    assert not permissions.waiting_for(fresh(by)).filter(pk=conn_request.pk).exists()
    assert by not in permissions.approvers_for(conn_request.requester, None, conn_request)
    again.refresh_from_db()
    assert again.state is Status.PENDING


def edited(by: User, conn_request: ConnectionRequest) -> ConnectionRequest:
    """Submitted once more by `by`."""
    again = ConnectionRequest.objects.get(pk=conn_request.pk)
    filing = factories.filing(config__schema=again.values["config.schema"], reason="Better")
    return workflow.submit(by=fresh(by), filing=filing, conn_request=again)


def test_1_the_own_request(ada: User, ben: User) -> None:
    refused(ada, factories.submitted(ada), "their own request")


def test_2_a_request_of_the_team_that_the_approver_edited(ada: User, ben: User) -> None:
    robin = factories.person()
    team(ada, robin)
    conn_request = edited(ada, factories.submitted(robin))
    refused(ada, conn_request, "You wrote a part")
    decide(ben, conn_request)  # somebody else can


def test_3_a_shared_draft_that_the_approver_submitted(ada: User, ben: User) -> None:
    robin = factories.person()
    team(ada, robin)
    draft = factories.draft(robin)
    workflow.share_draft(by=fresh(robin), conn_request=draft)
    refused(ada, edited(ada, draft), "You wrote a part")


def test_4_a_shared_draft_that_the_approver_only_saved(ada: User, ben: User) -> None:
    robin = factories.person()
    team(ada, robin)
    draft = factories.draft(robin)
    workflow.share_draft(by=fresh(robin), conn_request=draft)
    name = draft.values["config.schema"]
    draft = workflow.save_draft(by=fresh(ada), filing=factories.filing(config__schema=name), conn_request=draft)
    refused(ada, edited(robin, draft), "You wrote a part")


def test_5_the_former_requester(ada: User, ben: User) -> None:
    operator, conn_request = factories.person("operator"), factories.submitted(ada)
    workflow.reassign(by=operator, conn_request=conn_request, to=factories.person(), reason="Another job")
    refused(ada, conn_request, "You wrote a part")


def test_6_a_request_that_was_handed_to_the_approver(ada: User, ben: User) -> None:
    operator, conn_request = factories.person("operator"), factories.submitted()
    workflow.reassign(by=operator, conn_request=conn_request, to=ada, reason="Robin left")
    refused(ada, conn_request, "their own request")


def test_7_an_approved_request_handed_to_its_approver(ada: User) -> None:
    operator, conn_request = factories.person("operator"), factories.approved(approver=ada)
    with pytest.raises(Denied, match="ada approved it"):
        workflow.reassign(by=operator, conn_request=conn_request, to=ada, reason="Robin left")
    with pytest.raises(IntegrityError, match="four_eyes"), transaction.atomic():
        ConnectionRequest.objects.filter(pk=conn_request.pk).update(requester=ada)


def test_8_an_operator_who_hands_the_own_request_away_to_approve_it(ben: User) -> None:
    ada = factories.person("superuser", username="ada")
    conn_request = factories.submitted(ada)
    workflow.reassign(by=ada, conn_request=conn_request, to=factories.person(), reason="To approve it myself")
    refused(ada, conn_request, "You wrote a part")


def test_9_in_bulk(ada: User, ben: User) -> None:
    robin = factories.person()
    team(ada, robin)
    batch = batches.file_batch(by=fresh(robin), filings=[factories.filing(), factories.filing()], token=_token())
    mine, others = (row.request for row in batch.rows.select_related("request"))
    mine = edited(ada, mine)
    chosen = {one.pk: batches.Decision(one.digest, approve=True) for one in (mine, others)}
    outcomes = batches.decide_batch(by=fresh(ada), batch=Batch.objects.get(), decisions=chosen)
    assert ["You wrote a part" in one.obstacle for one in outcomes] == [True, False]


def _token() -> Any:
    return factories.filing().idempotency_key


def test_10_by_the_action_of_the_admin(ada: User, ben: User, as_person: As) -> None:
    robin = factories.person()
    team(ada, robin)
    conn_request = edited(ada, factories.submitted(robin))
    sent = {
        "action": "approve",
        "_selected_action": [conn_request.pk],
        f"digest_{conn_request.pk}": conn_request.digest,
    }
    page = as_person(ada).post("/admin/connections/connectionrequest/", {**sent, "decided": "yes"}, follow=True)
    conn_request.refresh_from_db()
    assert conn_request.state is Status.PENDING and "You wrote a part" in page.content.decode()


def test_11_the_own_change(ada: User, ben: User) -> None:
    conn_request = factories.request_in(Status.CREATED)
    change = workflow.ask_for_change(by=ada, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month")
    with pytest.raises(Denied, match="asked for themselves"):
        workflow.approve_change(by=ada, change=change, digest=change.digest)
    assert not permissions.changes_waiting_for(ada).exists()


def test_12_what_is_to_be_trusted_for_a_request_that_one_wrote(ada: User, ben: User) -> None:
    robin = factories.person()
    team(ada, robin)
    conn_request = edited(ada, factories.submitted(robin))
    decide(ben, conn_request)
    conn_request = ConnectionRequest.objects.get(pk=conn_request.pk)
    with pytest.raises(Denied, match="You wrote a part"):
        permissions.check_can_trust(fresh(ada), conn_request)
    assert ada not in permissions.trust_approvers(conn_request)
    with pytest.raises(IntegrityError, match="writers_never_trust"), transaction.atomic():
        Trust.objects.create(
            request=conn_request, requester=robin, kind="certificate", hash="x", proof="x", shown="x", approved_by=ada
        )


def test_13_two_accounts_in_one_team_write_and_approve_for_each_other(ada: User, ben: User) -> None:
    team(ada, ben)
    factories.person("approver")
    conn_request = edited(ben, factories.submitted(ada))
    refused(ada, conn_request, "their own request")
    refused(ben, conn_request, "You wrote a part")


def test_14_a_page_that_was_open_when_the_own_edit_was_sent(ada: User, ben: User) -> None:
    robin = factories.person()
    team(ada, robin)
    conn_request = factories.submitted(robin)
    opened = ConnectionRequest.objects.get(pk=conn_request.pk)
    assert permissions.can_decide(fresh(ada), opened)
    edited(ada, conn_request)
    with pytest.raises(StaleRow):
        workflow.approve(by=fresh(ada), conn_request=opened, digest=opened.digest)


def test_15_a_decision_by_the_page_itself(ada: User, ben: User, as_person: As) -> None:
    robin = factories.person()
    team(ada, robin)
    conn_request = edited(ada, factories.submitted(robin))
    browser = as_person(ada)
    page = browser.get(f"/requests/{conn_request.pk}/").content.decode()
    assert "You wrote a part of this request" in page
    answer = browser.post(f"/requests/{conn_request.pk}/approve/", {"digest": conn_request.digest})
    assert answer.status_code == 403


def test_16_adopting_a_connection_for_oneself(sandbox: Any) -> None:
    operator = factories.person("operator")
    with pytest.raises(operations.NoOwner):
        operations.adopt_foreign(by=operator, connection_id="any", owner=operator, reason="Mine")


def test_17_an_open_change_of_a_connection_that_was_handed_to_the_approver(ada: User, ben: User) -> None:
    robin, operator = factories.person(username="robin"), factories.person("operator")
    conn_request = factories.request_in(Status.CREATED, robin, ben)
    change = workflow.ask_for_change(by=robin, conn_request=conn_request, kind=ChangeKind.DELETE, reason="Unused")
    with pytest.raises(Denied, match="could approve change"):
        workflow.reassign(by=operator, conn_request=conn_request, to=ada, reason="Robin left")
    workflow.reject_change(by=ben, change=change, reason="Robin left")
    workflow.reassign(by=operator, conn_request=conn_request, to=ada, reason="Robin left")
