"""Connections made elsewhere: found in the catalog, adopted for an owner, and then requests like any other."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from connections import catalog, notifications, permissions, worker, workflow
from connections.models import CatalogEntry, ChangeKind, ConnectionRequest, IllegalTransition, Kind, open_request
from connections.permissions import Denied
from connections.spec import payloads
from connections.states import Actor, ChangeStatus, Status
from connections.worker import account
from connections.workflow import operations
from tests import factories, processes
from tests.sandbox_client import Fivetran

Login = Callable[..., Client]
Cast = dict[str, Any]


@pytest.fixture
def fivetran(transactional_db: None, cast: Cast, sandbox: processes.Sandbox, settings: Any) -> Fivetran:
    """The sandbox as this process's Fivetran, with the demo's people."""
    account._known.clear()
    settings.PROBE_SECONDS = settings.CREATIONS_PER_MINUTE = 0
    return Fivetran(sandbox.url)


def strange(fivetran: Fivetran, schema: str = "old_sheet.orders", **more: Any) -> dict[str, Any]:
    """A connection that somebody made at Fivetran, known to the catalog."""
    made = fivetran.seed(
        group_id="projected_sickle",
        service="google_sheets",
        schema=schema,
        config={"schema": schema.partition(".")[0], "table": "orders", "sheet_id": "1abc", "password": "******"},
        sync_frequency=60,
        **more,
    )
    catalog.refresh_all()
    return made


def adopt(cast: Cast, connection_id: str, **more: Any) -> ConnectionRequest:
    given = {"by": cast["operator"], "owner": cast["requester"], "reason": "Left by a former colleague", **more}
    return operations.adopt_foreign(connection_id=connection_id, **given)


def test_an_adopted_connection_is_a_created_request_of_its_owner(fivetran: Fivetran, cast: Cast) -> None:
    made = strange(fivetran)
    conn_request = adopt(cast, made["id"])
    assert (conn_request.state, conn_request.requester, conn_request.approved_by) == (
        Status.CREATED,
        cast["requester"],
        cast["operator"],
    )
    assert (conn_request.connection_id, conn_request.schema, conn_request.service_name) == (
        made["id"],
        made["schema"],
        "Google Sheets",
    )
    assert (
        conn_request.connection.made_elsewhere
        and conn_request.connection.adopted
        and conn_request.connection.tests == "none"
    )
    assert conn_request.payload == {
        "service": "google_sheets",
        "group_id": "projected_sickle",
        "config": {"schema": "old_sheet", "table": "orders", "sheet_id": "1abc"},
        **{key: made[key] for key in ("sync_frequency", "schedule_type", "networking_method", "paused")},
        **{key: made[key] for key in ("pause_after_trial", "data_delay_sensitivity", "data_delay_threshold")},
        "destination_schema_names": "FIVETRAN_NAMING",
    }
    assert conn_request.digest == conn_request.approved_digest == payloads.digest(conn_request.payload)
    [event] = conn_request.events.all()
    assert (event.actor, event.by, event.target) == (Actor.OPERATOR, cast["operator"], Status.CREATED)
    assert event.reason == "Left by a former colleague" and event.detail == {"adopted": True}
    assert permissions.visible_to(cast["requester"]).get() == conn_request
    assert ConnectionRequest.objects.filter(search__contains="old_sheet").exists()


def test_the_owner_is_told(fivetran: Fivetran, cast: Cast) -> None:
    conn_request = adopt(cast, strange(fivetran)["id"])
    notifications.send_due()
    [message] = mail.outbox
    assert message.to == [cast["requester"].email]
    assert "adopted" in message.body and f"http://localhost/requests/{conn_request.pk}/" in message.body.split()


def test_no_secret_comes_along(fivetran: Fivetran, cast: Cast) -> None:
    made = strange(fivetran, auth={"client_access": {"client_secret": "canary-4711"}})
    conn_request = adopt(cast, made["id"])
    kept = json.dumps([conn_request.payload, conn_request.values, conn_request.connection.fivetran_status])
    assert "canary" not in kept and "password" not in kept and "******" not in kept


def test_nor_one_that_stands_in_a_row_or_that_only_the_metadata_names(fivetran: Fivetran, cast: Cast) -> None:
    made = strange(fivetran)
    CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id="google_sheets").update(
        detail={"config": {"properties": {"pin": {"type": "string", "format": "password", "title": "PIN"}}}}
    )
    rows = [{"name": "a", "api_key": "canary-1"}]
    config = {
        "schema": "old_sheet",
        "pin": "canary-2",
        "accounts": rows,
        "deep": {"lists": [[{"pvt_key": "canary-3"}]]},
    }
    data = {"group_id": "projected_sickle", "service": "google_sheets", "schema": "old_sheet.orders", "config": config}
    answer = {"code": "Success", "data": data | {"id": made["id"], "auth": {"refresh_token": "canary-4"}}}
    fivetran.next({"path": f"/v1/connections/{made['id']}", "method": "GET", "status": 200, "body": answer})
    conn_request = adopt(cast, made["id"])
    assert conn_request.payload and conn_request.payload["config"] == {"schema": "old_sheet"}
    assert "canary" not in json.dumps([conn_request.payload, conn_request.values, conn_request.search])


def test_an_adopted_connection_can_be_changed_like_any_other(fivetran: Fivetran, cast: Cast) -> None:
    conn_request = adopt(cast, strange(fivetran)["id"])
    change = workflow.ask_for_change(
        by=cast["requester"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Nobody reads it"
    )
    workflow.approve_change(by=cast["approver"], change=change, digest=change.digest)
    worker.run("apply_change", change.pk)
    change.refresh_from_db()
    assert change.state is ChangeStatus.DONE
    assert fivetran.connections()[0]["paused"] is True


@pytest.mark.parametrize("role", ["requester", "approver", "auditor"])
def test_only_operators_adopt(fivetran: Fivetran, cast: Cast, role: str) -> None:
    made = strange(fivetran)
    with pytest.raises(Denied):
        adopt(cast, made["id"], by=cast[role], owner=cast["requester2"])


def test_nobody_adopts_for_themselves(fivetran: Fivetran, cast: Cast) -> None:
    made = strange(fivetran)
    with pytest.raises(operations.NoOwner, match="somebody else"):
        adopt(cast, made["id"], owner=cast["operator"])
    cast["requester2"].is_active = False
    with pytest.raises(operations.NoOwner, match="not active"):
        adopt(cast, made["id"], owner=cast["requester2"])
    with pytest.raises(IllegalTransition, match="reason"):
        adopt(cast, made["id"], reason=" ")
    assert not ConnectionRequest.objects.exists()


def test_what_is_held_already_is_not_adopted_twice(fivetran: Fivetran, cast: Cast) -> None:
    made = strange(fivetran)
    first = adopt(cast, made["id"])
    with pytest.raises(operations.DoesNotFit, match=f"request #{first.pk}"):
        adopt(cast, made["id"])
    assert ConnectionRequest.objects.count() == 1


def test_a_name_that_a_live_request_holds_is_a_clear_error(fivetran: Fivetran, cast: Cast) -> None:
    made = strange(fivetran)
    holder = factories.submitted(cast["requester2"], config__schema="old_sheet", config__table="orders")
    with pytest.raises(operations.DoesNotFit, match=f"#{holder.pk} holds the name old_sheet.orders"):
        adopt(cast, made["id"])


def test_unknown_and_unreachable(fivetran: Fivetran, cast: Cast, settings: Any) -> None:
    with pytest.raises(operations.DoesNotFit, match="knows no connection"):
        adopt(cast, "nobody_there")
    settings.FIVETRAN_BASE_URL = "http://127.0.0.1:9"
    with pytest.raises(operations.Unreachable):
        adopt(cast, "nobody_there")


@pytest.mark.django_db
def test_no_other_begin_is_created() -> None:
    person = factories.person()
    with pytest.raises(IllegalTransition):
        open_request(status=Status.CREATED, requester=person)
    with pytest.raises(IllegalTransition):
        open_request(status=Status.CREATED, requester=person, actor=Actor.OPERATOR)
    with pytest.raises(IllegalTransition):
        open_request(status=Status.DRAFT, requester=person, actor=Actor.OPERATOR, why="x")


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"config": {"host": "x" * 200_000}}, "at a length"),
        ({"schema": "s" * 201}, "its schema"),
        ({"service": ""}, "its service"),
    ],
)
def test_what_the_portal_cannot_keep_is_refused(fivetran: Fivetran, cast: Cast, odd: Any, words: str) -> None:
    made = fivetran.seed(**{"group_id": "g", "service": "mysql", "schema": "s", **odd})
    with pytest.raises(operations.DoesNotFit, match=words):
        adopt(cast, made["id"])


def test_odd_values_of_fivetran_break_no_page(fivetran: Fivetran, as_user: Login, cast: Cast) -> None:
    odd = {"sync_frequency": 77, "schedule_type": "wee\u202ekly<b>", "networking_method": "Carrier pigeon"}
    conn_request = adopt(cast, fivetran.seed(group_id="g", service="unheard_of", schema="s", **odd)["id"])
    owner = as_user("requester")
    assert owner.get(f"/requests/{conn_request.pk}/").status_code == 200
    form = owner.get(f"/requests/{conn_request.pk}/changes/new/?kind=schedule").content.decode()
    assert "77 (not offered)" in form
    daily = {"sync_frequency": "1440", "schedule_type": "auto", "daily_sync_time": "05:00", "reason": "Less load"}
    page = owner.post(
        f"/requests/{conn_request.pk}/changes/new/?kind=schedule", {**daily, "kind": "schedule"}, follow=True
    )
    assert "daily at 05:00 UTC" in page.content.decode() and "<b>" not in page.content.decode()


# --- the pages -------------------------------------------------------------------------------------------------------
def entry(name: str, **data: str) -> CatalogEntry:
    data = {"service": "mysql", "group_id": "projected_sickle", **data}
    return CatalogEntry.objects.create(kind=Kind.CONNECTION, fivetran_id=f"id_{name}", name=name, data=data)


@pytest.mark.django_db
def test_the_list_has_what_nobody_holds_and_is_searched(as_user: Login, cast: Cast) -> None:
    entry("crm")
    entry("fivetran_metadata", service="fivetran_log")
    held = entry("held")
    conn_request = factories.request_in(Status.CREATED, cast["requester"])
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(connection_id=held.fivetran_id)
    reader = as_user("operator")

    def found(query: str = "") -> list[str]:
        page = reader.get(f"/operations/adopt/{query}")
        return [row["name"] for row in page.context["rows"]]

    assert found() == ["crm", "fivetran_metadata"]
    assert found("?without_logs=on") == ["crm"]
    assert found("?q=CRM") == found("?q=id_crm") == found("?q=mysql+sickle") == ["crm"]
    assert found("?q=nothing") == found("?page=2") == []
    assert found("?page=x") == found()
    assert "id_crm/" in reader.get("/operations/adopt/").content.decode()


@pytest.mark.django_db
def test_the_list_is_paged(as_user: Login, django_assert_max_num_queries: Any) -> None:
    CatalogEntry.objects.bulk_create(
        CatalogEntry(kind=Kind.CONNECTION, fivetran_id=f"c{n}", name=f"n{n:03}", data={}) for n in range(120)
    )
    reader = as_user("operator")
    first = reader.get("/operations/adopt/?q=n")
    assert len(first.context["rows"]) == 50 and "q=n&amp;page=2" in first.content.decode()
    last = reader.get("/operations/adopt/?q=n&page=3")
    assert len(last.context["rows"]) == 20 and ">Next<" not in last.content.decode()
    with django_assert_max_num_queries(6):
        reader.get("/operations/adopt/")


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["requester", "approver", "auditor"])
def test_the_pages_are_the_operators(as_user: Login, role: str) -> None:
    entry("crm")
    assert as_user(role).get("/operations/adopt/").status_code == 403
    assert as_user(role).post("/operations/adopt/id_crm/", {"owner": "requester", "reason": "x"}).status_code == 403


def test_adopting_on_the_page(fivetran: Fivetran, as_user: Login, cast: Cast) -> None:
    made = strange(fivetran)
    operator, url = as_user("operator"), f"/operations/adopt/{made['id']}/"
    assert "old_sheet.orders" in operator.get(url).content.decode()
    page = operator.post(url, {"owner": "nobody", "reason": ""}).content.decode()
    assert "somebody with an active account" in page
    assert "Enter the reason, so that the owner knows" in page
    page = operator.post(url, {"owner": "operator", "reason": "x"}).content.decode()
    assert "Name somebody else" in page
    answer = operator.post(url, {"owner": "requester", "reason": "Left behind"})
    conn_request = ConnectionRequest.objects.get()
    assert answer.headers["Location"] == f"/requests/{conn_request.pk}/"
    shown = as_user("requester").get(f"/requests/{conn_request.pk}/").content.decode()
    assert "Adopted: it was made elsewhere" in shown and "as Fivetran showed it" in shown
    assert "setup tests on" not in shown and "an answer was lost" not in shown
    assert operator.get(url).headers["Location"] == f"/requests/{conn_request.pk}/"
    assert operator.get("/operations/adopt/no_such_id/").status_code == 404
