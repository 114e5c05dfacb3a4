"""The connections that exist at Fivetran: what the catalog keeps of them, and how it learns what they read."""

import json
from typing import Any

import pytest
import requests

from connections import catalog, workflow
from connections.catalog import existing_connections
from connections.fivetran import configured
from connections.models import CatalogEntry, CatalogRefresh, ConnectionRequest, Kind
from connections.spec import source_key
from connections.states import Status
from tests import factories

pytestmark = pytest.mark.django_db

HOST = "db.example.com"
KEY = source_key.source_key("postgres", {"host": HOST})


def at_fivetran(schema: str, **config: Any) -> str:
    """Make a connection at the stand-in, as somebody does at Fivetran itself; its id."""
    body = {
        "service": "postgres",
        "group_id": configured.client().list_groups()[0]["id"],
        "run_setup_tests": False,
        "paused": True,
        "config": {"schema_prefix": schema, "host": HOST, "port": 5432, "user": "fivetran", **config},
    }
    return str(configured.client().create_connection(body).data["id"])


def entry(fivetran_id: str) -> CatalogEntry:
    return CatalogEntry.objects.get(kind=Kind.CONNECTION, fivetran_id=fivetran_id)


def test_a_refresh_keeps_names_and_nothing_of_the_configuration(sandbox: Any) -> None:
    made = at_fivetran("crm", password="hunter2-hunter2")  # noqa: S106
    assert catalog.refresh_all()[Kind.CONNECTION] == ""
    stored = entry(made)
    assert set(stored.data) == {"id", "group_id", "service", "schema", "created_at", "setup_state"}
    assert (stored.name, stored.data["setup_state"], stored.source_key) == ("crm", "incomplete", "")
    group = stored.data["group_id"]
    assert existing_connections.named(group, "crm") == catalog.LiveConnection(made, group, "postgres", "crm")
    assert existing_connections.named("another_group", "crm") is None
    assert existing_connections.named(group, "cr") is None
    assert existing_connections.named(group, "") is None


def test_what_is_gone_at_fivetran_leaves_the_list(sandbox: Any) -> None:
    made = at_fivetran("crm")
    catalog.refresh_all()

    answer = requests.delete(f"{sandbox.url}/v1/connections/{made}", auth=("sandbox-key", "sandbox-secret"), timeout=10)
    assert answer.status_code == 200
    catalog.refresh_all()
    assert not CatalogEntry.objects.filter(kind=Kind.CONNECTION).exists()


def test_the_source_of_a_connection_is_learnt_once_and_survives_a_refresh(sandbox: Any) -> None:
    made = at_fivetran("crm", password="hunter2-hunter2")  # noqa: S106
    catalog.refresh_all()
    assert existing_connections.of_sources([KEY], 5) == {}
    assert catalog.learn_sources() == 1
    assert catalog.learn_sources() == 0
    catalog.refresh_all()
    assert [one.id for one in existing_connections.of_sources([KEY], 5)[KEY]] == [made]
    assert existing_connections.of_sources([""], 5) == {}
    whole = json.dumps(list(CatalogEntry.objects.filter(kind=Kind.CONNECTION).values("name", "data", "detail")))
    assert HOST not in whole
    assert "hunter2" not in whole


def test_a_round_of_learning_is_bounded(sandbox: Any) -> None:
    for number in range(3):
        at_fivetran(f"crm_{number}")
    catalog.refresh_all()
    assert [catalog.learn_sources(most=2), catalog.learn_sources(most=2)] == [2, 1]


def test_what_a_request_knows_is_not_asked_for(sandbox: Any) -> None:
    made = at_fivetran("crm")
    catalog.refresh_all()
    conn_request = factories.request_in(
        Status.CREATED, service="postgres", config__schema_prefix="crm", config__host=HOST
    )
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(connection_id=made)
    assert catalog.learn_sources() == 0


def test_fivetran_away_leaves_what_is_known(sandbox: Any) -> None:
    at_fivetran("crm")
    catalog.refresh_all()
    sandbox.process.stop()
    assert catalog.learn_sources() == 0
    catalog.refresh_all()
    assert CatalogEntry.objects.filter(kind=Kind.CONNECTION, name="crm").exists()
    assert CatalogRefresh.objects.get(kind=Kind.ACCOUNT).error


def test_hostile_items_are_cut(sandbox: Any) -> None:
    kept = existing_connections.kept(
        {"id": 7, "schema": "x" * 999, "status": "broken", "config": {"password": "p"}, "group_id": None}
    )
    assert kept == {
        "id": "7",
        "group_id": "",
        "service": "",
        "schema": "x" * 300,
        "created_at": "",
        "setup_state": "",
    }


# --- the request's own column ----------------------------------------------------------------------------------------


def test_a_submission_stores_the_key_of_its_source() -> None:
    conn_request = factories.submitted(service="postgres", config__schema_prefix="crm", config__host="DB.example.com")
    assert conn_request.source_key == KEY
    assert list(ConnectionRequest.objects.of_sources([KEY])) == [conn_request]


def test_a_request_whose_source_is_not_known_shares_it_with_none() -> None:
    assert factories.submitted().source_key == ""
    assert not ConnectionRequest.objects.of_sources([""]).exists()


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (Status.DRAFT, False),
        (Status.WITHDRAWN, False),
        (Status.REJECTED, False),
        (Status.FAILED, False),
        (Status.PENDING, True),
        (Status.ATTENTION, True),
        (Status.CREATED, True),
    ],
)
def test_only_open_requests_and_connections_count(status: Status, counts: bool) -> None:
    factories.request_in(status, service="postgres", config__schema_prefix="crm", config__host=HOST)
    assert ConnectionRequest.objects.of_sources([KEY]).exists() is counts


def test_a_draft_s_source_counts_from_its_submission() -> None:
    by = factories.person()
    factories.person("approver")
    filing = factories.filing(service="postgres", config__schema_prefix="crm", config__host=HOST)
    draft = workflow.save_draft(by=by, filing=filing)
    assert draft.source_key == ""
    assert workflow.submit(by=by, filing=filing, conn_request=draft).source_key == KEY
