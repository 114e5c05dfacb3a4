"""A request to take along in five ways: on a page and as files, without a secret, for its readers."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from connections.models import ConnectionRequest
from connections.spec.payloads import MASK
from connections.states import Status
from connections.views.request_page.export import WAYS
from tests import factories

pytestmark = pytest.mark.sql

SECRET = "Tr0ub4dor-and-3"
KINDS = {
    "sh": "text/x-shellscript",
    "py": "text/x-python",
    "json": "application/json",
    "tf": "text/plain",
    "conductor": "application/json",
}
As = Callable[..., Client]


@pytest.fixture
def conn_request(cast: dict[str, Any]) -> ConnectionRequest:
    return factories.request_in(Status.CREATED, cast["requester"], cast["approver"], config__schema="sales_eu")


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_a_file(as_user: As, conn_request: ConnectionRequest, kind: str) -> None:
    for username in ("requester", "approver", "operator", "auditor"):
        answer = as_user(username).get(f"/requests/{conn_request.pk}/connection.{kind}")
        assert answer.status_code == 200
        assert answer["Content-Type"] == f"{KINDS[kind]}; charset=utf-8"
        assert answer["Content-Disposition"] == f'attachment; filename="connection-{conn_request.pk}.{kind}"'
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sales_eu" in answer.content.decode()
    if kind == "json":
        assert answer.json() == conn_request.payload
    if kind == "conductor":
        [task] = answer.json()["tasks"]
        assert task["inputParameters"]["http_request"]["body"] == conn_request.payload
        assert answer.json()["ownerEmail"] == "auditor@example.com", "whoever takes it along"
    if kind == "tf":
        assert f'id = "{conn_request.connection_id}"' in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["export/", *(f"connection.{kind}" for kind in KINDS)])
def test_it_exists_for_those_who_may_see_the_request(as_user: As, conn_request: ConnectionRequest, path: str) -> None:
    address = f"/requests/{conn_request.pk}/{path}"
    assert as_user("requester").get(address).status_code == 200
    assert as_user("requester2").get(address).status_code == 404
    assert Client().get(address)["Location"].startswith("/accounts/login/")
    assert as_user("requester").post(address).status_code == 405


@pytest.mark.django_db
def test_there_is_no_other_kind(as_user: As, conn_request: ConnectionRequest) -> None:
    assert as_user("requester").get(f"/requests/{conn_request.pk}/connection.exe").status_code == 404


@pytest.mark.django_db
def test_the_page_shows_the_ways_and_links_the_files(as_user: As, conn_request: ConnectionRequest) -> None:
    client = as_user("requester")
    assert f'href="/requests/{conn_request.pk}/export/"' in client.get(f"/requests/{conn_request.pk}/").content.decode()
    page = client.get(f"/requests/{conn_request.pk}/export/").content.decode()
    assert "The connection exists." in page
    assert all(f'href="/requests/{conn_request.pk}/connection.{kind}"' in page for kind in KINDS)
    assert all(f'data-copy="#export-{kind}"' in page for kind in KINDS)
    assert list(WAYS) == list(KINDS)
    for kind, way in WAYS.items():
        assert (
            f'<a href="#{kind}">{way.name}</a> <span>{way.for_whom}</span>' in page and f'<section id="{kind}"' in page
        )
    assert "$FIVETRAN_API_KEY:$FIVETRAN_API_SECRET" in page
    assert "sandbox-secret" not in page
    assert "Conductor 3.32 or newer, or Orkes" in page


@pytest.mark.django_db
def test_a_draft_can_be_taken_along_so_far(as_user: As, cast: dict[str, Any]) -> None:
    conn_request = factories.draft(cast["requester"], group_id="")
    page = as_user("requester").get(f"/requests/{conn_request.pk}/export/").content.decode()
    assert "This is a draft" in page
    assert "# group_id: not chosen yet" in page


@pytest.mark.django_db
def test_a_connection_that_is_gone_is_not_imported(as_user: As, conn_request: ConnectionRequest) -> None:
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(deleted_at_fivetran_at=conn_request.created_at)
    client = as_user("requester")
    assert "import {" not in client.get(f"/requests/{conn_request.pk}/connection.tf").content.decode()
    assert "no longer at Fivetran" in client.get(f"/requests/{conn_request.pk}/export/").content.decode()


@pytest.mark.django_db
def test_a_secret_is_masked_in_each(as_user: As, conn_request: ConnectionRequest) -> None:
    stored = {**(conn_request.payload or {}), "config": {"schema": "sales_eu", "password": SECRET}}
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(payload=stored)
    client = as_user("requester")
    for path in ("export/", *(f"connection.{kind}" for kind in KINDS)):
        text = client.get(f"/requests/{conn_request.pk}/{path}").content.decode()
        assert SECRET not in text
        assert MASK in text or path.endswith("tf")
