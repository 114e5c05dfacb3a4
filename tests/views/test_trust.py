"""The section "To be trusted" of a request's page: whole, for everybody; its button only for who holds the right."""

import re
import uuid
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client

from connections import permissions, workflow
from connections.models import ChangeKind, Connection, ConnectionRequest, Event, EventKind, Trust, TrustState
from connections.models.connection import MAX_DETAILS, MAX_RUN, MAX_TESTS, store_run
from connections.spec import trust_candidates
from connections.states import Actor, Status
from connections.worker import outcome
from connections.workflow import batches
from tests import factories
from tests.views.test_request_page import buttons, interval, page_of, poll_url, visible_text

pytestmark = pytest.mark.django_db
Cast = dict[str, Any]
Login = Callable[..., Client]
CERTIFICATE = {
    "hash": "r+u4QL4MGvZeY+DL15zONWVL=",
    "name": "CN=Example Root CA, O=Example Ltd",
    "public_key": "Sun RSA public key, 2048 bits",
    "encoded_cert": "TUlJQ2VydGlmaWNhdGU=",
    "sha1": "aa11",
    "sha256": "bb22",
}
KEY = {"hash": "eUtPirI6yy=", "public_key": "ssh-rsa QUFBQUIzTnphQzF5YzJFQUFB", "type": "ssh-rsa", "name": "bastion"}


def failed(details: Any, status: str = "FAILED") -> list[dict[str, Any]]:
    return [{"title": "Validate Certificate", "status": status, "message": "No trust anchors", "details": details}]


def created(cast: Cast, details: Any, by: str = "requester") -> ConnectionRequest:
    """A created request whose one setup test failed with these details."""
    conn_request = factories.request_in(Status.SENDING, by=cast[by], approver=factories.person("approver"))
    data = factories.created_data(conn_request, setup_tests=failed(details), status={"setup_state": "incomplete"})
    outcome.to_created(conn_request, Actor.WORKER, data)
    return conn_request


def form(page: str) -> dict[str, str]:
    """The hidden controls of the first approval."""
    [found] = re.findall(r'<form method="post" action="/requests/\d+/trust/">(.*?)</form>', page, re.DOTALL)[:1]
    controls = re.findall(r'<input type="hidden" name="(kind|hash|shown)" value="([^"]*)"', found)
    return {name: unescape(value) for name, value in controls}


@pytest.mark.parametrize("details", [CERTIFICATE, [CERTIFICATE], KEY, [KEY]])
@pytest.mark.parametrize("name", ["requester", "approver", "operator", "auditor", "admin"])
def test_everybody_sees_it_whole_and_some_can_approve(as_user: Login, cast: Cast, details: Any, name: str) -> None:
    conn_request = created(cast, details)
    page = page_of(as_user(name), conn_request)
    text = visible_text(page)
    [one] = trust_candidates.candidates(details)
    for said in (one.hash, one.name, one.proof, one.type, one.sha1, one.sha256, one.public_key, "Copy"):
        assert said in text
    label = "Approve certificate" if one.kind == "certificate" else "Approve fingerprint"
    assert buttons(page)[label] is (name in {"approver", "operator", "admin"})
    why = "Only people with the right to approve certificates and fingerprints can do this."
    assert (why in text) is (name in {"requester", "auditor"})
    Connection.objects.update(first_data_at=Now())  # then it waits for the approval alone
    assert interval(page_of(as_user(name), conn_request)) == 5


def test_a_sole_one_is_approved_in_the_bar_and_several_beside_what_each_shows(as_user: Login, cast: Cast) -> None:
    def in_bar(details: Any) -> list[int]:
        page = page_of(as_user("approver"), created(cast, details))
        bar = page.partition('<section id="decision"')[2].partition("</section>")[0]
        return [bar.count("Approve certificate"), page.count("Approve certificate")]

    assert in_bar(CERTIFICATE) == [1, 1]
    assert in_bar(chain(2)) == [0, 2]


def test_who_asked_reads_why_not_and_who_can(as_user: Login, cast: Cast) -> None:
    conn_request = created(cast, KEY, by="operator")
    page = page_of(as_user("operator"), conn_request)
    assert buttons(page)["Approve fingerprint"] is False
    text = visible_text(page)
    assert "Nobody can approve what is to be trusted for their own request." in text
    assert re.search(r"Who can: .*approver", text)
    answer = as_user("operator").post(f"/requests/{conn_request.pk}/trust/", form_of(conn_request))
    assert answer.status_code == 403
    assert "Nobody can approve" in answer.content.decode()


def form_of(conn_request: ConnectionRequest) -> dict[str, str]:
    test = conn_request.connection.runs.all()[0].setup_tests.get()
    [one] = trust_candidates.candidates(test.details)
    return {"kind": one.kind.value, "hash": one.hash, "shown": one.digest}


def test_one_click_approves_what_was_shown_and_the_page_follows(as_user: Login, cast: Cast) -> None:
    conn_request, reader = created(cast, [CERTIFICATE]), as_user("approver")
    watching = as_user("requester")
    url = poll_url(page_of(watching, conn_request)) or ""
    assert watching.get(url).status_code == 204
    sent = form(page_of(reader, conn_request))
    assert sent == form_of(conn_request)
    page = reader.post(f"/requests/{conn_request.pk}/trust/", sent, follow=True).content.decode()
    assert "The certificate is approved. Fivetran is told, and the setup tests run again." in page
    assert "Approve certificate" not in buttons(page)
    assert re.search(r'data-trust-state="due"', page)
    assert interval(page) == 2
    changed = watching.get(url)
    assert changed.status_code == 200
    assert 'id="trust" hx-swap-oob="true"' in " ".join(changed.content.decode().split())
    assert "Trust approved" in visible_text(changed.content.decode())
    row_again = Trust.objects.get()
    assert (row_again.approved_by, row_again.proof) == (cast["approver"], CERTIFICATE["encoded_cert"])
    again = reader.post(f"/requests/{conn_request.pk}/trust/", sent, follow=True).content.decode()
    assert "It is approved already." in again


def test_other_candidates_are_not_slipped_under_the_approvers_hand(as_user: Login, cast: Cast) -> None:
    conn_request, reader = created(cast, CERTIFICATE), as_user("approver")
    page = page_of(reader, conn_request)
    sent = form(page)
    store_run(conn_request.connection, {"setup_tests": failed(CERTIFICATE | {"encoded_cert": "b3RoZXI="})})
    Event.objects.note(conn_request, EventKind.TESTS_STORED, actor=Actor.WORKER)
    changed = reader.get(poll_url(page) or "").content.decode()
    assert "What Fivetran asks to trust has changed since you opened this page." in visible_text(changed)
    assert "Approve certificate" not in changed
    page = reader.post(f"/requests/{conn_request.pk}/trust/", sent, follow=True).content.decode()
    assert "has changed since you looked, so nothing was approved" in page
    assert not Trust.objects.exists()


def test_one_that_was_refused_can_be_approved_again(as_user: Login, cast: Cast) -> None:
    conn_request, reader = created(cast, CERTIFICATE), as_user("approver")
    reader.post(f"/requests/{conn_request.pk}/trust/", form_of(conn_request))
    Trust.objects.update(state=TrustState.REFUSED, message="Fivetran said no")
    page = page_of(reader, conn_request)
    assert buttons(page)["Approve certificate"] is True
    assert "Fivetran did not confirm an earlier approval: Fivetran said no" in visible_text(page)


@pytest.mark.parametrize(
    "sent", [{}, {"kind": "nonsense"}, {"kind": "certificate"}, {"kind": "certificate", "hash": "\0", "shown": "x" * 9}]
)
def test_nonsense_approves_nothing(as_user: Login, cast: Cast, sent: dict[str, str]) -> None:
    conn_request = created(cast, CERTIFICATE)
    answer = as_user("approver").post(f"/requests/{conn_request.pk}/trust/", sent, follow=True)
    assert answer.status_code == 200
    assert "Please look again." in answer.content.decode()
    assert not Trust.objects.exists()


def test_what_one_may_not_see_is_not_there_and_get_is_refused(as_user: Login, cast: Cast) -> None:
    conn_request = created(cast, CERTIFICATE)
    assert as_user("requester2").post(f"/requests/{conn_request.pk}/trust/", form_of(conn_request)).status_code == 404
    assert as_user("approver").get(f"/requests/{conn_request.pk}/trust/").status_code == 405
    strict = as_user("approver", enforce_csrf_checks=True)
    assert strict.post(f"/requests/{conn_request.pk}/trust/", form_of(conn_request)).status_code == 403
    assert not Trust.objects.exists()


def test_the_right_alone_leads_from_the_first_page_to_the_approval_and_what_became_of_it(
    as_user: Login, cast: Cast
) -> None:
    conn_request, other = created(cast, CERTIFICATE), factories.person()
    for holder in (cast["requester2"], other):
        holder.user_permissions.add(Permission.objects.get(codename="approve_trust"))
    reader, colleague = as_user("requester2"), Client()
    colleague.force_login(other)
    assert f'href="/requests/{conn_request.pk}/#trust"' in reader.get("/").content.decode()
    for narrowed in ({}, {"status": "created"}, {"q": conn_request.schema}):
        assert f'data-request-id="{conn_request.pk}"' in reader.get("/requests/", narrowed).content.decode()
    page, theirs = page_of(reader, conn_request), page_of(colleague, conn_request)
    assert "Turn: yours" in visible_text(page)
    assert buttons(page)["Approve certificate"] is True
    assert not {"Approve", "Reject", "Run setup tests again", "Pause", "Delete connection"} & set(buttons(page))
    done = reader.post(f"/requests/{conn_request.pk}/trust/", form(page), follow=True)
    assert done.status_code == 200
    assert "The certificate is approved." in done.content.decode()
    assert colleague.get(poll_url(theirs) or "").status_code == 200  # whose page was open all the while
    assert "Approved by requester2" in visible_text(page_of(colleague, conn_request))


def test_the_right_alone_leads_to_nothing_else(as_user: Login, cast: Cast) -> None:
    waits, clean = created(cast, CERTIFICATE), created(cast, None)
    pending = factories.submitted(cast["requester"])
    batch = batches.file_batch(by=cast["requester"], token=uuid.uuid4(), filings=[factories.filing()])
    change = workflow.ask_for_change(
        by=cast["requester"], conn_request=waits, kind=ChangeKind.PAUSE, reason="Quiet weeks"
    )
    cast["requester2"].user_permissions.add(Permission.objects.get(codename="approve_trust"))
    reader = as_user("requester2")
    for conn_request in (clean, pending):
        for path in (
            f"/requests/{conn_request.pk}/",
            f"/requests/{conn_request.pk}/status/",
            f"/requests/{conn_request.pk}/clone/",
        ):
            assert reader.get(path).status_code == 404, path
        assert reader.post(f"/requests/{conn_request.pk}/trust/", form_of(waits)).status_code == 404
    listed = b"".join(reader.get("/requests/export.csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert [line.split(",")[0] for line in listed.splitlines()[1:]] == [str(waits.pk)]
    for path in (f"/changes/{change.pk}/", f"/batches/{batch.pk}/"):
        assert reader.get(path).status_code == 404, path
    assert f"/changes/{change.pk}/" not in page_of(reader, waits)
    for verb in ("approve", "reject", "run-tests"):
        assert reader.post(f"/requests/{waits.pk}/{verb}/", {"decision_reason": "No"}).status_code in (403, 404), verb


def test_the_right_ends_with_the_account(cast: Cast) -> None:
    created(cast, CERTIFICATE)
    holder = factories.person(is_active=False)
    holder.user_permissions.add(Permission.objects.get(codename="approve_trust"))
    assert not permissions.visible_to(holder).exists()


def test_hostile_texts_stay_texts(as_user: Login, cast: Cast) -> None:
    evil = "<img src=x onerror=alert(1)>\u202e"
    conn_request = created(cast, [dict.fromkeys(CERTIFICATE, evil), dict.fromkeys(KEY, evil)])
    page = page_of(as_user("approver"), conn_request)
    assert "<img" not in page
    assert "\u202e" not in page.replace(f'value="{evil}', "") or page.count("\u202e") == 2  # only in hidden values
    assert "U+202E" in page


@pytest.mark.parametrize("details", [None, {}, {"hash": "x"}, [{"name": "n", "hash": "abc123="}]])
def test_without_a_candidate_there_is_no_section_and_no_query_more(
    as_user: Login, cast: Cast, details: Any, django_assert_max_num_queries: Any
) -> None:
    conn_request, reader = created(cast, details), as_user("approver")
    page = page_of(reader, conn_request)
    assert "data-trust=" not in page
    assert 'id="trust"' in page
    reader.get("/requests/")
    with django_assert_max_num_queries(10):
        reader.get(f"/requests/{conn_request.pk}/")


def chain(length: int) -> list[dict[str, str]]:
    """Certificates with RSA keys of 4096 bits, as Fivetran's file describes an entry."""
    return [
        {
            "hash": f"{number:043d}=",
            "name": f"CN=Issuing CA {number}, OU=Certificates, O=Example Ltd, L=London, C=GB",
            "public_key": f"Sun RSA public key, 4096 bits\n  modulus: {'7' * 1233}\n  public exponent: 65537",
            "encoded_cert": "MII" + f"{number:017d}" + "A" * 2100,
            "sha1": "aa:" * 19 + "aa",
            "sha256": "bb:" * 31 + "bb",
        }
        for number in range(length)
    ]


@pytest.mark.parametrize("length", [6, trust_candidates.MOST])
def test_a_whole_chain_can_be_approved(as_user: Login, cast: Cast, length: int) -> None:
    assert len(repr(chain(length))) > 20_000
    conn_request, reader = created(cast, chain(length)), as_user("approver")
    page = page_of(reader, conn_request)
    assert page.count("data-trust=") == length
    assert "which the portal does not show" not in page
    for one in chain(length):
        assert one["encoded_cert"] in page
    done = reader.post(f"/requests/{conn_request.pk}/trust/", form(page), follow=True).content.decode()
    assert "The certificate is approved." in done


def test_of_a_chain_that_is_too_long_whole_certificates_are_kept_and_the_page_says_so(
    as_user: Login, cast: Cast
) -> None:
    length = 400
    conn_request = created(cast, chain(length))
    stored = conn_request.connection.runs.get().setup_tests.get().details
    assert stored and len(repr(stored)) <= MAX_DETAILS
    *kept, last = stored
    assert kept == chain(length)[: len(kept)]
    assert last == {trust_candidates.LEFT_OUT: length - len(kept)}
    page = page_of(as_user("approver"), conn_request)
    assert page.count("data-trust=") == trust_candidates.MOST
    assert f"Fivetran named {length - trust_candidates.MOST} more, which the portal does not show." in visible_text(
        page
    )


def test_one_run_keeps_no_more_than_a_row_can_hold(cast: Cast) -> None:
    conn_request = created(cast, None)
    run = {"setup_tests": failed(chain(30)) * MAX_TESTS}
    store_run(conn_request.connection, run)
    newest = conn_request.connection.runs.all()[0]
    stored = [test.details for test in newest.setup_tests.all()]
    assert len(stored) == MAX_TESTS
    assert MAX_RUN - MAX_DETAILS < sum(len(repr(details)) for details in stored) <= MAX_RUN + 20 * MAX_TESTS


def test_trust_without_review_is_a_risk_wherever_it_is_decided(as_user: Login, cast: Cast) -> None:
    flags = {"trust_certificates": True, "trust_fingerprints": True}
    conn_request = factories.submitted(cast["requester"], **flags)
    filings = [factories.filing(**flags), factories.filing()]
    batch = batches.file_batch(by=cast["requester"], token=uuid.uuid4(), filings=filings)
    words = ("Trusts any TLS certificate without review", "Trusts any SSH fingerprint without review")
    reader = as_user("admin")
    pages = {
        "request": reader.get(f"/requests/{conn_request.pk}/"),
        "batch": reader.get(f"/batches/{batch.pk}/"),
        "inbox": reader.get("/approvals/"),
        "admin": reader.post(
            "/admin/connections/connectionrequest/", {"action": "approve", "_selected_action": [conn_request.pk]}
        ),
    }
    for name, answer in pages.items():
        for sentence in words:
            assert sentence in answer.content.decode(), name
