"""The history as CSV and JSON: the filtered set, in chunks, without formulas."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections.models import ConnectionRequest
from connections.states import Status
from connections.views.history import export
from tests import factories
from tests.views.conftest import BULK

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def body_of(response: Any) -> str:
    return b"".join(response.streaming_content).decode("utf-8-sig")


def test_the_csv_export_holds_the_filtered_set(as_user: Callable[..., Client], ample: list[ConnectionRequest]) -> None:
    rows = list(csv.DictReader(io.StringIO(body_of(as_user("auditor").get("/requests/export.csv")))))
    assert [int(row["id"]) for row in rows] == list(
        ConnectionRequest.objects.order_by("-id").values_list("id", flat=True)
    )
    assert rows[-1]["requester"] == "requester"
    some = list(csv.DictReader(io.StringIO(body_of(as_user("auditor").get("/requests/export.csv", {"q": "mass_00"})))))
    assert len(some) == 10
    assert body_of(as_user("requester2").get("/requests/export.csv")).count("\n") == 1


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =HYPERLINK(1)"])
def test_no_cell_of_the_csv_is_a_formula(as_user: Callable[..., Client], cast: dict[str, Any], text: str) -> None:
    conn_request = factories.draft(cast["requester"])
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(reason=text)
    (found,) = csv.DictReader(io.StringIO(body_of(as_user("requester").get("/requests/export.csv"))))
    assert found["reason"] == f"'{text}"


def test_the_json_export_is_one_array_with_bodies(
    as_user: Callable[..., Client], ample: list[ConnectionRequest]
) -> None:
    response = as_user("requester").get("/requests/export.json")
    assert response["Content-Disposition"].startswith("attachment")
    rows = json.loads(body_of(response))
    assert [conn_request["id"] for conn_request in rows] == [conn_request.pk for conn_request in reversed(ample)]
    assert rows[-1]["payload"]["service"] == "google_sheets"
    assert json.loads(body_of(as_user("requester2").get("/requests/export.json"))) == []


def test_an_export_says_since_when_a_connection_is_gone(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    kept, gone = (factories.request_in(Status.CREATED, cast["requester"], cast["approver"]) for _ in range(2))
    ConnectionRequest.objects.filter(pk=gone.pk).update(deleted_at_fivetran_at="2026-03-10T23:30:00Z")
    reader = as_user("requester")
    table = csv.reader(io.StringIO(body_of(reader.get("/requests/export.csv"))))
    headings, *rows = list(table)
    assert headings[-3:] == ["failure_message", "gone_at", "whose_turn"]
    assert [(row[0], row[-2]) for row in rows] == [
        (str(gone.pk), "2026-03-10T23:30:00+00:00"),
        (str(kept.pk), ""),
    ]
    found = json.loads(body_of(reader.get("/requests/export.json")))
    assert [row["gone_at"] for row in found] == ["2026-03-10T23:30:00+00:00", None]


def test_an_export_reads_in_chunks(as_user: Callable[..., Client], ample: list[ConnectionRequest]) -> None:
    response = as_user("auditor").get("/requests/export.csv")
    lines = iter(response.streaming_content)  # type: ignore[attr-defined]
    with CaptureQueriesContext(connection) as captured:
        next(lines)  # the headings
        assert len(captured) == 0
        next(lines)
        assert len(captured) == 1
        list(lines)
    assert len(captured) == -(-(BULK + len(ample)) // export.CHUNK) + 1
    assert all(f"LIMIT {export.CHUNK}" in query["sql"] for query in captured.captured_queries)
