"""Several at once, page by page: a table checked, corrected and submitted, the batch's page, and its decision."""

import html
import re
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections import notifications, workflow
from connections.forms import batch as tables
from connections.forms.batch import read_table
from connections.models import Batch, CatalogEntry, ConnectionRequest, Kind, Notice
from connections.spec.fields import FIELDS, NAMING
from connections.states import Status
from tests import catalogs, factories
from tests.forms.test_batch import filed, line, requests_of, text

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
NEW = "/requests/batch/"


# --- the page for a table --------------------------------------------------------------------------------------------
@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, where the catalog is known."""
    catalogs.offered()
    return as_user("requester")


def page(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    return str(response.content.decode())


def hidden(shown: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', shown)
    return html.unescape(found[1]) if found else ""


def typed(shown: str) -> str:
    """What stands in the text of the page."""
    found = re.search(r'<textarea[^>]*id="id_table"[^>]*>\n(.*?)</textarea>', shown, re.S)
    assert found
    return html.unescape(found[1])


def checked(client: Client, given: str, **more: Any) -> tuple[str, dict[str, str]]:
    """The page after a check, and what its form would post."""
    shown = page(client.post(NEW, {"table": given, "action": "check", "form_token": str(uuid.uuid4()), **more}))
    return shown, {"table": typed(shown), **{name: hidden(shown, name) for name in ("form_token", "checked")}}


def test_a_table_is_checked_and_then_submitted(client: Client) -> None:
    shown, form = checked(client, text(line(1), line(2)))
    assert "Submit for approval" in shown and not ConnectionRequest.objects.exists()
    response = client.post(NEW, {**form, "action": "submit"})
    batch = Batch.objects.get()
    assert response["Location"] == f"/batches/{batch.pk}/"
    assert [r.schema for r in requests_of(batch)] == ["sheet_1.orders", "sheet_2.orders"]
    assert [r.service_name for r in requests_of(batch)] == ["Google Sheets"] * 2
    again = client.post(NEW, {**form, "action": "submit"})
    assert Batch.objects.count() == 1 and again.status_code in (200, 302)


def test_the_name_of_a_connection_at_fivetran_is_said_and_not_refused(client: Client) -> None:
    for group, name in (("decent_dropsy", "sheet_1.orders"), ("projected_sickle", "sheet_2.orders")):
        CatalogEntry.objects.create(kind=Kind.CONNECTION, fivetran_id=name, name=name, data={"group_id": group})
    shown, form = checked(client, text(line(1), line(2)))
    assert "Row 2: when Fivetran was last asked, a connection had this name" in shown
    assert client.post(NEW, {**form, "action": "submit"}).status_code == 302


def test_a_wrong_row_stops_all_and_nothing_is_lost(client: Client) -> None:
    given = text(line(1), line(2, sync_frequency="7"), line(3, reason="=1+1"))
    shown, form = checked(client, given)
    assert form["table"] == given
    assert 'name="cell_2_sync_frequency"' in shown and "Choose one of" in shown
    assert re.search(r'href="#id_cell_2_sync_frequency">Row 2, sync_frequency: Choose one of', shown)
    heads = re.findall(r'<th scope="col">([^<]+)</th>', shown.partition('class="table list sheet"')[2])
    assert heads[:2] == ["Row", "sync_frequency"]  # what is wrong stands first
    assert "Submit for approval" not in shown and "<title>Error: " in shown
    page(client.post(NEW, {**form, "action": "submit"}))
    assert not ConnectionRequest.objects.exists()


def test_a_cell_is_corrected_in_place(client: Client) -> None:
    _, form = checked(client, text(line(1), line(2, sync_frequency="7")))
    shown = page(client.post(NEW, {**form, "cell_2_sync_frequency": "60", "action": "check"}))
    assert "Submit for approval" in shown
    form = {"table": typed(shown), "form_token": form["form_token"], "checked": hidden(shown, "checked")}
    assert client.post(NEW, {**form, "action": "submit"}).status_code == 302
    assert [r.values["sync_frequency"] for r in requests_of(Batch.objects.get())] == [360, 60]


def test_a_missing_column_can_be_filled_in_place(client: Client) -> None:
    rows = [{name: value for name, value in line(n).items() if name != "reason"} for n in (1, 2)]
    shown, form = checked(client, text(*rows))
    assert 'name="cell_1_reason"' in shown and 'name="cell_2_reason"' in shown
    shown = page(client.post(NEW, {**form, "cell_1_reason": "One", "cell_2_reason": "Two", "action": "check"}))
    assert "Submit for approval" in shown and "Two" in typed(shown)


def test_a_setting_that_the_service_needs_can_be_filled_in_place(client: Client) -> None:
    catalogs.tell("salesforce", {"host": {"type": "string"}}, required=["host"])
    row = {"service": "salesforce", "group_id": "projected_sickle", "config__schema": "crm", "reason": "Sales"}
    shown, form = checked(client, text(row))
    assert 'name="cell_1_config__host"' in shown and "Enter the host" in shown
    cells = {"cell_1_config__host": "db.example.com", "cell_1_config__password": "canary-8472", "cell_1_colour": "red"}
    shown = page(client.post(NEW, {**form, **cells, "action": "check"}))
    assert "Submit for approval" in shown and "canary" not in shown and "red" not in typed(shown)
    form |= {"table": typed(shown), "checked": hidden(shown, "checked")}
    assert client.post(NEW, {**form, "action": "submit"}).status_code == 302
    assert requests_of(Batch.objects.get())[0].values["config.host"] == "db.example.com"


def test_a_correction_beside_a_changed_text_is_named(client: Client) -> None:
    _, form = checked(client, text(line(1, sync_frequency="7")))
    changed = {**form, "table": text(line(1, sync_frequency="5")), "cell_1_sync_frequency": "60"}
    shown = html.unescape(page(client.post(NEW, {**changed, "action": "check"})))
    assert "Row 1, sync_frequency: “60” was left out" in shown and "\t5" in typed(shown)


def test_what_was_not_looked_at_is_not_submitted(client: Client) -> None:
    _, form = checked(client, text(line(1)))
    shown = page(client.post(NEW, {**form, "table": text(line(2)), "action": "submit"}))
    assert "The table changed after it was checked" in shown and not ConnectionRequest.objects.exists()
    assert "Submit for approval" in shown


def test_a_file_takes_the_place_of_the_text(client: Client) -> None:
    file = SimpleUploadedFile("table.csv", b"\xef\xbb\xbf" + text(line(7), separator=";").encode())
    shown, form = checked(client, "service\nold", file=file)
    assert form["table"] == text(line(7), separator=";") and "Submit for approval" in shown


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\xfc\n", "UTF-8"), (b"x" * (tables.MAX_BYTES + 1), "524,289 bytes"), (b"", "Paste a table")],
)
def test_a_file_that_cannot_be_read_leaves_the_text(client: Client, content: bytes, said: str) -> None:
    file = SimpleUploadedFile("table.csv", content)
    answer = client.post(NEW, {"table": "service\nkept", "file": file, "action": "check"})
    assert answer.status_code == (422 if len(content) > tables.MAX_BYTES else 200)
    shown = answer.content.decode()
    assert said in shown
    assert content == b"" or typed(shown) == "service\nkept"


def test_a_table_as_large_as_allowed_arrives_and_one_beyond_is_answered_in_words(client: Client) -> None:
    most = "reason\n" + "x" * (tables.MAX_BYTES - 7 - 200 * 100)
    assert typed(page(client.post(NEW, {"table": most, "action": "check"}))) == most
    beyond = "service,reason\n" + "a,bcdef\n" * (tables.MAX_BYTES // 8)
    answer = client.post(NEW, {"table": beyond, "action": "check"})
    shown = answer.content.decode()
    assert answer.status_code == 422 and "Send it in parts" in shown and typed(shown) == beyond
    assert client.post(NEW, {"table": "x" * 1100 * 1024}).status_code == 413


def test_a_taken_name_is_said_on_its_cell(client: Client, cast: dict[str, User]) -> None:
    factories.submitted(cast["requester2"], **{"config.schema": "sheet_1"})
    shown = html.unescape(checked(client, text(line(1)))[0])
    assert "“sheet_1.orders” is taken in this destination by another open request" in shown
    assert "requester2" not in shown


def test_a_secret_is_neither_kept_nor_shown(client: Client) -> None:
    shown, form = checked(client, text(line(1, config__password="canary-8472")))
    assert "canary-8472" not in shown and "config__password was left out" in shown
    assert client.post(NEW, {**form, "action": "submit"}).status_code == 302
    assert "canary" not in str(ConnectionRequest.objects.values_list("values", "payload"))


def test_hostile_text_is_text(client: Client) -> None:
    shown, _ = checked(client, text(line(1, reason="<script>alert(1)</script>", config__schema='"><img src=x>')))
    assert "<script>alert" not in shown and "<img src=x>" not in shown


def test_the_template_names_every_column_and_holds_no_formula(client: Client) -> None:
    response = client.get("/requests/batch/table.csv")
    names = response.content.decode("utf-8-sig").strip().split(",")
    assert set(names) == {f.name for f in (*FIELDS, *NAMING.values()) if not f.constant}
    assert not [name for name in names if name[0] in "=+-@\t\r"]
    assert read_table(response.content.decode("utf-8-sig") + "x" + "," * (len(names) - 1)).columns == names


def test_the_example_is_right(client: Client) -> None:
    found = re.search(r'<pre id="example"[^>]*>(.*?)</pre>', page(client.get(NEW)), re.S)
    assert found and "Submit for approval" in checked(client, html.unescape(found[1]))[0]


# --- the page of a batch ---------------------------------------------------------------------------------------------
def posted(batch: Batch, **changes: str) -> dict[str, Any]:
    """What the page of a batch posts when nothing on it was touched."""
    rows = requests_of(batch)
    form: dict[str, Any] = {"approve": [str(r.pk) for r in rows]}
    form |= {f"digest_{r.pk}": r.digest for r in rows} | {f"reason_{r.pk}": "" for r in rows}
    return form | changes


def test_a_batch_is_seen_by_whom_its_requests_are(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"])
    seen = {name: as_user(name).get(f"/batches/{batch.pk}/").status_code for name in cast}
    assert seen == {"requester": 200, "requester2": 404} | dict.fromkeys(
        ("approver", "operator", "auditor", "admin"), 200
    )


def test_the_page_shows_every_body_digest_and_status(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"])
    shown = html.unescape(page(as_user("approver").get(f"/batches/{batch.pk}/")))
    for asked in requests_of(batch):
        assert asked.digest in shown and f'"schema": "{asked.values["config.schema"]}"' in shown
    assert shown.count('data-status="pending"') == 3
    assert len(re.findall(r'name="approve"', shown)) == 3
    assert not re.findall(r'name="approve"[^>]*\schecked', shown)


def test_a_request_leads_back_to_its_batch(as_user: Any, cast: dict[str, User]) -> None:
    batch, alone = filed(cast["requester"]), factories.submitted(cast["requester"])
    reader, back = as_user("requester"), f'href="/batches/{batch.pk}/"'
    assert back in page(reader.get(f"/requests/{requests_of(batch)[1].pk}/"))
    assert back not in page(reader.get(f"/requests/{alone.pk}/"))


def test_an_approver_approves_all_at_once(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"])
    response = as_user("approver").post(f"/batches/{batch.pk}/decide/", posted(batch))
    assert response["Location"] == f"/batches/{batch.pk}/"
    assert {r.state for r in requests_of(batch)} == {Status.APPROVED}


def test_a_veto_and_a_rejection(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"])
    first, second, third = requests_of(batch)
    form = posted(batch, **{f"reason_{third.pk}": "No budget"}) | {"approve": [str(first.pk)]}
    assert as_user("approver").post(f"/batches/{batch.pk}/decide/", form).status_code == 302
    assert [r.state for r in requests_of(batch)] == [Status.APPROVED, Status.PENDING, Status.REJECTED]


def test_a_row_with_both_a_tick_and_a_reason_decides_nothing(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"])
    first, second, third = requests_of(batch)
    form = posted(batch, **{f"reason_{first.pk}": "Wrong table, do not create", f"reason_{third.pk}": " "})
    form["approve"] = [str(first.pk), str(third.pk)]
    shown = page(as_user("approver").post(f"/batches/{batch.pk}/decide/", form))
    assert {r.state for r in requests_of(batch)} == {Status.PENDING}
    assert "Nothing was decided" in shown and shown.count("It is ticked and has a reason to reject it") == 1
    assert 'value="Wrong table, do not create"' in shown
    ticks = re.findall(r'name="approve"\s+value="(\d+)"[^>]*\schecked', shown)
    assert ticks == form["approve"], "what was ticked is ticked, and what was not is not"


def test_each_button_of_a_batch_does_what_it_says(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"])
    first, _, third = requests_of(batch)
    approver, address = as_user("approver"), f"/batches/{batch.pk}/decide/"
    assert not re.search(r'name="approve"[^>]*\schecked', page(approver.get(f"/batches/{batch.pk}/")))
    form = posted(batch, **{f"reason_{third.pk}": "No budget"}) | {"approve": [str(first.pk)]}
    shown = page(approver.post(address, form | {"verb": "approve"}))
    assert [r.state for r in requests_of(batch)] == [Status.APPROVED, Status.PENDING, Status.PENDING]
    assert "1 request was approved" in shown and 'value="No budget"' in shown
    approver.post(address, form | {"verb": "reject"})
    assert [r.state for r in requests_of(batch)] == [Status.APPROVED, Status.PENDING, Status.REJECTED]


def test_a_body_that_changed_is_not_approved_and_no_longer_ticked(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"], 2)
    form, changed = posted(batch), requests_of(batch)[0]
    workflow.submit(by=cast["requester"], conn_request=changed, filing=factories.filing(sync_frequency=5))
    response = as_user("approver").post(f"/batches/{batch.pk}/decide/", form)
    assert response.status_code == 409
    shown = response.content.decode()
    assert "It changed since you looked at it" in shown
    assert not re.search(r'name="approve"[^>]*\schecked', shown)
    assert [r.state for r in requests_of(batch)] == [Status.PENDING, Status.APPROVED]


def test_nothing_decided_is_said(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"])
    response = as_user("approver").post(f"/batches/{batch.pk}/decide/", posted(batch) | {"approve": []})
    assert "Nothing was decided" in page(response)
    blank = posted(batch, **{f"reason_{requests_of(batch)[0].pk}": "   "}) | {"approve": []}
    shown = page(as_user("approver").post(f"/batches/{batch.pk}/decide/", blank))
    assert "no row was ticked" in shown and "2,000" not in shown
    long = posted(batch, **{f"reason_{requests_of(batch)[0].pk}": "x" * 2001}) | {"approve": []}
    shown = page(as_user("approver").post(f"/batches/{batch.pk}/decide/", long))
    assert "2,000 characters" in shown and "x" * 2001 in shown


def test_others_cannot_decide(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"])
    for name, status in {"requester": 403, "requester2": 404, "operator": 403, "auditor": 403}.items():
        assert as_user(name).post(f"/batches/{batch.pk}/decide/", posted(batch)).status_code == status
    assert {r.state for r in requests_of(batch)} == {Status.PENDING}


def test_an_approver_sees_why_a_batch_of_their_own_is_not_theirs_to_decide(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["approver"])
    assert "Nobody can decide on their own request." in page(as_user("approver").get(f"/batches/{batch.pk}/"))


def test_a_page_of_many_rows_asks_no_more_questions_than_one_of_few(as_user: Any, cast: dict[str, User]) -> None:
    counts = []
    for rows in (2, 20):
        batch, reader = filed(cast["requester"], rows), as_user("approver")
        with CaptureQueriesContext(connection) as queries:
            page(reader.get(f"/batches/{batch.pk}/"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_inbox_holds_a_batch_as_one_line(as_user: Any, cast: dict[str, User]) -> None:
    batch, alone = filed(cast["requester"]), factories.submitted(cast["requester"])
    shown = page(as_user("approver").get("/approvals/"))
    assert f'href="/batches/{batch.pk}/"' in shown and f'href="/requests/{alone.pk}/"' in shown
    assert not [r for r in requests_of(batch) if f'data-request-id="{r.pk}"' in shown]
    filed(cast["approver"], 1)
    assert page(as_user("approver").get("/approvals/")).count('href="/batches/') == 1, "one's own is not there"


@pytest.mark.parametrize("path", ["/", "/requests/"])
def test_the_page_is_found(as_user: Any, path: str) -> None:
    assert f'href="{NEW}"' in page(as_user("requester").get(path))


def test_a_mail_about_a_batch_links_to_it(cast: dict[str, User], mailoutbox: list[Any]) -> None:
    batch = filed(cast["requester"])
    assert notifications.send_due() == Notice.objects.count()
    assert mailoutbox[0].subject == f"[Connections] A request waits for approval: batch #{batch.pk} of 3 requests"
    assert f"/batches/{batch.pk}/" in mailoutbox[0].body
