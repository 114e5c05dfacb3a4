"""The cards of failing setup tests on a request's page: who acts, what to do, and the text to hand on."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from connections import catalog, workflow
from connections.fivetran import configured
from connections.models import CatalogEntry, Connection, ConnectionRequest, Kind, SetupTestRun
from connections.models.connection import store_run
from connections.people import display_name
from connections.states import Actor, Status
from connections.worker import outcome
from tests import catalogs, factories
from tests.handover import handed_over
from tests.views.test_request_page import interval, page_of, poll_url, visible_text

pytestmark = pytest.mark.django_db
Cast = dict[str, Any]
Login = Callable[..., Client]
SSH = {"title": "SSH Tunnel Connection", "status": "FAILED", "message": "Auth fail"}
SHEET = {"title": "Validating spreadsheet", "status": "FAILED", "message": "The caller does not have permission"}
NEW = {"title": "Something new", "status": "FAILED", "message": "Flux capacitor misaligned"}


def created(cast: Cast, *tests: dict[str, Any], **changes: Any) -> ConnectionRequest:
    """A created request with these setup tests."""
    conn_request = factories.request_in(Status.SENDING, by=cast["requester"], **changes)
    data = factories.created_data(conn_request, setup_tests=list(tests), status={"setup_state": "incomplete"})
    outcome.to_created(conn_request, Actor.WORKER, data)
    return conn_request


def postgres(**config: Any) -> dict[str, Any]:
    return {"service": "postgres", "config__schema_prefix": "shop", "config__schema": "", "config__table": "", **config}


def know(group: str = "projected_sickle", **detail: Any) -> None:
    """Store what a worker learnt of the group."""
    entry = CatalogEntry.objects.filter(kind=Kind.GROUP, fivetran_id=group)
    known = {"public_key": "ssh-rsa QUJD fivetran user key", "service_account": "g-x@fivetran.example.com", **detail}
    assert entry.update(detail=known, detail_at="2026-11-24T10:00:00Z") == 1


def pasted(page: str) -> list[str]:
    """The texts to hand on, in order."""
    return [unescape(text) for text in re.findall(r'<pre id="paste-\d+"[^>]*>(.*?)</pre>', page, re.DOTALL)]


def test_a_known_failure_says_what_it_means_who_acts_and_what_to_do(as_user: Login, cast: Cast) -> None:
    catalogs.offered()
    know()
    conn_request = created(cast, SHEET, source_owner="sheet.owner@example.com")
    page = page_of(as_user("requester"), conn_request)
    text = visible_text(page)
    assert 'data-diagnosis="google_file_not_shared"' in page
    assert "The sheet or folder is not shared with Fivetran." in text
    assert "The source owner: sheet.owner@example.com" in text
    assert "press Share" in text
    assert pasted(page) == ["g-x@fivetran.example.com"]
    assert SHEET["message"] in text  # Fivetran's own words stay
    assert 'data-test-status="FAILED"' in page


def test_once_it_was_given_to_somebody_else_every_part_of_the_page_names_them(as_user: Login, cast: Cast) -> None:
    factories.person(username="olga")
    factories.person(username="bob")
    handover = handed_over(by=cast["requester"], source_owner="olga")
    conn_request = ConnectionRequest.objects.get(pk=handover.request_id)
    store_run(conn_request.connection, {"setup_tests": [SHEET]})
    assert people(page_of(as_user("requester"), conn_request))["Source owner"] == "olga"
    workflow.pass_on(by=cast["requester"], handover=handover, to="bob")
    page = page_of(as_user("requester"), conn_request)
    assert "Turn: bob, the source owner" in visible_text(page)
    assert "The source owner: bob" in visible_text(page)
    assert people(page)["Source owner"] == "bob"


def people(page: str) -> dict[str, str]:
    """What the section "People" says."""
    [section] = re.findall(r'<section id="people".*?</section>', page, re.DOTALL)
    section = re.sub(r'<span class="avatar.*?</span>', "", section)
    return {
        visible_text(term): visible_text(text).split()[0]
        for term, text in re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", section, re.DOTALL)
    }


def test_values_of_the_body_and_of_the_group_are_filled_in(as_user: Login, cast: Cast) -> None:
    catalogs.offered()
    know()
    config = {
        "config__tunnel_host": "bastion.example.com",
        "config__tunnel_user": "fivetran",
        "config__host": "db.example.com",
    }
    conn_request = created(cast, SSH, **postgres(**config))
    [text] = pasted(page_of(as_user("requester"), conn_request))
    assert "On bastion.example.com, as fivetran, add" in text
    assert "ssh-rsa QUJD fivetran user key" in text
    store_run(conn_request.connection, {"setup_tests": [SSH | {"message": "Connection timed out"}]})
    [text] = pasted(page_of(as_user("requester"), conn_request))
    assert "bastion.example.com, port <SSH port>, from Fivetran's addresses for the region GCP_EUROPE_WEST3" in text
    assert "35.235.32.144/29" in text and "https://fivetran.com/docs/using-fivetran/ips" in text


def test_a_secret_never_gets_into_a_text(as_user: Login, cast: Cast) -> None:
    catalogs.offered()
    conn_request = created(cast, SSH, **postgres(config__host="db.example.com"))
    body = conn_request.payload or {}
    payload = body | {"config": body["config"] | {"password": "hunter2-hunter2", "tunnel_user": "u"}}
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(payload=payload)
    assert "hunter2" not in page_of(as_user("admin"), conn_request)


def test_a_value_that_could_change_a_statement_is_left_out(as_user: Login, cast: Cast) -> None:
    denied = {"title": "Permissions", "status": "FAILED", "message": "permission denied for schema sales"}
    conn_request = created(cast, denied, **postgres(config__user='x"; DROP TABLE orders; --'))
    [text] = pasted(page_of(as_user("requester"), conn_request))
    assert "DROP" not in text
    assert 'TO "<user>";' in text


def test_an_unknown_failure_shows_fivetrans_words_and_its_guide(as_user: Login, cast: Cast) -> None:
    catalogs.offered()
    conn_request, reader = created(cast, NEW), as_user("requester")
    page = page_of(reader, conn_request)
    assert "Flux capacitor misaligned" in page
    assert f"Next: {display_name(cast['requester'])} corrects this" in visible_text(page)
    assert "Fivetran's guide to this service" not in visible_text(page)
    service = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id="google_sheets")
    service.update(data={"link_to_docs": "https://fivetran.com/docs/connectors/files/google-sheets"})
    page = page_of(reader, conn_request)
    assert '<a href="https://fivetran.com/docs/connectors/files/google-sheets" rel="noopener noreferrer">' in page
    for other in ("https://fivetran.com.evil.example/", "javascript:alert(1)", "http://fivetran.com/", 7, ["x"], None):
        service.update(data={"link_to_docs": other})
        assert "Fivetran's guide to this service" not in visible_text(page_of(reader, conn_request))


def test_passed_tests_warnings_that_nobody_knows_and_earlier_runs_have_no_card(as_user: Login, cast: Cast) -> None:
    passed = {"title": "SSH Tunnel Connection", "status": "PASSED", "message": "Auth fail"}
    conn_request = created(cast, passed, NEW | {"status": "WARNING"})
    assert "card-diagnosis" not in page_of(as_user("requester"), conn_request)
    conn_request = created(cast, SSH)
    store_run(conn_request.connection, {"setup_tests": [passed]})
    assert "card-diagnosis" not in page_of(as_user("requester"), conn_request)


def test_a_warning_that_is_known_has_a_card(as_user: Login, cast: Cast) -> None:
    conn_request = created(
        cast, {"title": "Checking quota", "status": "WARNING", "message": "The source allows 100 calls a day"}
    )
    assert 'data-diagnosis="quota"' in page_of(as_user("requester"), conn_request)


def test_who_may_approve_is_named(as_user: Login, cast: Cast) -> None:
    conn_request = created(cast, {"title": "Validate Certificate", "status": "FAILED", "message": "No trust anchors"})
    assert re.search(
        r"Who may approve what is trusted: .*approver", visible_text(page_of(as_user("requester"), conn_request))
    )


def test_details_that_are_text_are_read_too(as_user: Login, cast: Cast) -> None:
    details = "Authentication failed (401 Unauthorized). Verify the provided credentials and permissions."
    conn_request = created(cast, {"title": "Validate Login", "status": "FAILED", "message": "No", "details": details})
    assert 'data-diagnosis="credentials"' in page_of(as_user("requester"), conn_request)


def test_hostile_tests_stay_texts(as_user: Login, cast: Cast) -> None:
    evil = "<script>alert(1)</script>\u202e Auth fail ssh " + "x" * 3_000
    conn_request = created(cast, {"title": evil, "status": "FAILED", "message": evil}, source_owner="<b>x</b>")
    page = page_of(as_user("requester"), conn_request)
    assert "<script>alert" not in page and "\u202e" not in page and "<b>x" not in page


def test_the_page_waits_for_a_key_that_is_being_asked_for(as_user: Login, cast: Cast) -> None:
    catalogs.offered()
    conn_request, reader = created(cast, SSH), as_user("requester")
    Connection.objects.update(first_data_at=Now())  # nothing else is waited for
    page = page_of(reader, conn_request)
    assert interval(page) == 5
    url = poll_url(page) or ""
    assert reader.get(url).status_code == 204
    know()
    changed = reader.get(url)
    assert "ssh-rsa QUJD" in changed.content.decode()
    assert interval(changed.content.decode()) == 0


def test_it_does_not_wait_for_ever(as_user: Login, cast: Cast) -> None:
    catalogs.offered()
    conn_request = created(cast, SSH)
    Connection.objects.update(first_data_at=Now())
    SetupTestRun.objects.update(finished_at=Now() - timedelta(minutes=2))
    assert interval(page_of(as_user("requester"), conn_request)) == 0


# --- learning it -----------------------------------------------------------------------------------------------------
@pytest.fixture
def group(sandbox: Any, cast: Cast) -> str:
    catalog.refresh_all()
    return catalog.destinations()[0].id


def test_key_and_service_account_are_learnt_once_where_a_test_failed(group: str, cast: Cast) -> None:
    fine = created(cast, SSH | {"status": "PASSED"}, group_id=group)
    assert catalog.learn_group(fine.pk) is False
    conn_request = created(cast, SSH, group_id=group)
    assert catalog.group_of(group).is_asked_for is True
    assert catalog.learn_group(conn_request.pk) is True
    known = catalog.group_of(group)
    assert known.public_key.startswith("ssh-rsa ") and "@" in known.service_account
    assert known.region and known.is_asked_for is False
    assert catalog.learn_group(conn_request.pk) is False
    catalog.refresh_all()
    assert catalog.group_of(group) == known  # a refresh keeps it
    assert known.public_key == configured.client().get_group_public_key(group)


def test_without_fivetran_the_page_goes_on_without_the_key(group: str, cast: Cast, sandbox: Any) -> None:
    conn_request = created(cast, SSH, group_id=group)
    sandbox.process.stop()
    assert catalog.learn_group(conn_request.pk) is False
    assert catalog.group_of(group).is_asked_for is False
    assert catalog.learn_group(conn_request.pk) is False  # not again at once


def test_a_group_that_fivetran_does_not_know_is_not_asked_for_again_and_again(group: str, cast: Cast) -> None:
    CatalogEntry.objects.create(kind=Kind.GROUP, fivetran_id="unknown_group", name="x")
    conn_request = created(cast, SSH, group_id="unknown_group")
    assert catalog.learn_group(conn_request.pk) is True
    assert catalog.group_of("unknown_group").public_key == ""
    assert catalog.learn_group(conn_request.pk) is False


@pytest.mark.parametrize("argument", [None, "1", [], 10**9])
def test_nonsense_learns_nothing(db: None, argument: Any) -> None:
    assert catalog.learn_group(argument) is False
