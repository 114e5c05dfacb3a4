"""What waits to be trusted reaches those who may approve it: a mail once, their lists, and whose turn it is."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import connection as database
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections import notifications, permissions, workflow
from connections.models import (
    Connection,
    ConnectionRequest,
    Notice,
    NoticeKind,
    SetupTestsState,
    Trust,
    TrustState,
    store_run,
)
from connections.spec import trust_candidates
from connections.worker import connection_status, setup_tests
from tests import factories
from tests.bench import rows
from tests.views.test_request_page import page_of, visible_text
from tests.views.test_trust import CERTIFICATE, KEY, created, failed

pytestmark = pytest.mark.django_db
Cast = dict[str, Any]
Login = Callable[..., Client]


def waiting(conn_request: ConnectionRequest) -> int:
    found = Connection.objects.get(request=conn_request)
    assert (found.trust_since is not None) is (found.trust_waiting > 0)
    return found.trust_waiting


def told(conn_request: ConnectionRequest) -> set[str]:
    notices = Notice.objects.filter(request=conn_request, kind=NoticeKind.TRUST_NEEDED)
    return set(notices.values_list("recipient__username", flat=True))


def approve(conn_request: ConnectionRequest, details: dict[str, Any]) -> Trust:
    [one] = trust_candidates.candidates(details)
    by = factories.person("approver")
    workflow.approve_trust(by=by, conn_request=conn_request, kind=one.kind, hash=one.hash, shown=one.digest)
    return Trust.objects.latest("id")


def test_those_who_may_approve_are_told_once_and_the_mail_leads_there(cast: Cast) -> None:
    conn_request = created(cast, CERTIFICATE)
    assert told(conn_request) >= {"approver", "operator", "admin"}
    assert not told(conn_request) & {"requester", "requester2", "auditor"}
    number = Notice.objects.filter(kind=NoticeKind.TRUST_NEEDED).count()
    for details in (CERTIFICATE, [CERTIFICATE, CERTIFICATE]):
        setup_tests.store(conn_request, conn_request.connection, {"setup_tests": failed(details)})
        assert Notice.objects.filter(kind=NoticeKind.TRUST_NEEDED).count() == number
    setup_tests.store(conn_request, conn_request.connection, {"setup_tests": failed([CERTIFICATE, KEY])})
    assert Notice.objects.filter(kind=NoticeKind.TRUST_NEEDED).count() == 2 * number
    Notice.objects.exclude(kind=NoticeKind.TRUST_NEEDED).delete()
    assert notifications.send_due() == number  # what waits at one connection is one mail
    message = mail.outbox[0]
    assert message.subject == f"[Connections] Something to trust waits for approval: request #{conn_request.pk}"
    assert f"http://localhost/requests/{conn_request.pk}/#trust" in message.body.split()
    assert CERTIFICATE["hash"] not in message.body


def test_who_asked_for_the_connection_is_not_told_even_with_the_right(cast: Cast) -> None:
    assert "approver" not in told(created(cast, KEY, by="approver"))


@pytest.mark.parametrize("details", [None, {}, "text", {"hash": "x"}])
def test_a_run_that_names_nothing_tells_nobody(cast: Cast, details: Any) -> None:
    conn_request = created(cast, details)
    assert (waiting(conn_request), told(conn_request)) == (0, set())


def test_the_number_follows_the_newest_run_and_what_became_of_approvals(cast: Cast) -> None:
    conn_request = created(cast, [CERTIFICATE, KEY])
    assert waiting(conn_request) == 2
    since = Connection.objects.get(request=conn_request).trust_since
    given = approve(conn_request, CERTIFICATE)
    assert waiting(conn_request) == 1
    assert Connection.objects.get(request=conn_request).trust_since == since
    Trust.objects.filter(pk=given.pk).update(state=TrustState.SENT, ended_at=Now())
    store_run(conn_request.connection, {"setup_tests": failed([CERTIFICATE, KEY])})
    assert waiting(conn_request) == 2  # Fivetran knew it before this run, and asks for it all the same
    store_run(conn_request.connection, {"setup_tests": failed(KEY)})
    assert waiting(conn_request) == 1
    Trust.objects.filter(pk=given.pk).update(state=TrustState.REFUSED)
    store_run(conn_request.connection, {"setup_tests": failed(CERTIFICATE)})
    assert waiting(conn_request) == 1
    Connection.objects.filter(request=conn_request).update(tests=SetupTestsState.RUNNING)
    store_run(conn_request.connection, {"setup_tests": failed(CERTIFICATE, status="PASSED")})
    assert waiting(conn_request) == 0


def test_nothing_waits_for_a_connection_that_is_gone(as_user: Login, cast: Cast) -> None:
    conn_request = created(cast, CERTIFICATE)
    connection_status.mark_deleted(conn_request)
    assert waiting(conn_request) == 0
    assert "data-trust-of" not in as_user("approver").get("/").content.decode()


@pytest.mark.parametrize("path", ["/", "/approvals/"])
def test_the_lists_of_who_may_approve_lead_to_it(as_user: Login, cast: Cast, path: str) -> None:
    conn_request = created(cast, [CERTIFICATE, KEY])
    for name in ("approver", "admin"):
        page = as_user(name).get(path).content.decode()
        assert f'data-trust-of="{conn_request.pk}"' in page
        assert f'href="/requests/{conn_request.pk}/#trust"' in page
        assert "Nothing waits for you" not in page
    approve(conn_request, CERTIFICATE)
    approve(conn_request, KEY)
    page = as_user("approver").get(path).content.decode()
    assert "data-trust-of" not in page
    assert "Nothing waits for you" in page


@pytest.mark.parametrize(("name", "sees"), [("operator", True), ("requester", False), ("auditor", False)])
def test_others_find_it_on_their_first_page_only_with_the_right(
    as_user: Login, cast: Cast, name: str, sees: bool
) -> None:
    conn_request = created(cast, CERTIFICATE)
    assert (f'data-trust-of="{conn_request.pk}"' in as_user(name).get("/").content.decode()) is sees
    assert permissions.trust_waiting_for(cast[name]).exists() is sees


def test_ones_own_is_not_among_them(as_user: Login, cast: Cast) -> None:
    created(cast, CERTIFICATE, by="approver")
    assert "data-trust-of" not in as_user("approver").get("/approvals/").content.decode()


def test_it_is_an_approvers_turn_and_not_the_source_owners(as_user: Login, cast: Cast) -> None:
    conn_request = created(cast, CERTIFICATE)
    text = visible_text(page_of(as_user("requester"), conn_request))
    assert "Turn: an approver" in text
    assert "see “To be trusted”" in text
    assert "Turn: yours" in visible_text(page_of(as_user("approver"), conn_request))
    listed = as_user("requester").get("/requests/").content.decode()
    assert re.search(r">\s*approver\s*<", listed)
    approve(conn_request, CERTIFICATE)
    assert "Turn: the portal" in visible_text(page_of(as_user("requester"), conn_request))
    for url in ("/requests/", "/admin/connections/connectionrequest/"):
        assert re.search(r">\s*portal\s*<", as_user("admin").get(url).content.decode()), url


def test_a_warning_on_a_connected_connection_is_an_approvers_turn_too(as_user: Login, cast: Cast) -> None:
    conn_request = created(cast, None)
    run = {"setup_tests": failed(KEY, status="WARNING"), "status": {"setup_state": "connected"}}
    connection_status.record_status(conn_request.connection, run)
    setup_tests.store(conn_request, conn_request.connection, run)
    page, listed = page_of(as_user("requester"), conn_request), as_user("requester").get("/requests/").content.decode()
    assert 'data-setup-state="connected"' in page and "data-trust=" in page
    assert re.search(r'data-label="Whose turn">approver<', listed)
    assert "Turn: an approver" in visible_text(page)
    assert "see “To be trusted”" in visible_text(page)
    assert "Turn: yours" in visible_text(page_of(as_user("approver"), conn_request))
    approve(conn_request, KEY)
    page, listed = page_of(as_user("requester"), conn_request), as_user("requester").get("/requests/").content.decode()
    assert re.search(r'data-label="Whose turn">nobody<', listed)
    assert "Turn: nobody" in visible_text(page)


def test_a_list_costs_one_query_and_reads_only_what_waits(cast: Cast) -> None:
    rows.seed(600)
    conn_request = created(cast, CERTIFICATE)
    permissions.sight_of(cast["admin"])  # read once, for all lists
    with CaptureQueriesContext(database) as captured:
        assert [one.request_id for one in permissions.trust_waiting_for(cast["admin"])] == [conn_request.pk]
    [query] = captured.captured_queries
    with database.cursor() as cursor:
        explain = "EXPLAIN QUERY PLAN" if database.vendor == "sqlite" else "EXPLAIN"
        cursor.execute(f"{explain} {query['sql']}")
        plan = " ".join(str(line) for line in cursor.fetchall())
    assert "trust_waiting_for_people" in plan, plan
