"""Teams on the pages: what members see and press, what is 404 for all others, and how operators hand things over."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections import workflow
from connections.models import ChangeKind, ConnectionRequest
from connections.states import Status
from tests import factories
from tests.forms.test_batch import filed
from tests.handover import handed_over
from tests.teams import fresh, team

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
Browser = Callable[[User], Client]


@pytest.fixture
def browser() -> Browser:
    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(fresh(user))
        return client

    return log_in


@pytest.fixture
def robin() -> User:
    return factories.person(username="robin")


@pytest.fixture
def kim(robin: User) -> User:
    kim = factories.person(username="kim")
    team(robin, kim)
    return kim


def read(client: Client, path: str, **parameters: str) -> str:
    answer = client.get(path, parameters)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


# --- what the team sees ----------------------------------------------------------------------------------------------
def test_the_tab_of_the_team_and_the_first_page(robin: User, kim: User, browser: Browser) -> None:
    conn_request = factories.submitted(robin)
    mark = f'data-request-id="{conn_request.pk}"'
    page = read(browser(kim), "/requests/", tab="team")
    assert mark in page and "My team" in page
    home = read(browser(kim), "/")
    assert mark in home and "Your team’s latest requests" in home
    stranger = browser(factories.person())
    assert "My team" not in read(stranger, "/requests/") and "Your team’s" not in read(stranger, "/")


def test_members_pay_no_query_for_the_list(
    robin: User, kim: User, browser: Browser, django_assert_max_num_queries: Any
) -> None:
    factories.submitted(robin)
    client = browser(kim)
    client.get("/requests/")
    for parameters in ({}, {"tab": "team"}, {"q": "sheet"}):
        with django_assert_max_num_queries(6):
            client.get("/requests/", parameters)


@pytest.mark.parametrize("status", [Status.PENDING, Status.CREATED])
def test_the_page_of_a_colleagues_request_costs_as_few_queries(
    robin: User, kim: User, browser: Browser, django_assert_max_num_queries: Any, status: Status
) -> None:
    conn_request = factories.request_in(status, robin)
    client = browser(kim)
    path = f"/requests/{conn_request.pk}/"
    client.get(path)
    with django_assert_max_num_queries(9):
        page = read(client, path)
    assert "Finance" in page


def test_the_page_says_who_wrote_it(robin: User, kim: User, browser: Browser) -> None:
    conn_request = factories.submitted(robin)
    filing = factories.filing(config__schema=conn_request.values["config.schema"], reason="Better")
    workflow.submit(by=fresh(kim), filing=filing, conn_request=conn_request)
    page = read(browser(robin), f"/requests/{conn_request.pk}/")
    assert "Also written by" in page and "who cannot decide on it" in page


def test_a_colleague_edits_on_the_page(robin: User, kim: User, browser: Browser) -> None:
    conn_request = factories.submitted(robin)
    client = browser(kim)
    assert ">Edit<" in read(client, f"/requests/{conn_request.pk}/")
    read(client, f"/requests/{conn_request.pk}/edit/")
    assert client.post(f"/requests/{conn_request.pk}/withdraw/").status_code == 302
    conn_request.refresh_from_db()
    assert conn_request.state is Status.WITHDRAWN


# --- drafts ----------------------------------------------------------------------------------------------------------
def test_a_draft_is_shared_and_taken_back_by_its_buttons(robin: User, kim: User, browser: Browser) -> None:
    draft = factories.draft(robin)
    edit, mine, theirs = f"/requests/{draft.pk}/edit/", browser(robin), browser(kim)
    page = read(mine, edit)
    assert "Share with Finance" in page and "Only you see this draft" in page
    assert theirs.get(edit).status_code == 404
    finance = draft.team_id
    assert "Draft" in mine.post(f"/requests/{draft.pk}/share/{finance}/", follow=True).content.decode()
    assert "Stop sharing" in read(mine, f"/requests/{draft.pk}/")
    page = read(theirs, edit)
    assert "Stop sharing" not in page and "Share with" not in page
    mine.post(f"/requests/{draft.pk}/stop-sharing/")
    assert theirs.get(edit).status_code == 404


def test_a_person_without_a_team_has_no_such_buttons(browser: Browser) -> None:
    alone = factories.person()
    draft = factories.draft(alone)
    for path in (f"/requests/{draft.pk}/edit/", f"/requests/{draft.pk}/"):
        assert "Share with" not in read(browser(alone), path)


def test_a_team_with_a_hostile_name_is_only_text(robin: User, browser: Browser) -> None:
    made = team(robin, name='<script>alert(1)</script>"')
    draft, conn_request = factories.draft(robin), factories.submitted(robin)
    for path in (f"/requests/{draft.pk}/edit/", f"/requests/{conn_request.pk}/", "/requests/new/"):
        assert "<script>alert" not in read(browser(robin), path)
    browser(robin).post(f"/requests/{draft.pk}/share/{made.pk}/")
    assert "<script>alert" not in read(browser(robin), f"/requests/{draft.pk}/edit/")


# --- the form --------------------------------------------------------------------------------------------------------
def posted(**more: str) -> dict[str, str]:
    texts = {name.replace(".", "__"): str(value) for name, value in factories.values().items()}
    return {**texts, "action": "draft", **more}


def test_the_form_asks_for_the_team_only_where_there_are_several(robin: User, kim: User, browser: Browser) -> None:
    assert 'name="team"' not in read(browser(robin), "/requests/new/")
    sales = team(robin, name="Sales")
    client = browser(robin)
    assert 'name="team"' in read(client, "/requests/new/")
    client.post("/requests/new/", posted(team=str(sales.pk)))
    draft = ConnectionRequest.objects.get()
    assert draft.team == sales and "selected" in read(client, f"/requests/{draft.pk}/edit/").partition('name="team"')[2]


@pytest.mark.parametrize("chosen", ["0", "999999", "", "x"])
def test_a_team_that_is_not_ones_own_is_none(robin: User, kim: User, browser: Browser, chosen: str) -> None:
    team(robin, name="Sales")
    team(name="Others")
    browser(robin).post("/requests/new/", posted(team=chosen))
    assert ConnectionRequest.objects.get().team is None


def test_the_form_and_the_request_say_who_sees_it(robin: User, kim: User, browser: Browser) -> None:
    alone = factories.person()
    assert "your team “Finance” sees it" in read(browser(robin), "/requests/new/")
    assert "You are in no team" in read(browser(alone), "/requests/new/")
    team(robin, name="Sales")
    assert "data-readers" not in read(browser(robin), "/requests/new/")  # the select says it
    of_team, of_nobody = factories.submitted(kim), factories.submitted(alone)
    assert "whose members see it and can continue it" in read(browser(kim), f"/requests/{of_team.pk}/")
    assert "seen by the requester, and by approvers" in read(browser(alone), f"/requests/{of_nobody.pk}/")


# --- what others do not see ------------------------------------------------------------------------------------------
ADDRESSES = (
    "/requests/{pk}/",
    "/requests/{pk}/status/",
    "/requests/{pk}/edit/",
    "/requests/{pk}/clone/",
    "/requests/{pk}/export/",
    "/requests/{pk}/test-request/",
    "/requests/{pk}/changes/new/?kind=pause",
    *(f"/requests/{{pk}}/connection.{kind}" for kind in ("conductor", "py", "sh", "json", "tf")),
    "/changes/{change}/",
    "/changes/{change}/status/",
    "/batches/{batch}/",
)
BUTTONS = (
    *("edit", "clone", "withdraw", "approve", "reject", "request-changes", "run-tests", "test-request", "trust"),
    *("delete", "stop-sharing", "handover/begin", "handover/pass-on", "handover/revoke", "changes/new"),
)


@pytest.fixture
def of_finance(robin: User, kim: User) -> dict[str, int]:
    """What stands in the addresses, all of it the team's."""
    conn_request = handed_over(fresh(robin)).request
    change = workflow.ask_for_change(by=fresh(robin), conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month")
    return {"pk": conn_request.pk, "change": change.pk, "batch": filed(fresh(robin)).pk}


@pytest.mark.parametrize("address", ADDRESSES)
def test_another_team_finds_nothing_there(
    of_finance: dict[str, int], kim: User, browser: Browser, address: str
) -> None:
    other = factories.person()
    team(other, name="Marketing")
    path = address.format(**of_finance)
    assert browser(other).get(path).status_code == 404
    if path.endswith(("/edit/", "conductor")):
        return  # created: nothing is edited any more; the conductor's file is for one team's page as the others
    assert browser(kim).get(path).status_code in {200, 302, 403}


@pytest.mark.parametrize("button", BUTTONS)
def test_another_team_presses_nothing(of_finance: dict[str, int], browser: Browser, button: str) -> None:
    other = factories.person()
    team(other, name="Marketing")
    before = ConnectionRequest.objects.filter(pk=of_finance["pk"]).values().get()
    data = {"decision_reason": "x", "to": "me@example.com", "kind": "pause", "reason": "x"}
    answer = browser(other).post(f"/requests/{of_finance['pk']}/{button}/", data)
    assert answer.status_code == 404, button
    assert ConnectionRequest.objects.filter(pk=of_finance["pk"]).values().get() == before


def test_another_team_finds_nothing_in_lists_searches_and_files(of_finance: dict[str, int], browser: Browser) -> None:
    other = factories.person()
    team(other, name="Marketing")
    name = ConnectionRequest.objects.get(pk=of_finance["pk"]).schema
    client = browser(other)
    for path in ("/", "/requests/", "/requests/?tab=team", f"/requests/?q={name}", "/requests/?requester=robin"):
        page = client.get(path).content.decode()
        assert f'data-request-id="{of_finance["pk"]}"' not in page, path
    for path in ("/requests/export.csv", "/requests/export.json", f"/requests/export.csv?id={of_finance['pk']}"):
        assert name not in b"".join(client.get(path).streaming_content).decode(), path  # type: ignore[attr-defined]


def test_another_team_shares_nobodys_draft(robin: User, kim: User, browser: Browser) -> None:
    draft, other = factories.draft(robin), factories.person()
    marketing = team(other, name="Marketing")
    assert browser(other).post(f"/requests/{draft.pk}/share/{marketing.pk}/").status_code == 404
    draft.refresh_from_db()
    assert draft.shared_at is None


# --- operators -------------------------------------------------------------------------------------------------------
HAND_OVER = "/operations/hand-over/"


@pytest.fixture
def operator() -> User:
    return factories.person("operator")


def test_operators_see_who_left_something_and_hand_it_over(
    robin: User, kim: User, operator: User, browser: Browser
) -> None:
    conn_request, draft = factories.submitted(robin), factories.draft(robin, reason="a private thought")
    client = browser(operator)
    assert "Nobody who has left" in read(client, HAND_OVER)
    User.objects.filter(pk=robin.pk).update(is_active=False)
    assert "?person=robin" in read(client, HAND_OVER)
    assert "1 person without an active account has something open" in read(client, "/operations/")
    page = read(client, HAND_OVER, person="robin")
    assert f'data-request-id="{conn_request.pk}"' in page and f'data-request-id="{draft.pk}"' not in page
    assert "1 draft" in page and "a private thought" not in page and "1 request without a connection" in page
    sent = {"kind": "all", "to": "kim", "reason": "Robin left"}
    page = client.post(f"{HAND_OVER}?person=robin", sent, follow=True).content.decode()
    assert "2 are handed over to kim" in page and "Nobody who has left" in page
    assert {one.requester_id for one in ConnectionRequest.objects.all()} == {kim.pk}


def test_one_request_is_handed_over_from_its_page(robin: User, kim: User, operator: User, browser: Browser) -> None:
    conn_request, client = factories.submitted(robin), browser(operator)
    assert f"{HAND_OVER}?request={conn_request.pk}" in read(client, f"/requests/{conn_request.pk}/")
    assert "Hand over request" in read(client, HAND_OVER, request=str(conn_request.pk))
    sent = {"to": "kim", "reason": "Robin moved"}
    page = client.post(f"{HAND_OVER}?request={conn_request.pk}", sent, follow=True).content.decode()
    assert "Handed to somebody else" in page and "Robin moved" in page
    conn_request.refresh_from_db()
    assert conn_request.requester == kim


def test_whoever_takes_it_over_is_named_by_address_as_well(
    robin: User, kim: User, operator: User, browser: Browser
) -> None:
    conn_request, client = factories.submitted(robin), browser(operator)
    path, sent = f"{HAND_OVER}?request={conn_request.pk}", {"to": kim.email.upper(), "reason": "Robin moved"}
    double = factories.person(username="double", email=kim.email)
    assert "e-mail address of one person" in client.post(path, sent).content.decode()
    double.delete()
    client.post(path, sent)
    conn_request.refresh_from_db()
    assert conn_request.requester == kim


def test_what_cannot_be_handed_over_is_said(robin: User, operator: User, browser: Browser) -> None:
    approver = factories.person("approver", username="ada")
    conn_request = factories.approved(robin, approver)
    path, client = f"{HAND_OVER}?request={conn_request.pk}", browser(operator)
    page = client.post(path, {"to": "ada", "reason": "Robin left"}, follow=True).content.decode()
    assert "ada approved it" in page
    for sent in ({"to": "nobody", "reason": "x"}, {"to": "ada", "reason": ""}):
        assert "data-error-summary" in client.post(path, sent).content.decode()
    conn_request.refresh_from_db()
    assert conn_request.requester == robin


def test_what_would_move_is_listed_before_it_moves(robin: User, operator: User, browser: Browser) -> None:
    approver = factories.person("approver", username="ada")
    factories.person("approver")  # who could decide on what is ada's then
    stays, moves = factories.approved(robin, approver), factories.submitted(robin)
    sent = {"kind": "all", "to": "ada", "reason": "Robin left", "action": "look"}
    page = browser(operator).post(f"{HAND_OVER}?person=robin", sent).content.decode()
    assert "nothing is handed over yet" in page
    of_stays = page.partition(f'data-request-id="{stays.pk}"')[2].partition("</p>")[0]
    of_moves = page.partition(f'data-request-id="{moves.pk}"')[2].partition("</p>")[0]
    assert "Stays" in of_stays and "ada approved it" in of_stays and "Stays" not in of_moves
    assert 'value="ada"' in page and "Robin left" in page
    assert set(ConnectionRequest.objects.values_list("requester", flat=True)) == {robin.pk}


def test_what_moved_can_be_handed_back_alone(robin: User, kim: User, operator: User, browser: Browser) -> None:
    own, came = factories.submitted(kim), factories.submitted(robin)
    client = browser(operator)
    sent = {"kind": "all", "to": "kim", "reason": "Robin left"}
    page = client.post(f"{HAND_OVER}?person=robin", sent, follow=True).content.decode()
    assert "?person=kim&amp;from=robin" in page
    page = read(client, HAND_OVER, person="kim", **{"from": "robin"})
    assert f'data-request-id="{came.pk}"' in page and f'data-request-id="{own.pk}"' not in page
    client.post(f"{HAND_OVER}?person=kim&from=robin", sent | {"to": "robin", "reason": "A mistake"})
    own.refresh_from_db(), came.refresh_from_db()
    assert (own.requester, came.requester) == (kim, robin)


def test_what_a_leaver_had_can_only_be_handed_on(robin: User, kim: User, operator: User, browser: Browser) -> None:
    came, draft = factories.submitted(robin), factories.draft(robin)
    User.objects.filter(pk=robin.pk).update(is_active=False)
    client, sent = browser(operator), {"kind": "drafts", "to": "kim", "reason": "Robin left"}
    page = client.post(f"{HAND_OVER}?person=robin", sent, follow=True).content.decode()
    assert "1 is handed over" in page and "Hand what moved" not in page
    page = client.post(f"{HAND_OVER}?person=robin", sent | {"kind": "all"}, follow=True).content.decode()
    assert "Hand what moved on to somebody else</a>" in page
    factories.person(username="lee")
    client.post(f"{HAND_OVER}?person=kim&from=robin", sent | {"kind": "all", "to": "lee", "reason": "A mistake"})
    came.refresh_from_db(), draft.refresh_from_db()
    assert (came.requester.get_username(), draft.requester) == ("lee", kim)


def test_what_nobody_could_decide_on_stays_when_one_looks(robin: User, operator: User, browser: Browser) -> None:
    factories.person("approver", username="ada")
    waits = factories.submitted(robin)
    sent = {"kind": "all", "to": "ada", "reason": "Robin left", "action": "look"}
    page = browser(operator).post(f"{HAND_OVER}?person=robin", sent).content.decode()
    row = page.partition(f'data-request-id="{waits.pk}"')[2].partition("</p>")[0]
    assert "Stays" in row and f"Nobody else could decide on request #{waits.pk} then" in row


def test_those_that_are_refused_do_not_hold_up_the_rest(
    robin: User, kim: User, operator: User, browser: Browser
) -> None:
    drafts = [
        ConnectionRequest(requester=robin, status=Status.DRAFT) for _ in range(200)
    ]  # of somebody active: each is refused
    last = max(one.pk for one in ConnectionRequest.objects.bulk_create(drafts))
    conn_request = factories.submitted(robin)
    client, sent = browser(operator), {"kind": "all", "to": "kim", "reason": "Robin moved"}
    answer = client.post(f"{HAND_OVER}?person=robin", sent)
    assert answer["Location"] == f"{HAND_OVER}?person=robin&after={last}"
    page = read(client, answer["Location"])
    assert "200 not handed over" in page and "send the form again" in page and f"tried: up to #{last}" in page
    answer = client.post(answer["Location"], sent)
    conn_request.refresh_from_db()
    assert conn_request.requester == kim
    assert answer["Location"] == f"{HAND_OVER}?person=robin"  # where those are that were refused


def test_where_nothing_is_listed_the_page_says_whether_there_are_drafts(
    robin: User, operator: User, browser: Browser
) -> None:
    client = browser(operator)
    assert "There is nothing." in read(client, HAND_OVER, person="robin")
    factories.draft(robin)
    assert "Drafts alone, which are not listed." in read(client, HAND_OVER, person="robin")


def test_a_draft_is_not_handed_over_by_its_number(robin: User, operator: User, browser: Browser) -> None:
    draft = factories.draft(robin)
    assert browser(operator).get(f"{HAND_OVER}?request={draft.pk}").status_code == 404


@pytest.mark.parametrize("wanted", ["nobody", "\0", "x" * 500, "0"])
def test_nobody_by_that_name_is_said(operator: User, browser: Browser, wanted: str) -> None:
    page = read(browser(operator), HAND_OVER, person=wanted)
    assert ("Nobody has this user name" in page) is (wanted.strip("\0") != "")
