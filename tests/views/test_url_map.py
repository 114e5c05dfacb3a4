"""The whole map of addresses by every role: who gets a page, who may press a button, who is told that nothing is there.

Data first. An address that stands in neither table fails, so a new one says here for whom it is.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from connections import notifications, workflow
from connections.models import CatalogEntry, ChangeKind, ConnectionRequest, Event, EventKind, Handover, Kind, Notice
from connections.people import display_name
from connections.states import Status
from connections.workflow.handover import CODES_AN_HOUR
from tests import factories
from tests.forms.test_batch import filed
from tests.handover import handed_over, proved

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
# In this order in every line below. An L leads to the log-in and back.
ROLES = ("nobody", "source owner", "requester", "requester2", "approver", "operator", "auditor", "admin")
_PAGE, _MINE = "L L 200 200 200 200 200 200", "L L 200 404 200 200 200 200"
_ASKS = "L L 200 200 200 200 403 200"  # whoever may change something
_OPERATES, _DECIDES = "L L 403 403 403 200 403 200", "L L 403 403 200 403 403 200"
_LOOKS = "L L 403 403 403 200 200 200"
_OPEN = "200 200 200 200 200 200 200 200"
_OWNER_ONLY = "302 200 302 302 302 302 302 302"  # the others are led to the page that asks for the code
# name -> (the row it is asked for, what each role gets)
_COPIES = "L L 200 404 200 200 403 200"
GETS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("home", "history", "export_csv", "export_json", "config_fields", "services"), ("", _PAGE)),
    **dict.fromkeys(("batch_template", "catalog", "reference"), ("", _PAGE)),
    **dict.fromkeys(("new", "batch_new"), ("", _ASKS)),
    **dict.fromkeys(("request", "status", "test_request"), ("pending", _MINE)),
    "clone": ("pending", _COPIES),
    "edit": ("pending", "L L 200 404 403 403 403 403"),
    "export": ("created", _MINE),
    "export_file": ("file", _MINE),
    "change_new": ("created", "L L 200 404 200 200 403 200"),
    **dict.fromkeys(("change", "change_status"), ("change", _MINE)),
    "batch": ("batch", _MINE),
    "filter": ("", "L L 302 302 302 302 302 302"),  # to the clean address of the list
    "approvals": ("", _DECIDES),
    **dict.fromkeys(("audit", "audit_csv", "audit_json"), ("", "L L 403 403 403 403 200 200")),
    # An auditor looks; an operator has to know why something hangs, and whom somebody may hand over to.
    **dict.fromkeys(("operations", "audit_mails", "audit_rules", "audit_policy", "audit_people"), ("", _LOOKS)),
    **dict.fromkeys(("adopt_list", "reassign"), ("", _OPERATES)),
    "adopt_one": ("stranger", _OPERATES),
    "handover": (
        "link",
        _OPEN,
    ),  # whoever has the link sees the page that asks for the code, and nothing of the request
    "handover_progress": ("link", _OWNER_ONLY),
    "handover_card_again": ("link", "302 302 302 302 302 302 302 302"),  # the owner too, who asked for no card
    "password_change": ("", _PAGE),
    **dict.fromkeys(("handover_return", "password_reset", "healthz", "readyz"), ("", _OPEN)),
}
_VERB = "L L 403 404 302 403 403 302"  # approvers; who asked does not decide
_OVERSEES = "L L 302 404 302 302 403 302"
_OWN = "L L 302 404 403 403 403 403"
_WHY = {"decision_reason": "x"}
POSTS: dict[str, tuple[str, dict[str, str], str]] = {
    **dict.fromkeys(("new", "review", "batch_new"), ("", {}, _ASKS)),
    "config_fields": ("", {}, _PAGE),  # a part of the form, of which nothing is kept
    "reassign": ("", {}, _OPERATES),
    "share_draft": ("draft in team", {}, "L L 404 404 404 404 404 404"),  # of another team than the requester's
    "stop_sharing": ("draft", {}, "L L 302 404 404 404 404 404"),
    "autosave": ("", {}, "L L 409 409 409 409 403 409"),  # a draft without a form
    "discard_draft": ("", {}, "L L 204 204 204 204 403 204"),
    "delete_draft": ("draft", {}, "L L 302 404 404 404 404 404"),  # a draft is its writer's alone
    "edit": ("pending", {}, "L L 200 404 403 403 403 403"),
    "clone": ("pending", {}, _COPIES),
    "withdraw": ("pending", {}, _OWN),
    "approve": ("pending", {}, _VERB),
    **dict.fromkeys(("reject", "request_changes"), ("pending", _WHY, _VERB)),
    "run_tests": ("created", {}, _OVERSEES),
    "test_request": ("pending", {}, "L L 302 404 302 302 403 302"),  # whoever sees the request and is no auditor
    "change_new": ("created", {"kind": "pause", "reason": "x"}, _OVERSEES),
    "change_approve": ("change", {}, _VERB),
    "change_reject": ("change", _WHY, _VERB),
    "change_withdraw": ("change", {}, _OWN),
    "approve_trust": ("created", {"kind": "fingerprint", "hash": "x", "shown": "x"}, "L L 403 404 302 302 403 302"),
    "refresh_catalog": ("", {}, "L L 403 403 302 302 403 302"),
    "batch_decide": ("batch", {}, "L L 403 404 200 403 403 200"),
    "adopt_one": ("stranger", {}, _OPERATES),
    "pause": ("", _WHY, "L L 403 403 403 302 403 302"),
    "resume": ("", {}, "L L 403 403 403 302 403 302"),
    "pause_kind": ("work", {}, "L L 403 403 403 302 403 302"),
    "resume_kind": ("work", {}, "L L 403 403 403 302 403 302"),
    "try_again": ("given up", {}, "L L 403 403 403 302 403 302"),
    "adopt": ("attention", {}, _OPERATES),
    **dict.fromkeys(("send_again", "close"), ("attention", _WHY, "L L 403 403 403 302 403 302")),
    "password_change": ("", {}, _PAGE),
    "password_reset": ("", {}, _OPEN),
    "hand_back": ("refused", _WHY, "L L 403 403 403 302 403 302"),
    "webhook": ("", {}, "403 403 403 403 403 403 403 403"),  # for a signature alone
    "handover": ("link", {}, "200 405 200 200 200 200 200 200"),
    "handover_send_code": ("link", {}, "429 429 429 429 429 429 429 429"),  # anybody may ask, five times an hour
    "handover_code": ("link", {}, _OPEN),
    **dict.fromkeys(("handover_card", "handover_give"), ("link", {}, _OWNER_ONLY)),
    "handover_pass_on": ("created", {"to": "anna@example.com"}, _OVERSEES),
    "handover_begin": ("created", {"to": "anna@example.com"}, _OVERSEES),
    "handover_revoke": ("created", {}, _OVERSEES),
}
WRONG_METHOD = "L L 405 405 405 405 405 405"
ASKED = {"change_new": {"kind": "pause"}}  # what an address needs in its query
NAMES = [str(p.name) for p in get_resolver("connections.urls").url_patterns if isinstance(p, URLPattern)]
OUTSIDE = "olga@elsewhere.example"


@dataclass(frozen=True)
class World:
    """What stands in the database, all of it the requester's; and a browser for each role."""

    rows: dict[str, list[Any]]
    clients: dict[str, Client]


@pytest.fixture
def world(cast: dict[str, User]) -> World:
    """A row of each kind, and everybody's browser."""
    mine, decides = cast["requester"], cast["approver"]
    handover = handed_over(mine, OUTSIDE)
    changed = factories.request_in(Status.CREATED, mine, decides)
    change = workflow.ask_for_change(by=mine, conn_request=changed, kind=ChangeKind.PAUSE, reason="x")
    refused = factories.request_in(Status.FAILED, mine, decides)
    ConnectionRequest.objects.filter(pk=refused.pk).update(failure_code="Forbidden", turn="operator")
    clients = {name: Client() for name in ROLES}
    clients["source owner"] = proved(handover)
    Handover.objects.update(codes_sent=CODES_AN_HOUR)
    for name, user in cast.items():
        clients[name].force_login(user)
    CatalogEntry.objects.create(kind=Kind.CONNECTION, fivetran_id="nobodys_own", name="a.b", data={})
    pending = factories.submitted(mine)
    given_up = Notice.objects.filter(request=pending)[0]
    Notice.objects.filter(pk=given_up.pk).update(tries=notifications.TRIES)
    draft = factories.draft(mine)
    rows: dict[str, list[Any]] = {
        "": [],
        "draft": [draft.pk],
        "draft in team": [draft.pk, 0],
        "pending": [pending.pk],
        "attention": [factories.request_in(Status.ATTENTION, mine, decides).pk],
        "refused": [refused.pk],
        "created": [handover.request_id],
        "change": [change.pk],
        "batch": [filed(mine).pk],
        "link": [handover.token],
        "forged link": [f"{handover.token[:-1]}{'a' if handover.token[-1] != 'a' else 'b'}"],
        "file": [handover.request_id, "sh"],
        "stranger": ["nobodys_own"],
        "work": ["submit"],
        "given up": ["notify", given_up.pk],
    }
    return World(rows, clients)


def address(world: World, name: str, kind: str) -> str:
    """The address `name` of the row of this kind."""
    return reverse(f"connections:{name}", args=world.rows[kind])


def told(client: Client, method: str, path: str, data: dict[str, str] | None = None) -> tuple[str, Any, str]:
    """What `client` gets, as the tables write it; the answer and its text. The database is as before afterwards."""
    mark = transaction.savepoint()
    answer: Any = getattr(client, method)(path, data or {})
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    transaction.savepoint_rollback(mark)
    to_log_in = answer.get("Location", "").startswith("/accounts/login/?next=")
    return ("L" if to_log_in else str(answer.status_code)), answer, body.decode()


def line(world: World, method: str, name: str, kind: str, data: dict[str, str] | None = None) -> str:
    """The line of the tables for one address."""
    path = address(world, name, kind)
    return " ".join(told(world.clients[role], method, path, data)[0] for role in ROLES)


def test_every_address_is_listed() -> None:
    assert set(NAMES) == {*GETS, *POSTS}, "say in GETS or POSTS for whom the new address is"


def test_who_gets_which_page(world: World) -> None:
    found = {name: line(world, "get", name, kind, ASKED.get(name)) for name, (kind, _codes) in GETS.items()}
    assert found == {name: codes for name, (_kind, codes) in GETS.items()}


def test_who_may_press_which_button(world: World, settings: Any) -> None:
    settings.FIVETRAN_WEBHOOK_SECRET = "known-to-both"
    found = {name: line(world, "post", name, kind, data) for name, (kind, data, _codes) in POSTS.items()}
    assert found == {name: codes for name, (_kind, _data, codes) in POSTS.items()}


# What holds nobody's data: the empty table of a batch.
EMPTY = {"batch_template"}
# A page whose texts are there to be taken along.
TAKEN = {"export"}


def test_whatever_leaves_as_a_file_is_on_record(world: World) -> None:
    files = set()
    for name, (kind, _codes) in GETS.items():
        known = Event.objects.filter(kind=EventKind.EXPORTED).count()
        answer: Any = world.clients["admin"].get(address(world, name, kind), ASKED.get(name))
        if answer.streaming or "attachment" in answer.get("Content-Disposition", ""):
            files.add(name)
        written = Event.objects.filter(kind=EventKind.EXPORTED).count() - known
        assert written == int(name in (files | TAKEN) - EMPTY), f"{name}: an export writes one event"
    assert files == {"export_csv", "export_json", "export_file", "audit_csv", "audit_json", *EMPTY}


# A form that says of which row it is: as the row's own address.
NAMED = {
    "pending": "L L {} 404 403 403 403 403",
    "draft": "L L {} 404 404 404 403 404",
}


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize(("name", "mine"), [("review", "200"), ("discard_draft", "204"), ("autosave", "409")])
def test_who_may_name_which_row_in_a_form(world: World, cast: dict[str, User], name: str, mine: str, kind: str) -> None:
    found = []
    for role in ROLES:
        user = str(cast[role].pk) if role in cast else ""
        data = {"edited": str(world.rows[kind][0]), "user": user, "config__password": "x"}
        found.append(told(world.clients[role], "post", address(world, name, ""), data)[0])
    assert " ".join(found) == NAMED[kind].format(mine)


DRAFTS = ("request", "status", "edit", "clone", "export", "withdraw", "approve", "reject", "run_tests", "delete_draft")


@pytest.mark.parametrize("thrown_away", [False, True])
def test_a_draft_is_nobodys_but_its_writers(world: World, cast: dict[str, User], thrown_away: bool) -> None:
    conn_request = ConnectionRequest.objects.get(pk=world.rows["draft"][0])
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(reason="a private thought", schema="private_thought")
    if thrown_away:
        conn_request.refresh_from_db()
        workflow.withdraw(by=cast["requester"], conn_request=conn_request)
    for role in ROLES[3:]:
        client = world.clients[role]
        for name in DRAFTS:
            path = address(world, name, "draft")
            for method in ("get", "post"):
                assert told(client, method, path, _WHY)[0] in {"404", "405"}, (role, method, path)
        for path in (
            "/",
            "/requests/",
            "/requests/?status=draft",
            "/requests/?status=withdrawn",
            "/requests/?q=private",
        ):
            text = told(client, "get", path)[2]
            assert f'data-request-id="{conn_request.pk}"' not in text and "private_thought" not in text, (role, path)
        for path in ("/requests/export.csv", "/requests/export.json"):
            assert "private_thought" not in told(client, "get", path)[2], (role, path)
    event = conn_request.events.latest("pk")
    for kind, number in (("connectionrequest", conn_request.pk), ("event", event.pk)):
        own = f"/admin/connections/{kind}/{number}/change/"
        code, answer, text = told(world.clients["admin"], "get", own, {})
        assert (code, answer["Location"]) == ("302", "/admin/")  # as Django answers for a row that is not there
        code, _answer, text = told(world.clients["admin"], "get", f"/admin/connections/{kind}/")
        assert code == "200" and "private_thought" not in text and own not in text
    assert told(world.clients["requester"], "get", address(world, "request", "draft"))[0] == "200"


KINDS = {name: one[0] for name, one in POSTS.items()} | {name: one[0] for name, one in GETS.items()}
LISTED = {("services", "get", role) for role in ROLES if role not in {"nobody", "source owner"}}


@pytest.mark.parametrize("role", ["nobody", "source owner", "requester", "admin"])
def test_every_answer_carries_the_policy_and_stays_out_of_caches(world: World, role: str) -> None:
    for name, kind in KINDS.items():
        for method in ("get", "post"):
            _code, answer, body = told(world.clients[role], method, address(world, name, kind), ASKED.get(name))
            policy = answer["Content-Security-Policy"]
            assert "script-src 'self'" in policy and "unsafe" not in policy, name
            # The list of services is asked for again each time, and is the same for everybody.
            cached = "private, no-cache" if (name, method, role) in LISTED else "no-store"
            assert cached in answer["Cache-Control"], name
            kept = (answer["Referrer-Policy"], answer["X-Content-Type-Options"], answer["X-Frame-Options"])
            assert kept == ("same-origin", "nosniff", "DENY"), name
            assert not any(inline in body for inline in ("<script>", " style=", " onclick=")), name


def test_what_only_changes_something_is_no_page(world: World) -> None:
    for name in sorted(set(POSTS) - set(GETS) - {"webhook"}):
        kind = POSTS[name][0]
        codes = line(world, "get", name, kind)
        assert codes == WRONG_METHOD or (kind == "link" and set(codes.split()) <= {"405", "302"}), (name, codes)


def test_what_only_shows_something_takes_no_form(world: World) -> None:
    for name in sorted(set(GETS) - set(POSTS)):
        kind = GETS[name][0]
        codes = line(world, "post", name, kind)
        assert codes == WRONG_METHOD or set(codes.split()) <= {"405", "302"}, name


def test_no_button_works_from_another_site(world: World) -> None:
    for name in sorted(set(POSTS) - {"webhook"}):
        kind, data, _codes = POSTS[name]
        for role in ROLES:
            elsewhere = Client(enforce_csrf_checks=True)
            elsewhere.cookies = world.clients[role].cookies
            assert told(elsewhere, "post", address(world, name, kind), data)[0] == "403", (name, role)


def test_a_forged_link_opens_nothing(world: World) -> None:
    for name, kind in KINDS.items():
        for method in ("get", "post") if kind == "link" else ():
            for role in ROLES:
                path = address(world, name, "forged link")
                code, _answer, body = told(world.clients[role], method, path, {"to": "me@example.com", "code": "1"})
                assert code == "403" and OUTSIDE not in body, (name, role)


def test_without_its_secret_there_is_no_webhook(world: World) -> None:
    for method in ("get", "post"):
        assert set(line(world, method, "webhook", "").split()) == {"404"}


def test_whoever_only_has_the_link_learns_nothing_of_the_request(world: World, cast: dict[str, User]) -> None:
    """The page that asks for the code is open to all who have the link: it tells who asks, and else no more."""
    conn_request = Handover.objects.select_related("request").get(address=OUTSIDE).request
    _code, _answer, body = told(world.clients["nobody"], "get", address(world, "handover", "link"))
    for text in (
        conn_request.schema,
        conn_request.reason,
        conn_request.connection_id,
        OUTSIDE,
        conn_request.group_name,
        conn_request.service_name,
        cast["requester"].email,
    ):
        assert str(text) not in body, text
    assert f"<bdi>{display_name(cast['requester'])}</bdi>" in body
