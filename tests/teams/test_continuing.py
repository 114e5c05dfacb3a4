"""What colleagues of one team see and continue, what they do not see, and what an operator hands over."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections import permissions, workflow
from connections.models import (
    ChangeKind,
    ConnectionRequest,
    EventKind,
    IllegalTransition,
    Notice,
    NoticeKind,
    StaleRow,
)
from connections.permissions import Denied
from connections.states import Actor, Status
from connections.worker import create, outcome
from connections.workflow import batches
from tests import factories
from tests.handover import handed_over
from tests.teams import fresh, pair, team

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def seen_by(user: User) -> set[int]:
    return set(permissions.visible_to(fresh(user)).values_list("pk", flat=True))


def again(conn_request: ConnectionRequest, reason: str = "Better") -> Any:
    return factories.filing(config__schema=conn_request.values["config.schema"], reason=reason)


# --- seeing ----------------------------------------------------------------------------------------------------------
def test_the_team_sees_what_was_submitted_and_no_draft_that_is_not_shared() -> None:
    robin, kim = pair()
    conn_request, draft = factories.submitted(robin), factories.draft(robin)
    assert seen_by(kim) == {conn_request.pk}
    workflow.share_draft(by=fresh(robin), conn_request=draft)
    assert seen_by(kim) == {conn_request.pk, draft.pk} and permissions.can_see(fresh(kim), draft)
    workflow.stop_sharing(by=fresh(robin), conn_request=draft)
    assert seen_by(kim) == {conn_request.pk} and not permissions.can_see(fresh(kim), draft)
    kinds = list(draft.events.order_by("pk").values_list("kind", flat=True))
    assert kinds == [EventKind.MOVED, EventKind.SHARED, EventKind.UNSHARED]


@pytest.mark.parametrize("role", ["approver", "operator", "auditor", "requester"])
def test_a_shared_draft_is_the_teams_alone(role: str) -> None:
    robin, _kim = pair()
    draft = factories.draft(robin)
    workflow.share_draft(by=fresh(robin), conn_request=draft)
    stranger = factories.person(role)
    team(stranger, name="Others")
    assert not seen_by(stranger) and not permissions.can_see(fresh(stranger), draft)


def test_whoever_left_the_team_or_the_company_sees_nothing_more_of_it() -> None:
    robin, kim = pair()
    factories.submitted(robin)
    kim.groups.clear()
    assert not seen_by(kim)
    robin.is_active = False
    robin.save()
    assert not seen_by(robin)


def test_only_the_requester_shares_and_only_with_an_own_team() -> None:
    robin, kim = pair()
    draft, others = factories.draft(robin), team(name="Others")
    with pytest.raises(Denied, match="can share this draft"):
        workflow.share_draft(by=fresh(kim), conn_request=draft)
    with pytest.raises(Denied, match="not in this team"):
        workflow.share_draft(by=fresh(robin), conn_request=draft, team=others)
    with pytest.raises(Denied, match="It was submitted"):
        workflow.share_draft(by=fresh(robin), conn_request=factories.submitted(robin))
    alone = factories.person()
    with pytest.raises(Denied, match="You are in no team"):
        workflow.share_draft(by=alone, conn_request=factories.draft(alone))


def test_nobody_writes_over_what_a_colleague_saved_in_a_shared_draft() -> None:
    robin, kim = pair()
    factories.person("approver")
    draft = factories.draft(robin)
    workflow.share_draft(by=fresh(robin), conn_request=draft)
    as_read_by_kim = ConnectionRequest.objects.get(pk=draft.pk)
    workflow.save_draft(by=fresh(robin), filing=again(draft, "Robin's"), conn_request=draft)
    with pytest.raises(StaleRow):
        workflow.submit(by=fresh(kim), filing=again(draft, "Kim's"), conn_request=as_read_by_kim)
    draft.refresh_from_db()
    assert draft.state is Status.DRAFT and draft.reason == "Robin's"


@pytest.mark.parametrize("verb", [workflow.save_draft, workflow.submit])
def test_nobody_writes_in_a_draft_that_became_private_meanwhile(verb: Any) -> None:
    robin, kim = pair()
    factories.person("approver")
    draft = factories.draft(robin)
    workflow.share_draft(by=fresh(robin), conn_request=draft)
    as_read_by_kim = ConnectionRequest.objects.get(pk=draft.pk)
    workflow.stop_sharing(by=fresh(robin), conn_request=draft)
    with pytest.raises(StaleRow):
        verb(by=fresh(kim), filing=again(draft, "Kim's"), conn_request=as_read_by_kim)
    draft.refresh_from_db()
    assert draft.state is Status.DRAFT and draft.reason != "Kim's"


def test_what_a_colleague_changed_in_submitting_a_shared_draft_is_on_record() -> None:
    robin, kim = pair()
    factories.person("approver")
    draft = factories.draft(robin)
    workflow.share_draft(by=fresh(robin), conn_request=draft)
    workflow.submit(by=fresh(kim), filing=again(draft, "Kim's"), conn_request=draft)
    (changed,) = draft.events.latest("pk").detail["changed"]
    assert (changed["field"], changed["after"]) == ("reason", "Kim's")


def test_whoever_left_the_team_takes_a_shared_draft_back() -> None:
    robin, kim = pair()
    draft, other = factories.draft(robin), factories.draft(robin)
    for one in (draft, other):
        workflow.share_draft(by=fresh(robin), conn_request=one)
    robin.groups.clear()
    workflow.stop_sharing(by=fresh(robin), conn_request=draft)
    assert seen_by(kim) == {other.pk}
    workflow.save_draft(by=fresh(robin), filing=again(other), conn_request=other)
    assert not seen_by(kim) and other.shared_at is None and other.team is None


def test_a_draft_goes_along_into_the_next_team() -> None:
    robin, kim = pair()
    draft = factories.draft(robin)
    factories.person("approver")
    robin.groups.clear()
    sales = team(robin, name="Sales")
    workflow.submit(by=fresh(robin), filing=again(draft), conn_request=draft)
    assert draft.team == sales and not seen_by(kim)


def test_in_several_teams_one_says_with_which() -> None:
    robin, kim = pair()
    sales = team(robin, name="Sales")
    draft = factories.draft(robin)
    with pytest.raises(Denied, match="with which of your teams"):
        workflow.share_draft(by=fresh(robin), conn_request=draft)
    assert workflow.share_draft(by=fresh(robin), conn_request=draft, team=sales) == sales
    assert not seen_by(kim)


# --- continuing ------------------------------------------------------------------------------------------------------
def test_a_colleague_edits_and_withdraws_and_stands_in_the_history() -> None:
    robin, kim = pair()
    conn_request = factories.submitted(robin)
    conn_request = workflow.submit(by=fresh(kim), filing=again(conn_request), conn_request=conn_request)
    assert conn_request.requester == robin and conn_request.reason == "Better"
    assert robin.username in conn_request.search and kim.username not in conn_request.search
    event = conn_request.events.latest("pk")
    assert (event.by, event.actor) == (kim, Actor.REQUESTER)
    assert [writer.person for writer in conn_request.writers.all()] == [kim]
    workflow.withdraw(by=fresh(kim), conn_request=conn_request)
    assert conn_request.state is Status.WITHDRAWN


def test_whoever_writes_alone_leaves_no_row_of_writers() -> None:
    robin, _kim = pair()
    conn_request = factories.submitted(robin)
    workflow.submit(by=fresh(robin), filing=again(conn_request), conn_request=conn_request)
    assert not conn_request.writers.exists()


def test_a_colleague_looks_after_the_connection() -> None:
    robin, kim = pair()
    conn_request = factories.request_in(Status.CREATED, robin)
    change = workflow.ask_for_change(by=fresh(kim), conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month")
    assert conn_request.events.latest("pk").actor == Actor.REQUESTER
    workflow.withdraw_change(by=fresh(robin), change=change)
    permissions.check_can_rerun_tests(fresh(kim), conn_request)
    assert permissions.changes_visible_to(fresh(kim)).get() == change
    assert workflow.clone_values(by=fresh(kim), conn_request=conn_request)


def test_what_a_colleague_who_left_has_to_do_waits_for_the_team() -> None:
    robin, kim = pair()
    conn_request = factories.request_in(Status.CHANGES_REQUESTED, robin)
    assert not permissions.own_waiting_for(fresh(kim)).exists()
    User.objects.filter(pk=robin.pk).update(is_active=False)
    assert permissions.own_waiting_for(fresh(kim)).get() == conn_request


def test_a_batch_shows_its_reader_the_rows_that_exist_for_them() -> None:
    robin, kim = pair()
    factories.person("approver")
    filings = [factories.filing(), factories.filing()]
    batch = batches.file_batch(by=fresh(robin), filings=filings, token=filings[0].idempotency_key)  # type: ignore[arg-type]
    first = batch.rows.get(number=1).request
    workflow.reassign(by=factories.person("operator"), conn_request=first, to=factories.person(), reason="Moved")
    for reader, count in ((kim, 1), (first.requester, 1)):
        browser = Client()
        browser.force_login(reader)
        page = browser.get(f"/batches/{batch.pk}/").content.decode()
        assert page.count("data-request-id=") == count


@pytest.mark.parametrize("status", [Status.CREATED, Status.REJECTED, Status.FAILED, Status.EXPIRED])
def test_the_colleague_who_continued_it_is_told_what_became_of_it(status: Status) -> None:
    robin, kim = pair()
    dana, ada = factories.person(), factories.person("approver")
    dana.groups.add(*kim.groups.all())
    conn_request = factories.submitted(robin)
    conn_request = workflow.submit(by=fresh(kim), filing=again(conn_request), conn_request=conn_request)
    User.objects.filter(pk=robin.pk).update(is_active=False)
    conn_request = ConnectionRequest.objects.get(pk=conn_request.pk)
    if status is Status.REJECTED:
        workflow.reject(by=ada, conn_request=conn_request, reason="No budget")
    elif status is Status.EXPIRED:
        create.expire(conn_request)
    else:
        workflow.approve(by=ada, conn_request=conn_request, digest=conn_request.digest)
        factories._work(conn_request, status)
    told = Notice.objects.filter(kind=status.value).values_list("recipient__username", flat=True)
    assert kim.username in told and dana.username not in told


# --- handing over ----------------------------------------------------------------------------------------------------
@pytest.fixture
def operator() -> User:
    return factories.person("operator")


def test_an_operator_hands_a_request_over_with_a_reason(operator: User) -> None:
    robin, kim = pair()
    conn_request, dana = factories.submitted(robin), factories.person(username="dana")
    version = conn_request.version
    workflow.reassign(by=operator, conn_request=conn_request, to=dana, reason="Robin left")
    assert conn_request.requester == dana and conn_request.team is None and conn_request.version == version + 1
    assert not seen_by(kim) and not seen_by(robin) and seen_by(dana) == {conn_request.pk}
    event = conn_request.events.latest("pk")
    assert event.kind == EventKind.REASSIGNED and event.by == operator and "Robin left" in event.reason
    assert "dana" in conn_request.search and robin.username not in conn_request.search
    told = Notice.objects.filter(kind=NoticeKind.REASSIGNED).values_list("recipient__username", flat=True)
    assert set(told) == {"dana", robin.username}


def test_within_the_team_the_request_stays_the_teams(operator: User) -> None:
    robin, kim = pair()
    conn_request, draft = factories.submitted(robin), factories.draft(robin)
    workflow.share_draft(by=fresh(robin), conn_request=draft)
    User.objects.filter(pk=robin.pk).update(is_active=False)
    for one in (conn_request, draft):
        one.refresh_from_db()
        workflow.reassign(by=operator, conn_request=one, to=kim, reason="Robin left")
        assert one.team is not None and one.requester == kim
    assert draft.shared_at is not None


@pytest.mark.parametrize("status", sorted(set(Status)))
def test_a_request_in_every_status_is_handed_over(operator: User, status: Status) -> None:
    conn_request, dana = factories.request_in(status), factories.person()
    User.objects.filter(pk=conn_request.requester_id).update(is_active=False)
    conn_request.refresh_from_db()
    workflow.reassign(by=operator, conn_request=conn_request, to=dana, reason="Robin left")
    conn_request.refresh_from_db()
    assert conn_request.requester == dana and conn_request.state is status


def test_a_worker_that_holds_the_request_goes_on(operator: User) -> None:
    conn_request = factories.request_in(Status.SENDING)
    held = ConnectionRequest.objects.get(pk=conn_request.pk)
    workflow.reassign(by=operator, conn_request=conn_request, to=factories.person(), reason="Robin left")
    outcome.to_created(held, Actor.WORKER, factories.created_data(held))
    conn_request.refresh_from_db()
    assert conn_request.state is Status.CREATED


def test_credentials_that_were_waited_for_from_the_leaver_are_waited_for_from_the_next(operator: User) -> None:
    handover, dana = handed_over(), factories.person()
    nonce = handover.nonce
    workflow.reassign(by=operator, conn_request=handover.request, to=dana, reason="Robin left")
    handover.refresh_from_db()
    assert handover.owner == dana and handover.nonce != nonce and handover.is_live


def test_it_is_refused_in_words(operator: User) -> None:
    approver, gone = factories.person("approver", username="ada"), factories.person(username="gone", is_active=False)
    conn_request = factories.approved(approver=approver)
    for to, words in (
        (gone, "account is not active"),
        (approver, "ada approved it"),
        (conn_request.requester, "already"),
    ):
        with pytest.raises(Denied, match=words):
            workflow.reassign(by=operator, conn_request=conn_request, to=to, reason="Robin left")
    with pytest.raises(IllegalTransition, match="reason"):
        workflow.reassign(by=operator, conn_request=conn_request, to=factories.person(), reason=" ")
    for role in ("requester", "approver", "auditor"):
        with pytest.raises(Denied, match="Only operators"):
            workflow.reassign(by=factories.person(role), conn_request=conn_request, to=operator, reason="Mine")


def test_no_operator_reads_a_draft_by_handing_it_over(operator: User) -> None:
    robin, dana = factories.person(username="robin"), factories.person()
    draft = factories.draft(robin)
    with pytest.raises(Denied, match="robin has an active account"):
        workflow.reassign(by=operator, conn_request=draft, to=dana, reason="Urgent")
    User.objects.filter(pk=robin.pk).update(is_active=False)
    draft = ConnectionRequest.objects.get(pk=draft.pk)
    with pytest.raises(Denied, match="not to the operator"):
        workflow.reassign(by=operator, conn_request=draft, to=operator, reason="Left")
    factories.rule("finance_warehouse", ask=[robin], approve=[factories.person("approver")])
    ConnectionRequest.objects.filter(pk=draft.pk).update(group_id="finance_warehouse", group_name="Finance")
    draft.refresh_from_db()
    with pytest.raises(Denied) as denied:
        workflow.reassign(by=operator, conn_request=draft, to=dana, reason="Left")
    assert "Finance" not in denied.value.reason


def test_it_goes_to_nobody_who_could_not_go_on_with_it(operator: User) -> None:
    conn_request, auditor = factories.submitted(), factories.person("auditor")
    with pytest.raises(Denied, match="is an auditor"):
        workflow.reassign(by=operator, conn_request=conn_request, to=auditor, reason="Left")
    (only,) = permissions.approvers_for(conn_request.requester)
    with pytest.raises(Denied, match="Nobody else could decide"):
        workflow.reassign(by=operator, conn_request=conn_request, to=only, reason="Left")
    factories.person("approver")
    workflow.reassign(by=operator, conn_request=conn_request, to=only, reason="Left")
    assert conn_request.requester == only


def test_nobody_gets_what_the_rules_do_not_let_them_ask_for(operator: User) -> None:
    inside, outside = factories.person(), factories.person(username="otto")
    factories.person("approver")
    factories.rule("finance_warehouse", ask=[inside], approve=[factories.person("approver")])
    conn_request = factories.submitted(inside, group_id="finance_warehouse")
    with pytest.raises(Denied, match="do not let otto ask"):
        workflow.reassign(by=operator, conn_request=conn_request, to=outside, reason="Left")


def test_a_colleague_whom_the_rules_do_not_let_ask_reads_and_does_not_submit() -> None:
    robin, kim = pair()
    factories.rule("finance_warehouse", ask=[robin], approve=[factories.person("approver")])
    conn_request = factories.submitted(fresh(robin), group_id="finance_warehouse")
    assert seen_by(kim) == {conn_request.pk}
    name = conn_request.values["config.schema"]
    filing = factories.filing(config__schema=name, group_id="finance_warehouse", reason="Better")
    with pytest.raises(Denied, match="do not let you ask"):
        workflow.submit(by=fresh(kim), filing=filing, conn_request=conn_request)
