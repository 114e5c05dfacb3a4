"""Access rules: who may ask for which destination and service, who may approve into it, and who sees it."""

import itertools
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connections import notifications, permissions, workflow
from connections.models import (
    AccessDestination,
    AccessRule,
    ChangeKind,
    ConnectionRequest,
    Notice,
    PortalPolicy,
    Writer,
)
from connections.permissions import Denied, Into, Right, coverage, reach
from connections.states import Status
from connections.workflow import batches
from tests import factories

pytestmark = pytest.mark.django_db
FINANCE, SALES, OPEN = "finance_warehouse", "sales_warehouse", "open_warehouse"


def closed() -> None:
    PortalPolicy.objects.update_or_create(pk=1, defaults={"closed_without_rule": True})


@pytest.fixture
def people() -> dict[str, User]:
    """Fiona asks and Frank approves for finance, Sam and Sofia for sales; Ann is an approver whom no rule names."""
    roles = {"fiona": "requester", "frank": "approver", "sam": "requester", "sofia": "approver", "ann": "approver"}
    found = {name: factories.person(role, name) for name, role in roles.items()}
    factories.rule(FINANCE, ask=[found["fiona"]], approve=[found["frank"]])
    factories.rule(SALES, ask=[found["sam"]], approve=[found["sofia"]])
    return found


def into(destination: str, by: User) -> ConnectionRequest:
    return workflow.submit(by=by, filing=factories.filing(group_id=destination))


# --- what a rule says ------------------------------------------------------------------------------------------------
def test_the_rules_of_a_destination_alone_count_and_other_destinations_stay_open(people: dict[str, User]) -> None:
    places = itertools.product((FINANCE, SALES, OPEN), people.values())
    asks = {(place, str(who)) for place, who in places if permissions.may_ask_into(who, Into(place, "postgres"))}
    everybody = {(OPEN, name) for name in people}
    assert asks == {(FINANCE, "fiona"), (SALES, "sam"), *everybody}
    closed()
    assert not permissions.may_ask_into(people["fiona"], Into(OPEN, "postgres"))
    assert permissions.may_ask_into(people["fiona"], Into(FINANCE, "postgres"))


def test_a_superuser_needs_a_rule_too() -> None:
    root = factories.person("superuser")
    factories.rule(FINANCE, ask=[factories.person()], approve=[factories.person("approver")])
    with pytest.raises(Denied, match="do not let you ask"):
        into(FINANCE, root)
    conn_request = factories.submitted(root, group_id=OPEN)
    assert permissions.may_ask_into(root, Into(OPEN, "postgres")) and conn_request.pk


def test_a_rule_that_is_off_counts_for_nothing(people: dict[str, User]) -> None:
    AccessRule.objects.update(active=False)
    assert permissions.may_ask_into(people["sam"], Into(FINANCE, "postgres"))
    assert permissions.may_ask(people["sam"]) == permissions.EVERYTHING


@pytest.mark.parametrize("is_closed", [False, True])
def test_sql_the_form_and_the_preview_judge_alike(is_closed: bool) -> None:
    one, other = factories.person("approver"), factories.person("approver")
    factories.rule("a", ask=[one])
    factories.rule("b", ask=[one], services=["postgres", "mysql"])
    factories.rule("b", ask=[other])
    factories.rule("c", approve=[one], services=["postgres"])
    factories.rule("d", ask=[one], active=False)
    factories.rule("e", ask=[one], services=["postgres"])
    factories.rule("e", ask=[one], services=["mysql"])
    if is_closed:
        closed()
    previewed = coverage.read()
    for person in (one, other):
        told = permissions.may_ask(person)
        for place, service in itertools.product("abcdef", ("postgres", "mysql", "s3")):
            by_sql = permissions.may_ask_into(person, Into(place, service))
            assert by_sql is told.is_open(place, service) is not bool(told.refusal(place, service)), (place, service)
            assert by_sql is (person.pk in previewed.let_in(Right.REQUEST, place, service)), (place, service)
            approves = permissions.may_approve_into(person, Into(place, service))
            assert approves is (person.pk in previewed.let_in(Right.APPROVE, place, service)), (place, service)
    assert permissions.may_ask(one).services("e") == frozenset({"postgres", "mysql"})


# --- seeing ----------------------------------------------------------------------------------------------------------
def test_an_approver_sees_own_requests_and_those_that_a_rule_lets_approve(people: dict[str, User]) -> None:
    finance, sales = into(FINANCE, people["fiona"]), into(SALES, people["sam"])
    elsewhere, own = into(OPEN, people["fiona"]), into(OPEN, people["frank"])
    factories.draft(people["fiona"], group_id=FINANCE)
    seen = {name: set(permissions.visible_to(people[name])) for name in people}
    assert seen["frank"] == {finance, elsewhere, own}
    assert seen["sofia"] == {sales, elsewhere, own}
    assert seen["ann"] == {elsewhere, own}
    assert seen["sam"] == {sales}
    for name, conn_request in itertools.product(people, (finance, sales, elsewhere, own)):
        fresh = ConnectionRequest.objects.get(pk=conn_request.pk)
        assert permissions.can_see(people[name], fresh) is (conn_request in seen[name])
    assert set(permissions.waiting_for(people["frank"])) == {finance, elsewhere}
    assert set(permissions.visible_to(factories.person("auditor"))) == {finance, sales, elsewhere, own}


def test_who_approves_is_told_and_nobody_else(people: dict[str, User]) -> None:
    conn_request = into(FINANCE, people["fiona"])
    assert [notice.recipient for notice in conn_request.notices.all()] == [people["frank"]]


def test_who_was_let_in_no_longer_when_a_mail_goes_out_gets_none(people: dict[str, User], mailoutbox: Any) -> None:
    into(FINANCE, people["fiona"])
    people["frank"].groups.remove(*people["frank"].groups.exclude(name="Approvers"))
    notifications.send_due()
    assert [mail.to for mail in mailoutbox] == []
    assert Notice.objects.get(recipient=people["frank"]).error == notifications.NO_LONGER_DUE


def test_a_rule_for_some_services_is_about_those(people: dict[str, User]) -> None:
    factories.rule(FINANCE, ask=[people["sam"]], approve=[people["sofia"]], services=["google_sheets"])
    conn_request = into(FINANCE, people["sam"])
    other = workflow.submit(by=people["fiona"], filing=factories.filing(group_id=FINANCE, service="google_drive"))
    assert set(permissions.waiting_for(people["sofia"])) == {conn_request}
    assert set(permissions.waiting_for(people["frank"])) == {conn_request, other}
    with pytest.raises(Denied, match="do not let you ask"):
        workflow.submit(by=people["sam"], filing=factories.filing(group_id=FINANCE, service="google_drive"))


# --- each way to another destination ---------------------------------------------------------------------------------
def test_nobody_submits_into_a_destination_that_is_closed_to_them(people: dict[str, User]) -> None:
    with pytest.raises(Denied, match="The access rules do not let you ask for connections into “Warehouse”"):
        into(FINANCE, people["sam"])
    draft = factories.draft(people["sam"], group_id=FINANCE)  # it is private, and goes nowhere
    with pytest.raises(Denied):
        workflow.submit(by=people["sam"], filing=factories.filing(group_id=FINANCE), conn_request=draft)
    moved = into(SALES, people["sam"])
    with pytest.raises(Denied):
        workflow.submit(by=people["sam"], filing=factories.filing(group_id=FINANCE), conn_request=moved)
    filings = [factories.filing(group_id=place) for place in (SALES, FINANCE)]
    with pytest.raises(Denied, match="^Row 2: The access rules"):
        batches.file_batch(by=people["sam"], filings=filings, token=uuid.uuid4())

    assert set(ConnectionRequest.objects.exclude(status=Status.DRAFT)) == {moved}


def test_nobody_decides_into_a_destination_that_is_closed_to_them(people: dict[str, User]) -> None:
    conn_request = into(FINANCE, people["fiona"])
    for by in (people["sofia"], people["ann"], factories.person("superuser")):
        with pytest.raises(Denied, match="do not let you approve"):
            workflow.approve(by=by, conn_request=conn_request, digest=conn_request.digest)
        with pytest.raises(Denied):
            workflow.reject(by=by, conn_request=conn_request, reason="No")
        with pytest.raises(Denied):
            workflow.request_changes(by=by, conn_request=conn_request, reason="No")
    workflow.approve(by=people["frank"], conn_request=conn_request, digest=conn_request.digest)


def test_a_right_that_was_taken_away_meanwhile_counts_at_once(people: dict[str, User]) -> None:
    conn_request = into(FINANCE, people["fiona"])
    permissions.check_can_decide(people["frank"], conn_request)  # as a page does that stays open
    people["frank"].groups.remove(*people["frank"].groups.exclude(name="Approvers"))
    with pytest.raises(Denied, match="do not let you approve"):
        workflow.approve(by=people["frank"], conn_request=conn_request, digest=conn_request.digest)


def test_what_its_requester_may_no_longer_ask_for_is_rejected_and_not_approved(people: dict[str, User]) -> None:
    conn_request = into(FINANCE, people["fiona"])
    people["fiona"].groups.clear()
    with pytest.raises(Denied, match="fiona may no longer ask for connections into “Warehouse”, so it can only be"):
        workflow.approve(by=people["frank"], conn_request=conn_request, digest=conn_request.digest)
    workflow.reject(by=people["frank"], conn_request=conn_request, reason="She moved to sales")


def test_without_an_approver_whom_a_rule_lets_in_nothing_is_filed(people: dict[str, User]) -> None:
    people["frank"].groups.clear()
    with pytest.raises(Denied, match="let nobody else approve connections into “Warehouse” yet"):
        into(FINANCE, people["fiona"])


def test_a_batch_shows_and_lets_decide_only_the_rows_of_ones_own_destinations(people: dict[str, User]) -> None:
    both = factories.person(username="both")
    AccessRule.objects.get(destinations__group_id=FINANCE).groups.get(may_request=True).group.user_set.add(both)
    AccessRule.objects.get(destinations__group_id=SALES).groups.get(may_request=True).group.user_set.add(both)
    filings = [factories.filing(group_id=place) for place in (FINANCE, SALES)]
    batch = batches.file_batch(by=both, filings=filings, token=uuid.uuid4())
    finance, sales = (row.request for row in batch.rows.all())
    assert [row.request for row in permissions.rows_visible_to(people["frank"], batch)] == [finance]
    assert permissions.rows_visible_to(both, batch).count() == 2
    assert batch in permissions.batches_visible_to(people["frank"])
    assert batch not in permissions.batches_visible_to(people["ann"])
    decisions = {row.pk: batches.Decision(row.digest, approve=True) for row in (finance, sales)}
    outcomes = batches.decide_batch(by=people["frank"], batch=batch, decisions=decisions)
    assert [(outcome.request, outcome.obstacle) for outcome in outcomes] == [(finance, "")]
    told = Notice.objects.filter(kind="submitted", batch=batch)
    assert {(one.request, one.recipient) for one in told} == {(finance, people["frank"]), (sales, people["sofia"])}


def test_changes_go_by_the_rules_too(people: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.CREATED, people["fiona"], people["frank"], group_id=FINANCE)
    for by in (people["sofia"], people["sam"]):
        with pytest.raises(Denied):
            workflow.ask_for_change(by=by, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")
        with pytest.raises(Denied):
            workflow.rerun_tests(by=by, conn_request=conn_request)
    change = workflow.ask_for_change(by=people["fiona"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")
    assert not permissions.changes_visible_to(people["sofia"]).exists()
    assert list(permissions.changes_waiting_for(people["frank"])) == [change]
    assert not permissions.changes_waiting_for(people["sofia"]).exists()
    with pytest.raises(Denied, match="do not let you approve"):
        workflow.approve_change(by=people["sofia"], change=change, digest=change.digest)
    workflow.approve_change(by=people["frank"], change=change, digest=change.digest)


def test_a_change_whose_requester_may_no_longer_ask_is_rejected_and_not_approved(people: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.CREATED, people["fiona"], people["frank"], group_id=FINANCE)
    change = workflow.ask_for_change(by=people["fiona"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")
    people["fiona"].groups.clear()
    with pytest.raises(Denied, match="fiona may no longer ask"):
        workflow.approve_change(by=people["frank"], change=change, digest=change.digest)
    workflow.reject_change(by=people["frank"], change=change, reason="Left finance")


def test_a_change_that_an_approver_asks_for_needs_no_right_to_ask(people: dict[str, User]) -> None:
    factories.rule(FINANCE, ask=[], approve=[people["ann"]])
    conn_request = factories.request_in(Status.CREATED, people["fiona"], people["frank"], group_id=FINANCE)
    change = workflow.ask_for_change(by=people["frank"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")
    workflow.approve_change(by=people["ann"], change=change, digest=change.digest)


def test_what_colleagues_wrote_costs_no_statement_each(people: dict[str, User]) -> None:
    numbers = []
    for _ in range(2):
        for _ in range(3):
            conn_request = factories.submitted(people["fiona"], group_id=FINANCE)
            Writer.objects.create(request=conn_request, person=factories.person())
        with CaptureQueriesContext(connection) as captured:
            coverage.read()
        numbers.append(len(captured))
    assert numbers[0] == numbers[1]


def test_who_was_shut_out_sees_what_is_theirs_and_asks_for_no_change(people: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.CREATED, people["fiona"], people["frank"], group_id=FINANCE)
    people["fiona"].groups.clear()
    assert permissions.visible_to(people["fiona"]).get() == conn_request
    with pytest.raises(Denied, match="do not let you ask"):
        workflow.ask_for_change(by=people["fiona"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")
    fresh = ConnectionRequest.objects.get(pk=conn_request.pk)
    with pytest.raises(Denied, match="do not let you ask"):
        workflow.ask_for_dry_run(by=people["fiona"], conn_request=fresh)


def test_a_draft_without_a_service_is_not_tested_in_a_closed_destination(people: dict[str, User]) -> None:
    """It would tell which names are taken there."""
    for name, allowed in (("sam", False), ("fiona", True)):
        draft = factories.draft(people[name], group_id=FINANCE, service="")
        if allowed:
            workflow.ask_for_dry_run(by=people[name], conn_request=draft)
            continue
        with pytest.raises(Denied, match="do not let you ask"):
            workflow.ask_for_dry_run(by=people[name], conn_request=draft)


def test_certificates_are_approved_by_whom_the_rules_let_approve(people: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.CREATED, people["fiona"], people["frank"], group_id=FINANCE)
    assert list(permissions.trust_approvers(conn_request)) == [people["frank"]]
    with pytest.raises(Denied, match="do not let you approve"):
        permissions.check_can_trust(people["sofia"], conn_request)


def test_the_right_to_approve_is_never_given_by_a_rule(people: dict[str, User]) -> None:
    nobody = factories.person()
    factories.rule(FINANCE, approve=[nobody])
    conn_request = into(FINANCE, people["fiona"])
    with pytest.raises(Denied, match="Only approvers"):
        workflow.approve(by=nobody, conn_request=conn_request, digest=conn_request.digest)
    assert nobody not in permissions.approvers_for(people["fiona"], into=Into(FINANCE, "postgres"))


def test_what_is_asked_costs_no_more_statements_than_without_rules(
    people: dict[str, User], django_assert_max_num_queries: Any
) -> None:
    into(OPEN, people["fiona"])
    with django_assert_max_num_queries(30) as before:
        into(OPEN, people["fiona"])
    with django_assert_max_num_queries(len(before.captured_queries)):
        into(FINANCE, people["fiona"])
    assert Right.REQUEST.value in str([query["sql"] for query in before.captured_queries])


def test_a_rule_is_read_in_as_many_rows_as_it_has_and_not_in_their_product(people: dict[str, User]) -> None:
    large = factories.rule("place0", ask=[people["sam"]], services=[f"s{number}" for number in range(40)])
    AccessDestination.objects.bulk_create(AccessDestination(rule=large, group_id=f"place{n}") for n in range(1, 200))
    rows = reach._read(reach._ASKING, people["sam"])
    assert len(rows) == 2 + 200 + 40
    told = permissions.may_ask(people["sam"])
    assert told.services("place7") == frozenset(f"s{number}" for number in range(40))
    assert len({id(told.services(f"place{number}")) for number in range(200)}) == 1
    factories.rule("place7", ask=[people["sam"]])
    assert permissions.may_ask(people["sam"]).services("place7") is None


def test_more_destinations_than_a_database_takes_terms(people: dict[str, User]) -> None:
    service = str(factories.filing().values["service"])
    large = factories.rule("place0", ask=[people["fiona"]], approve=[people["ann"]], services=[service])
    AccessDestination.objects.bulk_create(AccessDestination(rule=large, group_id=f"place{n}") for n in range(1, 1200))
    found = into("place7", people["fiona"])
    assert set(permissions.visible_to(people["ann"])) == set(permissions.waiting_for(people["ann"])) == {found}


def test_somebody_who_approves_nothing_reaches_nothing(people: dict[str, User]) -> None:
    assert not reach.reach_of(people["sam"]).everywhere
    AccessRule.objects.all().delete()
    assert not reach.reach_of(User.objects.get(username="sam")).everywhere
    assert reach.reach_of(User.objects.get(username="ann")).everywhere
