"""Access rules on the pages: finance sees and asks for finance's destinations alone, and no way leads to another's."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections import workflow
from connections.models import CatalogEntry, CatalogRefresh, ConnectionRequest, Kind, Preset
from connections.states import Status
from connections.workflow import batches
from tests import factories

pytestmark = pytest.mark.django_db
FINANCE, SALES = "finance_warehouse", "sales_warehouse"
CLOSED = "The access rules do not let you ask for connections into this destination."
Login = Callable[[str], Client]


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """Fiona and Frank are of finance, Sam and Sofia of sales; an auditor, and an operator."""
    now = "2026-11-28T08:00:00Z"
    for place, name in ((FINANCE, "Finance warehouse"), (SALES, "Sales warehouse")):
        CatalogEntry.objects.create(kind=Kind.GROUP, fivetran_id=place, name=name)
        CatalogEntry.objects.create(
            kind=Kind.DESTINATION, fivetran_id=place, name=place, data={"setup_status": "CONNECTED"}
        )
    for kind in (Kind.GROUP, Kind.DESTINATION):
        CatalogRefresh.objects.update_or_create(kind=kind, defaults={"fetched_at": now})
    roles = {"fiona": "requester", "frank": "approver", "sam": "requester", "sofia": "approver"}
    roles |= {"oscar": "operator", "audrey": "auditor"}
    found = {name: factories.person(role, name) for name, role in roles.items()}
    factories.rule(FINANCE, ask=[found["fiona"]], approve=[found["frank"]])
    factories.rule(SALES, ask=[found["sam"]], approve=[found["sofia"]])
    return found


@pytest.fixture
def as_(people: dict[str, User]) -> Login:
    def log_in(name: str) -> Client:
        client = Client()
        client.force_login(people[name])
        return client

    return log_in


@pytest.fixture
def finance(people: dict[str, User]) -> ConnectionRequest:
    """Finance's connection, with a change that waits, in a batch of one."""
    filing = factories.filing(group_id=FINANCE)
    batch = batches.file_batch(by=people["fiona"], filings=[filing], token=uuid.uuid4())
    return batch.rows.get().request


# --- asking ----------------------------------------------------------------------------------------------------------
def test_the_form_offers_what_one_may_ask_for(as_: Login) -> None:
    page = as_("fiona").get("/requests/new/").content.decode()
    assert "Finance warehouse" in page and SALES not in page and "Sales warehouse" not in page
    page = as_("sam").get("/requests/new/").content.decode()
    assert "Sales warehouse" in page and FINANCE not in page


def test_who_may_ask_for_nothing_reads_whom_to_ask(as_: Login) -> None:
    page = as_("oscar").get("/requests/new/").content.decode()
    assert "The access rules open no destination to you" in page


def test_a_link_to_another_destination_keeps_what_it_says_and_tells_why_not(as_: Login) -> None:
    page = as_("sam").get(f"/requests/new/?service=google_sheets&group_id={FINANCE}&reason=Budget").content.decode()
    assert (
        CLOSED in page and f"{FINANCE} (not offered)" in page and "Budget" in page and "Finance warehouse" not in page
    )
    assert f'value="{FINANCE}" selected' in page and 'id="id_group_id_error"' in page


def test_a_copy_and_an_edit_into_another_destination_tell_why_not(as_: Login, people: dict[str, User]) -> None:
    conn_request = workflow.submit(by=people["fiona"], filing=factories.filing(group_id=FINANCE))
    people["fiona"].groups.clear()
    for what in ("clone", "edit"):
        page = as_("fiona").get(f"/requests/{conn_request.pk}/{what}/").content.decode()
        assert CLOSED in page and f"{FINANCE} (not offered)" in page, what


def posted(client: Client, **changes: Any) -> str:
    data = {path.replace(".", "__"): value for path, value in factories.values(**changes).items()}
    return client.post("/requests/new/", {**data, "action": "submit", "form_token": str(uuid.uuid4())}).content.decode()


def test_a_submission_into_another_destination_is_refused_on_the_field(as_: Login) -> None:
    page = posted(as_("sam"), group_id=FINANCE, reason="Budget")
    assert CLOSED in page and "Budget" in page and not ConnectionRequest.objects.exists()


def test_a_table_tells_on_the_cell_why_not(as_: Login) -> None:
    rows = [f"{place}\tgoogle_sheets\tname_{number}\torders\tBudget" for number, place in enumerate((SALES, FINANCE))]
    table = "\n".join(["group_id\tservice\tconfig__schema\tconfig__table\treason", *rows])
    page = as_("sam").post("/requests/batch/", {"table": table, "action": "check"}).content.decode()
    assert page.count(CLOSED) >= 1 and f'value="{FINANCE}"' in page and "cell_2_group_id" in page
    assert "cell_1_group_id" not in page


def test_presets_that_are_fixed_to_another_destination_are_not_offered(as_: Login, people: dict[str, User]) -> None:
    place = {"service": "google_sheets", "group_id": FINANCE, "fixed": ["service", "group_id"]}
    fixed = Preset.objects.create(name="For finance", values={"config.table": "ledger"}, **place)
    assert "For finance" in as_("fiona").get("/").content.decode()
    assert "For finance" not in as_("sam").get("/").content.decode()
    page = as_("sam").get(f"/requests/new/?preset={fixed.pk}").content.decode()
    assert "no longer offered" in page and "ledger" not in page
    drawn = as_("sam").post("/requests/new/config/", {"preset": fixed.pk, "service": "google_sheets"}).content.decode()
    assert "ledger" not in drawn and FINANCE not in drawn


def test_a_name_that_is_taken_elsewhere_is_not_told(as_: Login, finance: ConnectionRequest) -> None:
    schema, table = finance.schema.split(".")
    data = {"service": "google_sheets", "config__schema": schema, "config__table": table, "group_id": FINANCE}
    told = as_("fiona").post("/requests/new/review/", data).content.decode()
    assert "is taken in this destination" in told
    page = as_("sam").post("/requests/new/review/", data).content.decode()
    assert "taken" not in page and "is free" not in page


# --- seeing and deciding ---------------------------------------------------------------------------------------------
def test_an_approver_of_another_destination_neither_sees_nor_decides(as_: Login, finance: ConnectionRequest) -> None:
    assert f'data-request-id="{finance.pk}"' in as_("frank").get("/requests/").content.decode()
    assert as_("frank").get(f"/requests/{finance.pk}/").status_code == 200
    sofia = as_("sofia")
    for path in ("/", "/requests/", "/approvals/", "/requests/?q=sheet"):
        page = sofia.get(path).content.decode()
        assert f"/requests/{finance.pk}/" not in page and finance.schema not in page, path
    digest = {"digest": finance.digest, "decision_reason": "x"}
    for verb in ("approve", "reject", "request-changes"):
        assert sofia.post(f"/requests/{finance.pk}/{verb}/", digest).status_code == 404
    finance.refresh_from_db()
    assert finance.state is Status.PENDING


ROUTES = [
    ("get", "/requests/{pk}/"),
    ("get", "/requests/{pk}/status/"),
    ("get", "/requests/{pk}/clone/"),
    ("get", "/requests/{pk}/edit/"),
    ("get", "/requests/{pk}/export/"),
    ("get", "/requests/{pk}/connection.json"),
    ("get", "/requests/{pk}/connection.tf"),
    ("get", "/reference/create-connection/?request={pk}"),
    ("get", "/requests/{pk}/changes/new/?kind=pause"),
    ("get", "/batches/{batch}/"),
    ("get", "/changes/{change}/"),
    ("post", "/requests/{pk}/withdraw/"),
    ("post", "/requests/{pk}/run-tests/"),
    ("post", "/requests/{pk}/test-request/"),
    ("post", "/requests/{pk}/trust/"),
    ("post", "/requests/{pk}/handover/begin/"),
    ("post", "/changes/{change}/approve/"),
    ("post", "/changes/{change}/reject/"),
    ("post", "/batches/{batch}/decide/"),
]


@pytest.mark.parametrize("name", ["sofia", "sam"])
def test_no_route_leads_to_another_destination(as_: Login, people: dict[str, User], name: str) -> None:
    batch = batches.file_batch(by=people["fiona"], filings=[factories.filing(group_id=FINANCE)], token=uuid.uuid4())
    of_batch = batch.rows.get().request.pk
    made = factories.request_in(Status.CREATED, people["fiona"], people["frank"], group_id=FINANCE)
    change = workflow.ask_for_change(by=people["fiona"], conn_request=made, kind="pause", reason="x")  # type: ignore[arg-type]
    reader = as_(name)
    for pk in (of_batch, made.pk):
        for method, route in ROUTES:
            path = route.format(pk=pk, batch=batch.pk, change=change.pk)
            assert getattr(reader, method)(path).status_code == 404, path


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_an_export_holds_ones_own_destinations_alone(as_: Login, finance: ConnectionRequest, kind: str) -> None:
    found = {
        name: as_(name).get(f"/requests/export.{kind}").getvalue().decode() for name in ("frank", "sofia", "audrey")
    }
    assert finance.schema in found["frank"] and finance.schema in found["audrey"]
    assert finance.schema not in found["sofia"] and FINANCE not in found["sofia"]


def test_the_filters_name_ones_own_destinations_and_people_alone(as_: Login, finance: ConnectionRequest) -> None:
    page = as_("frank").get("/requests/").content.decode()
    assert "Finance warehouse" in page and "fiona" in page
    page = as_("sofia").get("/requests/").content.decode()
    assert "Finance warehouse" not in page and "fiona" not in page


def test_the_admin_shows_ones_own_destinations_alone(as_: Login, finance: ConnectionRequest) -> None:
    for model in ("connectionrequest", "event", "notice"):
        listed = {name: as_(name).get(f"/admin/connections/{model}/") for name in ("frank", "sofia")}
        assert listed["frank"].context["cl"].queryset.exists(), model
        assert not listed["sofia"].context["cl"].queryset.exists(), model
    detail = f"/admin/connections/connectionrequest/{finance.pk}/change/"
    assert as_("frank").get(detail).status_code == 200
    assert as_("sofia").get(detail).status_code == 302  # to the admin's front page, as for what does not exist
    for closed in ("catalogentry", "circuitbreaker"):
        assert as_("sofia").get(f"/admin/connections/{closed}/").status_code == 403


def test_evidence_of_the_same_source_tells_what_one_may_see(as_: Login, people: dict[str, User]) -> None:
    first = workflow.submit(by=people["fiona"], filing=factories.filing(group_id=FINANCE))
    ConnectionRequest.objects.filter(pk=first.pk).update(source_key="same")
    second = workflow.submit(by=people["sam"], filing=factories.filing(group_id=SALES))
    ConnectionRequest.objects.filter(pk=second.pk).update(source_key="same")
    page = as_("sofia").get(f"/requests/{second.pk}/").content.decode()
    assert "A connection or request of somebody else" in page
    assert "fiona" not in page and FINANCE not in page and "Finance" not in page
    everything = as_("oscar").get(f"/requests/{second.pk}/").content.decode()
    assert f"/requests/{first.pk}/" not in everything or "fiona" in everything


# --- when nobody is left ---------------------------------------------------------------------------------------------
def test_the_pages_say_who_can_mend_that_nobody_may_decide(
    as_: Login, people: dict[str, User], finance: ConnectionRequest
) -> None:
    for name in ("fiona", "oscar", "audrey"):
        assert "Nobody can decide" not in as_(name).get(f"/requests/{finance.pk}/").content.decode()
    assert "Nobody can decide" not in as_("oscar").get("/operations/").content.decode()
    people["frank"].groups.remove(*people["frank"].groups.exclude(name="Approvers"))  # by the company's directory
    for name in ("fiona", "oscar", "audrey"):
        page = as_(name).get(f"/requests/{finance.pk}/").content.decode()
        assert "Nobody can decide on this request at the moment" in page and "An administrator can" in page, name
    page = as_("oscar").get("/operations/").content.decode()
    assert "Nobody can decide" in page and f"/requests/{finance.pk}/" in page
