"""Every page by every role: what it answers, the headers it carries, and that no address is a way to an error."""

import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core import mail
from django.test import Client, override_settings
from django.urls import get_resolver

from connections import notifications
from connections.states import Status
from connections.views import errors
from connections.views.home import home
from tests import factories

pytestmark = pytest.mark.django_db
Cast = dict[str, Any]
Login = Callable[..., Client]
ROLES = ("requester", "requester2", "approver", "operator", "auditor", "admin")

# Path -> who gets 200; the others of ROLES get the number behind it.
EVERYBODY = set(ROLES)
SEES_MINE = EVERYBODY - {"requester2"}
ASKS = EVERYBODY - {"auditor"}
PAGES = {
    "/": (EVERYBODY, 200),
    "/requests/": (EVERYBODY, 200),
    "/requests/export.csv": (EVERYBODY, 200),
    "/requests/export.json": (EVERYBODY, 200),
    "/requests/new/": (ASKS, 403),
    "/requests/{pk}/": (SEES_MINE, 404),
    "/requests/{pk}/status/": (SEES_MINE, 404),
    "/requests/{pk}/clone/": (SEES_MINE & ASKS, 404),
    "/approvals/": ({"approver", "admin"}, 403),
    "/handover/return/": (EVERYBODY, 200),
    "/accounts/password_change/": (EVERYBODY, 200),
    "/accounts/password_change/done/": (EVERYBODY, 200),
    "/healthz": (EVERYBODY, 200),
}
OPEN = ("/handover/return/", "/healthz", "/accounts/login/", "/accounts/password_reset/",
        "/accounts/password_reset/done/", "/accounts/reset/done/", "/accounts/reset/AA/nonsense/")  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", PAGES)
def test_each_page_answers_each_role(as_user: Login, cast: Cast, path: str, role: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    allowed, otherwise = PAGES[path]
    answer = as_user(role).get(path.format(pk=conn_request.pk))
    refused = 403 if role == "auditor" else otherwise  # who sees everything is told why not
    assert answer.status_code == (200 if role in allowed else refused)


@pytest.mark.parametrize("path", [path for path in PAGES if path not in OPEN])
def test_without_log_in_every_page_leads_to_it_and_back(client: Client, cast: Cast, path: str) -> None:
    path = path.format(pk=factories.submitted(cast["requester"]).pk)
    answer = client.get(path)
    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={path}")


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_is_open(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/requests/", "/requests/?status=no", "/nowhere", "/accounts/login/", "/approvals/"]
)
def test_every_answer_carries_the_policy(as_user: Login, client: Client, path: str) -> None:
    for reader in (client, as_user("requester")):
        answer = reader.get(path)
        policy = answer["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Cache-Control"] == "no-store" or path == "/accounts/login/"


class Inline(HTMLParser):
    """Collects what the policy forbids and what a page must not hold: inline code and styles, doubled ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.bad: list[str] = []
        self.refers: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        given = dict(attrs)
        self.bad += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and not given.get("src") and given.get("type") != "application/json"):
            self.bad.append(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in ("for", "aria-describedby", "aria-labelledby"):
            self.refers |= set(str(given.get(name) or "").split())


@pytest.mark.parametrize("role", ["requester", "approver"])
def test_no_page_holds_inline_code_or_an_id_twice(as_user: Login, cast: Cast, role: str) -> None:
    rows = [factories.request_in(s, by=cast["requester"], approver=cast["approver"]) for s in Status]
    paths = [
        "/",
        "/requests/",
        "/requests/?status=pending&q=a",
        "/approvals/",
        "/accounts/password_change/",
        "/nowhere",
    ]
    for path in [*paths, *(f"/requests/{conn_request.pk}/" for conn_request in rows)]:
        found = Inline(as_user(role).get(path).content.decode())
        assert not found.bad, path
        assert len(found.ids) == len(set(found.ids)), path
        assert found.refers <= set(found.ids), path


# --- addresses that are wrong --------------------------------------------------------------------------------------
def test_somebody_elses_request_answers_as_one_that_does_not_exist(as_user: Login, cast: Cast) -> None:
    conn_request, reader = factories.submitted(cast["requester"]), as_user("requester2")
    for path in ("", "status/", "edit/", "clone/"):
        theirs, missing = (reader.get(f"/requests/{pk}/{path}") for pk in (conn_request.pk, 999_999))
        assert theirs.status_code == missing.status_code == 404
        assert theirs.content.split(b"<main")[1] == missing.content.split(b"<main")[1]
    for verb in ("withdraw", "approve", "reject", "request-changes", "run-tests"):
        assert reader.post(f"/requests/{conn_request.pk}/{verb}/", {"decision_reason": "x"}).status_code == 404


@pytest.mark.parametrize("pk", ["0", "9" * 19, "9" * 60, "-1", "1.5", "abc", "1%00", "٣", "1e3"])
def test_an_impossible_number_is_not_found(as_user: Login, pk: str) -> None:
    for path in ("", "status/", "edit/", "clone/"):
        assert as_user("admin").get(f"/requests/{pk}/{path}").status_code == 404
    for verb in ("withdraw", "approve", "reject"):
        assert as_user("admin").post(f"/requests/{pk}/{verb}/").status_code == 404


def test_every_error_page_is_our_own(as_user: Login, client: Client) -> None:
    for reader in (client, as_user("requester")):
        page = reader.get("/nowhere").content.decode()
        assert "There is nothing here" in page
        assert "nowhere" not in page[page.index("<main") :]
    with override_settings(ALLOWED_HOSTS=["portal.example.com"]):
        refused = client.get("/", headers={"host": "evil.example.com"})
    assert (refused.status_code, b"did not understand" in refused.content) == (400, True)


def test_a_failure_names_its_incident_and_the_log_has_it(rf: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = errors.failure(rf.get("/requests/"))
    incident = re.search(r"incident <strong>(\w+)</strong>", answer.content.decode())
    assert answer.status_code == 500
    assert incident
    assert incident[1] in caplog.text
    assert getattr(get_resolver().urlconf_module, "handler500", "") == "connections.views.errors.failure"


def test_anybody_may_return_from_the_card_and_no_parameter_is_believed(client: Client) -> None:
    plain = client.get("/handover/return/").content
    query = {"id": "x", "status": "<script>alert(1)</script>", "next": "https://evil.example.com"}
    assert client.get("/handover/return/", query).content == plain
    assert client.post("/handover/return/").status_code == 405


# --- the frame -----------------------------------------------------------------------------------------------------
def test_the_bar_names_the_api_root_unless_it_is_fivetrans_own(client: Client) -> None:
    assert "http://127.0.0.1:9" in client.get("/accounts/login/").content.decode()
    with override_settings(FIVETRAN_BASE_URL="https://api.fivetran.com"):
        assert "api-bar" not in client.get("/accounts/login/").content.decode()
    with override_settings(FIVETRAN_BASE_URL="https://api.fivetran.com.example.org"):
        assert "api-bar" in client.get("/accounts/login/").content.decode()


def test_home_shows_what_waits_for_the_reader(as_user: Login, cast: Cast) -> None:
    rows = {s: factories.request_in(s, by=cast["requester"], approver=cast["approver"]) for s in Status}
    page = as_user("requester").get("/").content.decode()
    waiting = page[page.index("waiting-heading") : page.index("recent-heading")]
    found = {int(pk) for pk in re.findall(r'data-request-id="(\d+)"', waiting)}
    assert found == {rows[s].pk for s in (Status.DRAFT, Status.CHANGES_REQUESTED, Status.FAILED)}
    approver = as_user("approver").get("/").content.decode()
    assert "1 request waits" in " ".join(approver.split())
    assert "1 request needs an operator" in as_user("operator").get("/").content.decode()


def test_home_leads_to_the_drafts_that_it_does_not_list(as_user: Login, cast: Cast) -> None:
    reader, link = as_user("requester"), 'href="/requests/?status=draft&amp;requester=requester">All your drafts</a>'
    for number in range(home.SHOWN + 1):
        assert link not in reader.get("/").content.decode()
        factories.draft(cast["requester"], **{"config.schema": f"s{number}"})
    page = reader.get("/").content.decode()
    assert link in page and page.count('aria-label="Continue draft') == home.SHOWN
    every = reader.get("/requests/?status=draft&requester=requester").content.decode()
    assert every.count("data-request-id") == home.SHOWN + 1


def test_home_of_somebody_new_says_what_to_do(as_user: Login) -> None:
    page = as_user("requester2").get("/").content.decode()
    assert page.count(">New request<") == 2  # in the navigation and on the page
    assert "Ask for the first one" in page
    assert "Nothing waits for you." in page


def test_home_of_who_reads_all_and_has_none_shows_the_newest(as_user: Login, cast: Cast) -> None:
    kept, draft = factories.submitted(cast["requester"]), factories.draft(cast["requester"])
    page = as_user("auditor").get("/").content.decode()
    newest = page[page.index("everybody-heading") :]
    assert f'data-request-id="{kept.pk}"' in newest and f'data-request-id="{draft.pk}"' not in page
    assert "Ask for the first one" not in page
    assert "everybody-heading" not in as_user("requester2").get("/").content.decode()


@pytest.mark.parametrize("role", ROLES)
def test_home_costs_few_queries(as_user: Login, cast: Cast, role: str, django_assert_max_num_queries: Any) -> None:
    for _ in range(15):
        factories.submitted(cast["requester"])
    reader = as_user(role)
    reader.get("/")
    # One each for what waits: to act on, to decide, to trust, to settle, to hand over; and two for the access rules.
    with django_assert_max_num_queries(13):
        reader.get("/")


# --- accounts ------------------------------------------------------------------------------------------------------
def test_log_in_takes_pasted_passwords_and_leads_back(client: Client, cast: Cast) -> None:
    page = client.get("/accounts/login/?next=/requests/").content.decode()
    assert 'autocomplete="current-password"' in page
    assert 'autocomplete="username"' in page
    answer = client.post("/accounts/login/", {"username": "requester", "password": "demo-portal", "next": "/requests/"})
    assert answer["Location"] == "/requests/"
    assert client.get("/accounts/logout/").status_code == 405
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"


def test_after_five_wrong_passwords_a_page_says_when_it_opens_again(client: Client, cast: Cast) -> None:
    for _ in range(5):
        answer = client.post("/accounts/login/", {"username": "requester", "password": "wrong"})
    assert answer.status_code == 429
    assert "Too many wrong passwords" in answer.content.decode()


def test_a_forgotten_password_is_reset_by_mail(client: Client, cast: Cast) -> None:
    cast["requester"].email = "requester@example.com"
    cast["requester"].save()
    done = client.post("/accounts/password_reset/", {"email": "requester@example.com"}, follow=True)
    assert "Look into your mail" in done.content.decode()
    assert notifications.send_due() == 1
    (message,) = mail.outbox
    assert message.subject == "[Connections] Reset your password"
    link = re.search(r"http://\S+", str(message.body))
    assert link
    page = client.get(link[0], follow=True)
    form = {"new_password1": "a-Much-better-1", "new_password2": "a-Much-better-1"}
    assert "The password is saved" in client.post(page.redirect_chain[-1][0], form, follow=True).content.decode()
    log_in = {"username": "requester", "password": "a-Much-better-1"}
    assert client.post("/accounts/login/", log_in).status_code == 302
    again = client.get(link[0], follow=True).content.decode()
    assert "This link does not work any more" in again


def test_changing_the_password_names_what_is_wrong(as_user: Login) -> None:
    form = {"old_password": "demo-portal", "new_password1": "abc", "new_password2": "abd"}
    page = as_user("requester").post("/accounts/password_change/", form).content.decode()
    assert "<title>Error: Change the password" in unescape(page)
    assert 'id="id_new_password2_error"' in page
