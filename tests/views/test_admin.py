"""The Django admin: a window for those who may see everything, and the decisions by the same verbs as on the pages."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from connections import workflow
from connections.models import (
    AccessRule,
    Attempt,
    CatalogEntry,
    ChangeKind,
    CircuitBreaker,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    Handover,
    Kind,
    Notice,
    PortalPolicy,
    Preset,
    ServiceRule,
    SetupTestRun,
    Team,
)
from connections.queue import circuit_breaker
from connections.states import Status
from tests import architecture, factories

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

LIST = "/admin/connections/connectionrequest/"
WINDOWS: list[type[Model]] = [
    ConnectionRequest,
    ConnectionChange,
    Event,
    Attempt,
    Connection,
    Handover,
    SetupTestRun,
    CatalogEntry,
    CircuitBreaker,
    Notice,
]
POLICY = {
    AccessRule,
    PortalPolicy,
    ServiceRule,
    Preset,
    Team,
}  # the company edits these; tests/catalog/test_policy.py, tests/forms/test_presets.py, tests/teams/test_team.py


def client(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def fresh(conn_request: ConnectionRequest) -> ConnectionRequest:
    return ConnectionRequest.objects.get(pk=conn_request.pk)


def choose(browser: Client, action: str, *requests: ConnectionRequest, **more: Any) -> Any:
    """The action of the list, with these requests ticked; returns the answer after redirects."""
    ticked = {"action": action, "index": "0", "_selected_action": [conn_request.pk for conn_request in requests]}
    return browser.post(LIST, ticked | more, follow=True)


def confirm(browser: Client, action: str, *requests: ConnectionRequest, url: str = LIST, **more: Any) -> Any:
    """The button of the confirmation page that showed these requests as they are in `requests`."""
    shown: dict[str, Any] = {f"digest_{conn_request.pk}": conn_request.digest for conn_request in requests}
    form = {"action": action, "_selected_action": [conn_request.pk for conn_request in requests]}
    return browser.post(url, form | shown | more, follow=True)


def text(answer: Any) -> str:
    assert answer.status_code == 200
    page: str = answer.content.decode()
    return page


# --- who gets in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["requester", "operator", "auditor"])
def test_the_admin_is_for_staff(role: str) -> None:
    answer = client(factories.person(role)).get(LIST)
    assert (answer.status_code, answer.url.split("?")[0]) == (302, "/admin/login/")  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", WINDOWS)
def test_staff_without_a_right_see_nothing_of_the_portal(model: type[Model]) -> None:
    browser = client(factories.person("staff"))
    assert browser.get(reverse(f"admin:connections_{model.__name__.lower()}_changelist")).status_code == 403
    assert "/admin/connections/" not in text(browser.get("/admin/"))


def test_an_approver_sees_requests_but_manages_nobody() -> None:
    browser = client(factories.person("approver"))
    assert browser.get(LIST).status_code == 200
    assert browser.get("/admin/auth/user/").status_code == 403
    assert browser.get("/admin/auth/group/").status_code == 403


def test_a_superuser_manages_users_and_groups() -> None:
    browser, person = client(factories.person("superuser")), factories.person()
    url = reverse("admin:auth_user_change", args=[person.pk])
    approvers = factories.group("Approvers")
    form = {
        "username": person.username,
        "groups": [approvers.pk],
        "is_active": "on",
        "date_joined_0": "2026-11-23",
        "date_joined_1": "07:00:00",
    }
    assert browser.post(url, form).status_code == 302
    assert list(person.groups.all()) == [approvers]
    assert browser.get("/admin/auth/group/add/").status_code == 200


# --- nothing can be changed ------------------------------------------------------------------------------------------


@pytest.fixture
def rows() -> dict[type[Model], int]:
    """A row of each kind: its primary key."""
    conn_request = factories.request_in(Status.CREATED)
    Attempt.objects.create(request=conn_request, call=Attempt.Call.CREATE)
    workflow.ask_for_change(
        by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month's end"
    )
    CatalogEntry.objects.create(kind=Kind.SERVICE, fivetran_id="mysql", name="MySQL", data={"id": "mysql"})
    circuit_breaker.current()
    Handover.objects.create(request=conn_request, address="olga@elsewhere.example")
    return {model: model._default_manager.values_list("pk", flat=True)[0] for model in WINDOWS}


@pytest.mark.parametrize("model", WINDOWS)
def test_every_window_opens_and_none_has_a_handle(model: type[Model], rows: dict[type[Model], int]) -> None:
    browser, name = client(factories.person("superuser")), f"admin:connections_{model.__name__.lower()}"
    change = reverse(f"{name}_change", args=[rows[model]])
    before = list(model._default_manager.values())
    for url in (reverse(f"{name}_changelist"), change, reverse(f"{name}_history", args=[rows[model]])):
        assert browser.get(url).status_code == 200
    assert browser.get(reverse(f"{name}_add")).status_code == 403
    assert browser.post(reverse(f"{name}_add"), {}).status_code == 403
    assert browser.post(change, {"status": "approved", "reason": "x", "_save": "Save"}).status_code == 403
    assert browser.post(reverse(f"{name}_delete", args=[rows[model]]), {"post": "yes"}).status_code == 403
    ticked = {"action": "delete_selected", "index": "0", "_selected_action": [rows[model]], "post": "yes"}
    browser.post(reverse(f"{name}_changelist"), ticked)
    assert list(model._default_manager.values()) == before


def test_every_model_of_the_portal_that_is_registered_is_a_window_or_the_policy() -> None:
    ours = {model for model in admin.site._registry if model._meta.app_label == "connections"}
    assert ours == {*WINDOWS, *POLICY}


# --- deciding --------------------------------------------------------------------------------------------------------


def test_the_action_decides_nothing_yet_and_shows_body_and_digest() -> None:
    conn_request = factories.submitted(
        config__password="hunter2", trust_certificates=True, reason="Sales <b>report</b>"
    )
    answer = choose(client(factories.person("approver")), "approve", conn_request)
    page = text(answer)
    assert fresh(conn_request).status == Status.PENDING
    assert answer.templates[0].name == "admin/connections/connectionrequest/decide.html"
    for shown in (
        conn_request.digest,
        conn_request.schema,
        "&quot;sync_frequency&quot;: 360",
        "Trusts any TLS certificate",
    ):
        assert shown in page
    assert "hunter2" not in page
    assert "Sales &lt;b&gt;report&lt;/b&gt;" in page


def test_the_confirmation_approves_what_it_showed() -> None:
    approver, one, two = factories.person("approver"), factories.submitted(), factories.submitted()
    left = factories.submitted()
    page = text(confirm(client(approver), "approve", one, two))
    assert f"2 requests are approved: #{one.pk}, #{two.pk}. 1 left to decide." in page
    assert page.count('<li class="success">') == 1
    assert fresh(left).status == Status.PENDING
    for conn_request in (one, two):
        stored = fresh(conn_request)
        assert (stored.status, stored.approved_by, stored.approved_digest) == (
            "approved",
            approver,
            conn_request.digest,
        )


def test_the_form_of_the_confirmation_page_is_complete() -> None:
    """Sends the very controls of the page, under a filter that the approved request no longer matches."""
    conn_request, browser = factories.submitted(), client(factories.person("approver"))
    url = f"{LIST}?status__exact=pending"
    page = text(browser.post(url, {"action": "approve", "index": "0", "_selected_action": conn_request.pk}))
    controls = [part.split(">")[0] for part in page.split("<input ")[1:]]
    form = {c.split('name="')[1].split('"')[0]: c.split('value="')[1].split('"')[0] for c in controls if "name=" in c}
    del form["csrfmiddlewaretoken"]
    assert f"Request #{conn_request.pk} is approved." in text(browser.post(url, form, follow=True))
    again = text(browser.post(url, form, follow=True))
    assert "There is nothing to decide: it is already “Approved, in the queue”" in again


def bar(page: str) -> dict[str, str]:
    """The controls of the bar on a request's own page, without its buttons; empty where there is no bar."""
    _, found, form = page.partition('class="decide-bar"')
    inputs = [part.split(">")[0] for part in form.split("</form>")[0].split("<input ")[1:]] if found else []
    controls = {i.split('name="')[1].split('"')[0]: i.split('value="')[1].split('"')[0] for i in inputs}
    controls.pop("csrfmiddlewaretoken", "")
    return controls


def test_the_page_of_a_request_decides_with_the_evidence_of_the_portals_page() -> None:
    conn_request, approver = (
        factories.submitted(trust_certificates=True, reason="Sales\u202e"),
        factories.person("approver"),
    )
    browser, later = client(approver), factories.submitted()
    page = text(browser.get(f"{LIST}{conn_request.pk}/change/"))
    there = text(browser.get(f"/requests/{conn_request.pk}/"))
    evidence = re.compile(r"<li class=\"risk\" data-evidence=\"([a-z-]+)\">.*?<bdi>(.*?)</bdi>", re.DOTALL)
    assert set(evidence.findall(page)) == set(evidence.findall(there)) != set()
    assert {kind for kind, _ in evidence.findall(page)} >= {"risk", "hidden"}
    assert re.search(r'data-status="(\w+)"', page)[1] == "pending"  # type: ignore[index]
    assert re.findall(r'name="action"\s+value="(\w+)"', page) == ["approve", "reject", "request_changes"]
    assert re.search(r"\d{1,2} [A-Z][a-z]{2} 20\d\d, \d\d:\d\d", page) and "p.m." not in page and "a.m." not in page
    after = text(browser.post(LIST, bar(page) | {"action": "approve"}, follow=True))
    assert f"Request #{conn_request.pk} is approved. 1 left to decide." in after
    stored = fresh(conn_request)
    assert (stored.approved_by, stored.approved_digest, fresh(later).status) == (
        approver,
        conn_request.digest,
        "pending",
    )
    assert bar(text(browser.get(f"{LIST}{conn_request.pk}/change/"))) == {}


@pytest.mark.parametrize("action", ["reject", "request_changes"])
def test_the_page_of_a_request_asks_for_the_reason_of_a_refusal(action: str) -> None:
    conn_request, browser = factories.submitted(), client(factories.person("approver"))
    controls = bar(text(browser.get(f"{LIST}{conn_request.pk}/change/"))) | {"action": action}
    page = text(browser.post(LIST, controls | {"decision_reason": " "}, follow=True))
    assert "Enter the reason" in page and 'name="decision_reason"' in page
    browser.post(LIST, controls | {"decision_reason": "Another group"}, follow=True)
    assert fresh(conn_request).decision_reason == "Another group"


def test_the_page_of_a_request_decides_on_nothing_that_was_not_on_it() -> None:
    conn_request, browser = factories.submitted(), client(factories.person("approver"))
    controls = bar(text(browser.get(f"{LIST}{conn_request.pk}/change/")))
    workflow.submit(by=conn_request.requester, filing=factories.filing(), conn_request=conn_request)
    assert "it changed since you looked" in text(browser.post(LIST, controls | {"action": "approve"}, follow=True))
    assert fresh(conn_request).status == Status.PENDING


def test_the_page_of_an_own_request_says_why_its_buttons_do_nothing() -> None:
    own = factories.person("approver")
    conn_request = factories.submitted(own)
    page = text(client(own).get(f"{LIST}{conn_request.pk}/change/"))
    assert "Nobody can decide on their own request." in page
    assert page.count('disabled aria-describedby="why-decide"') == 3


def test_staff_without_the_right_get_no_buttons() -> None:
    staff, conn_request = factories.person("staff"), factories.submitted()
    staff.groups.add(factories.group("Auditors"))
    assert "decide-bar" not in text(client(staff).get(f"{LIST}{conn_request.pk}/change/"))


def test_what_waits_for_a_decision_is_on_top_and_drafts_are_at_the_end() -> None:
    root = factories.person("superuser")
    wanted = [factories.submitted(), factories.submitted()]
    later = factories.request_in(Status.CREATED)
    draft = factories.draft(root)
    page = text(client(root).get(LIST))
    numbers = [int(number) for number in re.findall(r'name="_selected_action" value="(\d+)"', page)]
    assert numbers == [wanted[1].pk, wanted[0].pk, later.pk, draft.pk]
    assert re.findall(r'data-status="(\w+)"', page) == ["pending", "pending", "created", "draft"]


def test_changes_that_wait_are_on_top_with_their_status_in_colour() -> None:
    done, waiting = (factories.request_in(Status.CREATED) for _ in range(2))
    first = workflow.ask_for_change(by=waiting.requester, conn_request=waiting, kind=ChangeKind.PAUSE, reason="Month")
    later = workflow.ask_for_change(by=done.requester, conn_request=done, kind=ChangeKind.PAUSE, reason="Month")
    workflow.withdraw_change(by=done.requester, change=later)
    page = text(client(factories.person("superuser")).get("/admin/connections/connectionchange/"))
    numbers = [int(number) for number in re.findall(r"/connectionchange/(\d+)/change/", page)]
    assert numbers == [first.pk, later.pk]
    assert re.findall(r'<span class="tag tag-(\w+)">', page) == ["warning", "secondary"]


def test_models_are_grouped_by_what_one_comes_for() -> None:
    page = text(client(factories.person("superuser")).get("/admin/"))
    assert re.findall(r"<caption>(.*?)</caption>", page) == ["Decide", "Policy", "Connections", "People", "Machinery"]
    names = re.findall(r'<a href="/admin/\w+/\w+/"[^>]*>([^<]+)</a>', page.split("<caption>Machinery")[1])
    assert names == ["Circuit breaker", "Mails", "Events", "Calls to Fivetran"]
    assert "Decide" in text(client(factories.person("approver")).get("/admin/"))


@pytest.mark.parametrize(
    ("action", "status"), [("reject", Status.REJECTED), ("request_changes", Status.CHANGES_REQUESTED)]
)
def test_a_refusal_takes_a_reason(action: str, status: Status) -> None:
    conn_request, browser = factories.submitted(), client(factories.person("approver"))
    for empty in ("", "   "):
        page = text(confirm(browser, action, conn_request, decision_reason=empty))
        assert "Enter the reason" in page
        assert fresh(conn_request).status == Status.PENDING
    confirm(browser, action, conn_request, decision_reason="Use the other group")
    stored = fresh(conn_request)
    assert (stored.status, stored.decision_reason) == (status, "Use the other group")


@pytest.mark.parametrize("action", ["approve", "reject", "request_changes"])
def test_what_changed_since_it_was_shown_is_not_decided(action: str) -> None:
    conn_request, browser = factories.submitted(), client(factories.person("approver"))
    seen = fresh(conn_request)
    workflow.submit(by=conn_request.requester, filing=factories.filing(), conn_request=conn_request)
    page = text(confirm(browser, action, seen, decision_reason="x"))
    assert "it changed since you looked" in page
    assert fresh(conn_request).status == Status.PENDING


@pytest.mark.parametrize("action", ["approve", "reject", "request_changes"])
@pytest.mark.parametrize("role", ["approver", "superuser"])
def test_nobody_decides_on_their_own_request(role: str, action: str) -> None:
    own = factories.person(role)
    conn_request, browser = factories.submitted(own), client(own)
    page = text(choose(browser, action, conn_request))
    assert "Nobody can decide on their own request." in page
    assert f"digest_{conn_request.pk}" not in page
    page = text(confirm(browser, action, conn_request, decision_reason="x"))
    assert "Nobody can decide on their own request." in page
    assert fresh(conn_request).status == Status.PENDING


@pytest.mark.parametrize("action", ["approve", "reject", "request_changes"])
def test_staff_who_see_everything_but_may_not_approve_are_offered_nothing(action: str) -> None:
    staff = factories.person("staff")
    staff.groups.add(factories.group("Auditors"))
    conn_request, browser = factories.submitted(), client(staff)
    assert "Approve…" not in text(browser.get(LIST))
    confirm(browser, action, conn_request, decision_reason="x")
    stored = fresh(conn_request)
    assert (stored.status, stored.events.count()) == (Status.PENDING, 1)


def test_what_is_not_pending_is_shown_with_the_reason() -> None:
    conn_request = factories.approved(approver=factories.person("approver", username="winnie"))
    page = text(choose(client(factories.person("approver")), "approve", conn_request))
    assert "already “Approved, in the queue” by winnie" in page
    assert f"digest_{conn_request.pk}" not in page


def test_nobody_approves_more_than_can_be_read() -> None:
    requests = [factories.submitted() for _ in range(21)]
    browser = client(factories.person("approver"))
    assert "Select at most 20 requests" in text(choose(browser, "approve", *requests))
    assert text(choose(browser, "approve", *requests[:20])).count('name="digest_') == 20


def test_a_nonsense_form_decides_nothing() -> None:
    conn_request, browser = factories.submitted(), client(factories.person("approver"))
    form = {
        "action": "approve",
        "_selected_action": conn_request.pk,
        "digest_x": "1",
        "digest_99999": conn_request.digest,
        **{f"digest_{'9' * digits}": conn_request.digest for digits in (19, 40)},
    }
    for digest in ("", "0" * 64):
        browser.post(LIST, form | {f"digest_{conn_request.pk}": digest}, follow=True)
    assert fresh(conn_request).status == Status.PENDING


def test_a_decision_needs_the_csrf_token() -> None:
    conn_request, approver = factories.submitted(), factories.person("approver")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(approver)
    form = {"action": "approve", "_selected_action": conn_request.pk, f"digest_{conn_request.pk}": conn_request.digest}
    assert browser.post(LIST, form).status_code == 403
    assert fresh(conn_request).status == Status.PENDING


# --- the pages -------------------------------------------------------------------------------------------------------


def test_the_list_searches_filters_and_asks_few_questions(django_assert_max_num_queries: Any) -> None:
    wanted, *_others = [factories.submitted() for _ in range(5)]
    browser = client(factories.person("approver"))
    with django_assert_max_num_queries(10):
        page = text(browser.get(LIST, {"q": wanted.schema.split(".")[0], "status__exact": "pending"}))
    assert page.count('name="_selected_action"') == 1
    assert page.count("Waiting for approval") >= 1


def test_no_page_holds_what_the_content_security_policy_refuses(rows: dict[type[Model], int]) -> None:
    user = factories.person("superuser")
    browser, conn_request = client(user), factories.submitted()
    pages = ["/admin/", LIST, f"{LIST}{conn_request.pk}/change/", "/admin/auth/user/", "/admin/auth/user/add/"]
    pages += [f"/admin/auth/user/{user.pk}/{part}/" for part in ("change", "password", "history", "delete")]
    pages += ["/admin/auth/group/add/", "/admin/password_change/done/"]
    pages += [reverse(f"admin:connections_{m.__name__.lower()}_change", args=[pk]) for m, pk in rows.items()]
    answers = {url: browser.get(url) for url in pages}
    answers["confirmation"] = choose(browser, "approve", conn_request)
    answers["/admin/login/"] = Client().get("/admin/login/")
    for url, answer in answers.items():
        assert not list(architecture.unsafe_template(text(answer).replace("http://testserver", ""))), url
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy.split("; "), url
        assert "unsafe" not in policy, url
