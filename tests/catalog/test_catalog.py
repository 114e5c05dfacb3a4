"""What Fivetran offers: fetched within the budget, kept when Fivetran fails, filtered by the policy, served once."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from connections import catalog
from connections.models import (
    CatalogEntry,
    CatalogRefresh,
    ConnectionRequest,
    Kind,
    PortalPolicy,
    ServiceRule,
    Stance,
)
from tests import catalogs, processes
from tests.processes import quickest, seconds
from tests.sandbox_client import Fivetran

pytestmark = pytest.mark.django_db

NEW, SERVICES, OVERVIEW, REFRESH = "/requests/new/", "/requests/new/services.json", "/catalog/", "/catalog/refresh/"
BUDGET = 20  # calls a refresh
WHOLE = processes.ROOT.parent / "shared" / "fivetran" / "services.json.gz"
COMPLETE = {
    "service": "google_sheets",
    "group_id": "projected_sickle",
    "config__schema": "sales",
    "config__table": "orders",
    "reason": "Weekly report",
}


def calls(stand_in: Fivetran) -> list[str]:
    """The paths that Fivetran was asked for, in order."""
    return [entry["path"] for entry in stand_in.call("journal") if entry["path"].startswith("/v1/")]


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


def ids(options: Any) -> list[str]:
    return [option.id for option in options]


# --- the budget ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["made up", "whole"])
def large(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Iterator[Fivetran]:
    """A Fivetran with some 800 services, made up or those that exist, and 150 destinations."""
    file = WHOLE
    if request.param == "made up":
        file = tmp_path / "services.json"
        spec = {"schema_format": "schema", "config": {"host": {"type": "string"}}, "auth": None}
        file.write_text(json.dumps({"services": {f"service_{n:03}": spec for n in range(800)}}))
    elif not file.exists():
        pytest.skip("the list of Fivetran's services is not here")
    with processes.sandbox(catalog=file) as sandbox:
        settings.FIVETRAN_BASE_URL = sandbox.url
        stand_in = Fivetran(sandbox.url)
        groups = [{"id": f"group_{n}", "name": f"Warehouse {n}"} for n in range(150)]
        lists = {
            "/v1/groups": groups,
            "/v1/destinations": [{**group, "service": "snowflake", "setup_status": "CONNECTED"} for group in groups],
        }
        for path, items in lists.items():
            body = {"code": "Success", "data": {"items": items}}
            stand_in.next({"method": "GET", "path": path, "status": 200, "body": body})
        yield stand_in


def test_a_refresh_of_all_services_stays_within_the_budget(large: Fivetran) -> None:
    ServiceRule.objects.create(service="mysql")
    assert not any(catalog.refresh_all().values())
    asked = calls(large)
    assert len(asked) <= BUDGET, asked
    assert len(catalog.services()) > 750 and len(catalog.destinations()) == 150
    assert "/v1/metadata/connector-types/mysql" in asked, "what the company recommends is fetched ahead"
    details = [path for path in asked if path.startswith("/v1/metadata/connector-types/")]
    assert len(details) == 1
    before = len(asked)
    catalog.refresh_all()
    assert len(calls(large)) - before <= BUDGET


def test_details_come_on_demand_once_and_again_after_a_week(large: Fivetran) -> None:
    catalog.refresh_all()
    service = "/v1/metadata/connector-types/postgres"
    for _ in range(3):
        assert catalog.naming_keys("postgres") == ("schema_prefix",)
    assert calls(large).count(service) == 1
    old = timezone.now() - timedelta(days=8)
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id="postgres")
    entry.update(detail_at=old, detail_tried_at=old)
    assert catalog.naming_keys("postgres") == ("schema_prefix",)
    assert calls(large).count(service) == 2
    assert entry.filter(detail_at__gt=old).exists()


@pytest.fixture
def small(sandbox: processes.Sandbox) -> Fivetran:
    """The sandbox as it is: few services."""
    return Fivetran(sandbox.url)


def test_a_small_catalog_comes_with_its_details(small: Fivetran) -> None:
    catalog.refresh_all()
    services = CatalogEntry.objects.filter(kind=Kind.SERVICE)
    assert services.count() >= 25 and not services.filter(detail__isnull=True).exists()
    before = len(calls(small))
    catalog.refresh_all()
    assert not [path for path in calls(small)[before:] if path.startswith("/v1/metadata/connector-types/")]


# --- Fivetran fails --------------------------------------------------------------------------------------------------

TYPES = "/v1/metadata/connector-types"
NONSENSE = [
    ({"status": 500, "body": "<html>"}, 3, "gave no usable answer"),
    ({"status": 200, "body": "no JSON"}, 3, "gave no usable answer"),
    ({"status": 200, "body": {"code": "Success", "data": {"items": "all"}}}, 3, "gave no usable answer"),
    ({"status": 200, "body": {"code": "Success", "data": {"items": []}}}, 1, "gave no usable answer"),
    ({"status": 200, "body": {"code": "Success", "data": {"items": [{"id": 7}, {}]}}}, 1, "gave no usable answer"),
    (
        {"status": 429, "headers": {"Retry-After": "60"}, "body": {"code": "TooMany", "message": "x"}},
        1,
        "asks the port",
    ),
    ({"status": 401, "body": {"code": "AuthFailed", "message": "x"}}, 1, "does not accept the portal’s key"),
    ({"status": 403, "body": {"code": "Forbidden", "message": "x"}}, 1, "refuses the list"),
    ({"delivery": "silent"}, 3, "gave no usable answer"),
    ({"delivery": "cut", "status": 200}, 3, "gave no usable answer"),
]


@pytest.mark.parametrize(("answer", "times", "words"), NONSENSE, ids=[str(row[0])[:60] for row in NONSENSE])
def test_the_last_good_copy_stays_and_says_its_age(
    small: Fivetran, as_user: Any, answer: dict[str, Any], times: int, words: str
) -> None:
    catalog.refresh_all()
    offered = ids(catalog.services())
    fetched = timezone.now() - timedelta(hours=3)
    CatalogRefresh.objects.update(fetched_at=fetched)
    small.settings(hold_seconds=0.3)
    small.next({"method": "GET", "path": TYPES, "times": times, **answer})
    assert catalog.refresh_all()[Kind.SERVICE]
    assert ids(catalog.services()) == offered
    assert CatalogRefresh.objects.get(kind=Kind.SERVICE).fetched_at == fetched
    client = as_user("requester")
    shown = text(client.get(NEW))
    assert words in shown and "3\xa0hours ago" in shown
    overview = text(client.get(OVERVIEW))
    assert words in overview and "3 hours ago" in overview.replace("\xa0", " ")
    filled = {**COMPLETE, "group_id": catalog.destinations()[0].id}
    assert client.post(NEW, filled).status_code == 302, "the form still works"


def test_a_portal_cut_off_keeps_everything(small: Fivetran, sandbox: processes.Sandbox) -> None:
    catalog.refresh_all()
    offered = ids(catalog.services())
    sandbox.process.kill()
    assert all(catalog.refresh_all().values())
    assert ids(catalog.services()) == offered
    assert "could not be reached" in catalog.freshness(Kind.SERVICE).words


def test_a_slow_fivetran_does_not_hold_the_form(small: Fivetran, as_user: Any) -> None:
    catalog.refresh_all()
    CatalogEntry.objects.filter(fivetran_id="postgres").update(detail=None, detail_at=None, detail_tried_at=None)
    small.settings(hold_seconds=30)
    small.next({"method": "GET", "path": f"{TYPES}/postgres", "times": 3, "delivery": "silent"})
    client = as_user("requester")
    started = time.monotonic()
    assert "has not told the portal" in text(client.get(NEW, {"service": "postgres"}))
    assert time.monotonic() - started < 8
    again = quickest(lambda: seconds(lambda: client.get(NEW, {"service": "postgres"})), 2)
    assert again < 2, "a moment later it is not asked for again"


@pytest.mark.parametrize("config", ["?", None, {"properties": "?"}, {"properties": {}, "required": 5}])
def test_old_details_serve_when_new_ones_fail(small: Fivetran, config: Any) -> None:
    catalog.refresh_all()
    old = timezone.now() - timedelta(days=8)
    CatalogEntry.objects.filter(fivetran_id="postgres").update(detail_at=old, detail_tried_at=old)
    body = {"code": "Success", "data": {"id": "postgres", "config": config}}
    small.next({"method": "GET", "path": f"{TYPES}/postgres", "status": 200, "body": body})
    assert catalog.naming_keys("postgres") == ("schema_prefix",)
    assert CatalogEntry.objects.get(fivetran_id="postgres").detail_at == old


# --- the policy ------------------------------------------------------------------------------------------------------


def rule(service: str, stance: Stance = Stance.RECOMMENDED, **more: Any) -> None:
    ServiceRule.objects.create(service=service, stance=stance, **more)


def test_recommended_services_come_first_in_their_order_and_denied_ones_not_at_all() -> None:
    catalogs.offered()
    rule("salesforce", position=2)
    rule("s3", position=1)
    rule("postgres", Stance.DENIED)
    rule("google_sheets", Stance.ALLOWED)
    assert ids(catalog.services()) == ["s3", "salesforce", "google_sheets", catalogs.UNTOLD]
    assert catalog.services()[0].remark == "recommended, beta"


def test_only_listed_services() -> None:
    catalogs.offered()
    PortalPolicy.objects.create(pk=1, only_listed_services=True)
    rule("s3")
    rule("google_sheets", Stance.ALLOWED)
    rule("postgres", Stance.DENIED)
    assert ids(catalog.services()) == ["s3", "google_sheets"]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("stance", "only_listed", "words"),
    [
        (Stance.DENIED, False, "Your company does not allow this service: use the data lake &lt;b&gt;"),
        (None, True, "Your company offers a list of services here, and this is not on it"),
        (Stance.ALLOWED, True, ""),
        (None, False, ""),
    ],
)
def test_the_server_refuses_with_words(
    as_user: Any, known: bool, stance: Stance | None, only_listed: bool, words: str
) -> None:
    if known:
        catalogs.offered()
    PortalPolicy.objects.create(pk=1, only_listed_services=only_listed)
    if stance:
        rule("google_sheets", stance, note="use the data lake <b>")
    answer = as_user("requester").post(NEW, COMPLETE)
    assert answer.status_code == (200 if words else 302)
    assert ConnectionRequest.objects.exists() is not bool(words)
    if words:
        assert words in text(answer)


def test_a_draft_of_a_service_that_was_denied_since_is_kept_and_cannot_be_submitted(as_user: Any) -> None:
    catalogs.offered()
    client = as_user("requester")
    client.post(NEW, {**COMPLETE, "action": "draft"})
    rule("google_sheets", Stance.DENIED)
    draft = ConnectionRequest.objects.get()
    shown = text(client.get(f"/requests/{draft.pk}/edit/"))
    assert '<option value="google_sheets" selected>google_sheets (not offered)' in shown
    assert "does not allow this service" in text(client.post(f"/requests/{draft.pk}/edit/", COMPLETE))


# --- the picker's list -----------------------------------------------------------------------------------------------


def test_the_list_is_whole_and_in_order(as_user: Any) -> None:
    catalogs.offered()
    rule("salesforce", note="The European one")
    guide = "https://fivetran.com/docs/connectors/applications/salesforce"
    data = {"type": "Sales", "service_status": "sunset", "link_to_docs": guide}
    CatalogEntry.objects.filter(fivetran_id="salesforce").update(data=data)
    found = as_user("requester").get(SERVICES).json()
    assert found["fetched_at"]
    lifecycle = "sunset: being retired"
    assert found["services"][0] == ["salesforce", "Salesforce", "Sales", lifecycle, guide, True, "The European one"]
    assert [row[0] for row in found["services"]] == ids(catalog.services())


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://fivetran.com.evil.example/", "//x", 7, None])
def test_a_guide_leads_to_fivetran_or_nowhere(as_user: Any, address: Any) -> None:
    catalogs.offered()
    CatalogEntry.objects.filter(fivetran_id="salesforce").update(data={"link_to_docs": address, "type": ["x"]})
    [row] = [row for row in as_user("requester").get(SERVICES).json()["services"] if row[0] == "salesforce"]
    assert row[2] == row[4] == ""


def test_the_list_travels_once_until_it_changes(as_user: Any) -> None:
    catalogs.offered()
    client = as_user("requester")
    first = client.get(SERVICES)
    assert first["Cache-Control"] == "private, no-cache"

    def again(tag: str) -> int:
        return int(client.get(SERVICES, headers={"If-None-Match": tag}).status_code)

    assert again(first["ETag"]) == 304
    rule("salesforce")
    second = client.get(SERVICES)
    assert second["ETag"] != first["ETag"] and again(first["ETag"]) == 200
    row = ServiceRule.objects.get()
    row.stance = Stance.DENIED
    row.save()
    third = client.get(SERVICES)["ETag"]
    assert third != second["ETag"]
    row.delete()
    assert client.get(SERVICES)["ETag"] != third
    CatalogRefresh.objects.filter(kind=Kind.SERVICE).update(fetched_at=timezone.now())
    assert again(first["ETag"]) == 200


def test_a_large_list_costs_few_queries(as_user: Any, django_assert_max_num_queries: Any) -> None:
    catalogs.offered()
    client = as_user("requester")
    with django_assert_max_num_queries(12):
        client.get(SERVICES)


def test_the_list_is_for_those_who_logged_in(client: Client) -> None:
    for path in (SERVICES, OVERVIEW):
        assert client.get(path).status_code == 302
    assert client.post(REFRESH).status_code == 302


# --- the button ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "may"), [("requester", False), ("auditor", False), ("approver", True), ("operator", True)]
)
def test_who_may_refresh(as_user: Any, person: str, may: bool) -> None:
    client = as_user(person)
    assert (">Refresh</button>" in text(client.get(OVERVIEW))) is may
    assert client.post(REFRESH).status_code == (302 if may else 403)
    assert client.get(REFRESH).status_code == 405


def test_without_a_broker_the_page_says_so_at_once(as_user: Any) -> None:
    client = as_user("operator")

    def press() -> None:
        assert "The worker cannot be reached just now" in text(client.post(REFRESH, follow=True))

    assert quickest(lambda: seconds(press), 2) < 2
    assert CatalogRefresh.objects.get(kind=Kind.SERVICE).asked_at is None, "so it can be pressed again"


@pytest.mark.django_db(transaction=True)
def test_the_button_has_the_worker_fetch(worker: Any, as_user: Any, portal_environment: dict[str, str]) -> None:
    stand_in, client = Fivetran(portal_environment["FIVETRAN_BASE_URL"]), as_user("operator")
    assert "Fivetran is being asked" in text(client.post(REFRESH, follow=True))
    processes.until(lambda: CatalogRefresh.objects.exclude(fetched_at=None).count() == len(Kind))
    assert len(catalog.services()) >= 25
    asked = calls(stand_in).count("/v1/groups")
    assert "less than a minute ago" in text(client.post(REFRESH, follow=True))
    assert calls(stand_in).count("/v1/groups") == asked
    CatalogRefresh.objects.update(asked_at=Now() + timedelta(days=1))  # the clock was set back
    assert "Fivetran is being asked" in text(client.post(REFRESH, follow=True))
