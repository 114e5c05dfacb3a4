"""Several requests in one table: how it is read, what is said of each cell, what is filed, and the decision on it."""

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

from connections import batches, workflow
from connections.batches import Decision, RowTaken
from connections.fields import FIELDS, NAMING
from connections.forms import batch as tables
from connections.forms.batch import Unreadable, judge, read_table
from connections.models import Batch, ConnectionRequest, Event, Notice, NoticeKind
from connections.permissions import Denied
from connections.states import Status
from tests import catalogs, factories

NEW = "/requests/batch/"
HEADER = ["service", "group_id", "config__schema", "config__table", "reason"]


def line(number: int, **changes: str) -> dict[str, str]:
    """A row with nothing wrong in it, under a name of its own."""
    row = dict(zip(HEADER, ["google_sheets", "projected_sickle", f"sheet_{number}", "orders", "Sales"], strict=True))
    return row | changes


def text(*rows: dict[str, str], separator: str = "\t") -> str:
    """The rows as they come out of a spreadsheet."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return "\n".join(separator.join(cells) for cells in [columns, *([r.get(c, "") for c in columns] for r in rows)])


# --- reading -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("before", ["", "\ufeff", "sep=;\n"])
def test_a_table_is_read_whatever_separates_its_cells(separator: str, before: str) -> None:
    table = read_table(before + text(line(1), line(2), separator=separator))
    assert table.columns == HEADER
    assert table.rows == [line(1), line(2)]


def test_quotes_hold_separators_line_breaks_and_quotes() -> None:
    table = read_table('service,reason\r\npostgres,"first, ""second""\r\nthird"\r\n')
    assert table.rows == [{"service": "postgres", "reason": 'first, "second"\r\nthird'}]
    assert read_table(table.as_text()).rows == table.rows


def test_empty_lines_and_empty_columns_at_the_end_are_nothing() -> None:
    table = read_table("service,reason,,\n\npostgres,x,,\n,,,\n  \n")
    assert (table.columns, table.rows) == (["service", "reason"], [{"service": "postgres", "reason": "x"}])


def test_a_column_may_be_named_by_control_path_or_label() -> None:
    table = read_table("Service,config.schema,CONFIG__TABLE,Sync frequency,config.host\na,b,c,60,d")
    assert table.columns == ["service", "config__schema", "config__table", "sync_frequency", "config__host"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "Paste a table"),
        (" \n\t\n", "Paste a table"),
        ("service,reason\n", "There is no row"),
        ("service,colour\na,b", "“colour”"),
        ("service,,reason\na,b,c", "one without a name"),
        ("service,service\na,b", "twice: service"),
        ("service,reason\na,b,c", "Line 2 has 3 cells"),
        ('service,reason\na,"b', "quotation mark"),
        ('service,reason\na,"b" c', "quotation mark"),
        ("service\n" + "a\n" * 201, "201 rows. Send at most 200"),
        ("reason\n" + "é" * (tables.MAX_BYTES // 2), "The table has 257 KiB. Send it in parts of 256 KiB"),
        ("service,config__\na,b", "“config__”"),
        ("reason\n" + '"' + "x" * 140_000 + '"', "longer than"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(given: str, said: str) -> None:
    with pytest.raises(Unreadable, match=re.escape(said)):
        read_table(given)


def test_as_many_rows_as_allowed_are_read() -> None:
    assert len(read_table("service\n" + "a\n" * 200).rows) == 200


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_text_in_unicode(encoding: str) -> None:
    assert tables.decoded("Grüße".encode(encoding)) == "Grüße"


def test_a_file_in_another_encoding_is_refused_and_not_guessed() -> None:
    with pytest.raises(Unreadable, match="UTF-8"):
        tables.decoded("Grüße".encode("cp1252"))


def test_a_column_of_secrets_is_dropped_unseen() -> None:
    table = read_table("service,config__password\npostgres,canary-8472")
    assert (table.columns, table.rows, table.left_out) == (["service"], [{"service": "postgres"}], ["config__password"])
    assert "canary-8472" not in table.as_text()


# --- judging -----------------------------------------------------------------------------------------------------------
def judged(*rows: dict[str, str]) -> list[tables.Row]:
    return judge(read_table(text(*rows)))


def errors(**changes: str) -> dict[str, str]:
    """What is said of the cells of one row."""
    [row] = judged(line(1, **changes))
    assert not row.problems
    return {name: " ".join(sentences) for name, sentences in row.errors.items()}


@pytest.mark.django_db
def test_a_good_row_has_the_values_of_the_form() -> None:
    catalogs.offered()
    [row] = judged(line(1, sync_frequency="1440", daily_sync_time="14:00", paused="true"))
    assert row.is_good and row.form is not None
    values = row.form.values()
    assert (values["sync_frequency"], values["daily_sync_time"], values["paused"]) == (1440, "14:00", True)
    assert values["run_setup_tests"] is True, "what a table does not say has its default"
    assert row.key == ("projected_sickle", "sheet_1.orders")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "cell", "said"),
    [
        ({"daily_sync_time": "14:00"}, "daily_sync_time", "This applies only when syncing daily"),
        ({"private_link_id": "link_one"}, "private_link_id", "This applies only with networking method PrivateLink"),
        ({"networking_method": "PrivateLink"}, "private_link_id", "Choose the private link"),
        ({"sync_frequency": "7"}, "sync_frequency", "Choose one of"),
        ({"service": ""}, "service", "Choose a service"),
        ({"service": "nonsense"}, "service", "Choose one of: google_sheets"),
        ({"config__schema": "Not A Name"}, "config__schema", "Use small letters"),
        ({"config__table": ""}, "config__table", "Enter the destination table"),
        ({"reason": ""}, "reason", "Enter the reason"),
        ({"config__nonsense": "x"}, "config__nonsense", "has no such field"),
        ({"config__schema_prefix": "x"}, "config__schema_prefix", "has no such field"),
        ({"paused": "perhaps"}, "paused", "Choose one of: true, false"),
        ({"use_connect_card": "true", "run_setup_tests": "true"}, "run_setup_tests", "This must be off"),
    ],
)
def test_an_error_stands_on_its_cell(changes: dict[str, str], cell: str, said: str) -> None:
    catalogs.offered()
    assert errors(**changes).get(cell, "").startswith(said) or said in errors(**changes)[cell]


@pytest.mark.django_db
def test_a_mixture_of_names_that_means_nothing_is_wrong_even_without_metadata() -> None:
    catalogs.offered()
    found = errors(service=catalogs.UNTOLD, config__schema="a", config__table="b", config__schema_prefix="c")
    assert "only the schema prefix" in found["config__schema"]


@pytest.mark.django_db
def test_two_rows_of_one_name_are_told_apart_by_destination() -> None:
    catalogs.offered()
    first, second, third = judged(line(1), line(1), line(1, group_id="decent_dropsy"))
    assert first.is_good and third.is_good
    assert second.errors == {"config__schema": ["Row 1 has the same name in this destination"]}


@pytest.mark.django_db
def test_the_lists_are_read_once_for_all_rows() -> None:
    catalogs.offered()
    counts = []
    for rows in (2, 12):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            judged(*(line(number) for number in range(rows)))
        counts.append(len(queries))
    assert counts[1] - counts[0] <= 10 * 4, "a row may look for its service, not for the lists"


# --- the verbs ---------------------------------------------------------------------------------------------------------
def filed(by: User, count: int = 3, token: uuid.UUID | None = None) -> Batch:
    """A batch of good rows."""
    if not User.objects.filter(groups__name="Approvers").exists():
        factories.person("approver")
    return batches.file_batch(by=by, filings=[factories.filing() for _ in range(count)], token=token or uuid.uuid4())


def requests_of(batch: Batch) -> list[ConnectionRequest]:
    return [row.request for row in batch.rows.select_related("request")]


def all_of(batch: Batch, **changes: Any) -> dict[int, Decision]:
    """The decision to approve everything as it stands."""
    return {r.pk: Decision(digest=r.digest, approve=True) for r in requests_of(batch)} | changes.get("instead", {})


@pytest.mark.django_db
def test_each_row_is_a_request_and_the_approvers_are_told_once() -> None:
    by, approvers = factories.person(), [factories.person("approver"), factories.person("approver")]
    batch = filed(by)
    assert [r.state for r in requests_of(batch)] == [Status.PENDING] * 3
    assert [row.number for row in batch.rows.all()] == [1, 2, 3]
    assert Event.objects.count() == 3
    told = Notice.objects.all()
    assert {notice.recipient for notice in told} == set(approvers) and len(told) == 2
    assert {(notice.kind, notice.batch) for notice in told} == {(NoticeKind.SUBMITTED, batch)}


@pytest.mark.django_db
def test_the_same_token_is_one_batch() -> None:
    by, token = factories.person(), uuid.uuid4()
    assert filed(by, token=token) == filed(by, token=token)
    assert ConnectionRequest.objects.count() == 3
    assert filed(factories.person(), token=token) != Batch.objects.get(requester=by)


@pytest.mark.django_db
def test_a_taken_name_stores_nothing() -> None:
    holder = factories.submitted()
    taken = factories.filing(**{"config.schema": holder.values["config.schema"]})
    with pytest.raises(RowTaken) as caught:
        batches.file_batch(by=factories.person(), filings=[factories.filing(), taken], token=uuid.uuid4())
    assert (caught.value.number, caught.value.holder) == (2, holder)
    assert ConnectionRequest.objects.get() == holder and not Batch.objects.exists()


@pytest.mark.django_db
def test_nobody_files_where_nobody_can_decide() -> None:
    with pytest.raises(Denied):
        batches.file_batch(by=factories.person(), filings=[factories.filing()], token=uuid.uuid4())
    assert not Batch.objects.exists()


@pytest.mark.django_db
def test_one_decision_with_a_veto_for_a_row_and_a_rejection_for_another() -> None:
    by, approver = factories.person(), factories.person("approver")
    batch = filed(by)
    first, second, third = requests_of(batch)
    outcomes = batches.decide_batch(
        by=approver,
        batch=batch,
        decisions=all_of(
            batch,
            instead={second.pk: Decision(second.digest, False), third.pk: Decision(third.digest, False, "No budget")},
        ),
    )
    assert [(o.request, o.obstacle) for o in outcomes] == [(first, ""), (third, "")]
    first, second, third = requests_of(batch)
    assert [r.state for r in (first, second, third)] == [Status.APPROVED, Status.PENDING, Status.REJECTED]
    assert (first.approved_by, first.approved_digest) == (approver, first.digest)
    assert third.decision_reason == "No budget"
    told = Notice.objects.filter(recipient=by).order_by("kind")
    assert [(n.kind, n.batch) for n in told] == [(NoticeKind.APPROVED, batch), (NoticeKind.REJECTED, None)]


@pytest.mark.django_db
def test_a_row_that_changed_or_moved_on_does_not_stop_the_others() -> None:
    by, approver = factories.person(), factories.person("approver")
    batch = filed(by, 4)
    seen = all_of(batch)
    edited, withdrawn, decided, last = requests_of(batch)
    workflow.submit(by=by, request=edited, filing=factories.filing(sync_frequency=60))
    workflow.withdraw(by=by, request=withdrawn)
    workflow.reject(by=factories.person("approver"), request=decided, reason="Twice")
    outcomes = batches.decide_batch(by=approver, batch=batch, decisions=seen)
    assert [bool(outcome.obstacle) for outcome in outcomes] == [True, True, True, False]
    assert "look again" in outcomes[0].obstacle
    assert "Withdrawn" in outcomes[1].obstacle and "Rejected" in outcomes[2].obstacle
    assert [r.state for r in requests_of(batch)] == [
        Status.PENDING,
        Status.WITHDRAWN,
        Status.REJECTED,
        Status.APPROVED,
    ]


@pytest.mark.django_db
def test_four_eyes_hold_for_every_row() -> None:
    approver = factories.person("approver")
    factories.person("approver")
    batch = filed(approver)
    outcomes = batches.decide_batch(by=approver, batch=batch, decisions=all_of(batch))
    assert {outcome.obstacle for outcome in outcomes} == {"Nobody can decide on their own request."}
    assert {r.state for r in requests_of(batch)} == {Status.PENDING}


@pytest.mark.django_db
def test_only_approvers_decide_and_only_on_rows_of_this_batch() -> None:
    by = factories.person()
    batch, other = filed(by, 1), factories.submitted(by)
    with pytest.raises(Denied):
        batches.decide_batch(by=factories.person("operator"), batch=batch, decisions=all_of(batch))
    stray = {other.pk: Decision(other.digest, True)}
    assert batches.decide_batch(by=factories.person("approver"), batch=batch, decisions=stray) == []
    other.refresh_from_db()
    assert other.state is Status.PENDING


# --- the page for a table ----------------------------------------------------------------------------------------------
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


def test_a_wrong_row_stops_all_and_nothing_is_lost(client: Client) -> None:
    given = text(line(1), line(2, sync_frequency="7"), line(3, reason="=1+1"))
    shown, form = checked(client, given)
    assert form["table"] == given
    assert 'name="cell_2_sync_frequency"' in shown and "Choose one of" in shown
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
    ("content", "said"), [(b"\xfc\n", "UTF-8"), (b"x" * (tables.MAX_BYTES + 1), "257 KiB"), (b"", "Paste a table")]
)
def test_a_file_that_cannot_be_read_leaves_the_text(client: Client, content: bytes, said: str) -> None:
    file = SimpleUploadedFile("table.csv", content)
    shown = page(client.post(NEW, {"table": "service\nkept", "file": file, "action": "check"}))
    assert said in shown
    assert content == b"" or typed(shown) == "service\nkept"


def test_a_table_as_large_as_allowed_arrives_and_one_beyond_is_answered_in_words(client: Client) -> None:
    most = "reason\n" + "x" * (tables.MAX_BYTES - 7 - 200 * 100)
    assert typed(page(client.post(NEW, {"table": most, "action": "check"}))) == most
    beyond = "service,reason\n" + "a,bcdef\n" * (tables.MAX_BYTES // 8)
    shown = page(client.post(NEW, {"table": beyond, "action": "check"}))
    assert "Send it in parts" in shown and typed(shown) == beyond
    assert client.post(NEW, {"table": "x" * 600 * 1024}).status_code == 400


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
    names = response.content.decode().strip().split(",")
    assert set(names) == {f.name for f in (*FIELDS, *NAMING.values()) if not f.constant}
    assert not [name for name in names if name[0] in "=+-@\t\r"]
    assert read_table(response.content.decode() + "x" + "," * (len(names) - 1)).columns == names


def test_the_example_is_right(client: Client) -> None:
    found = re.search(r'<pre id="example"[^>]*>(.*?)</pre>', page(client.get(NEW)), re.S)
    assert found and "Submit for approval" in checked(client, html.unescape(found[1]))[0]


# --- the page of a batch -----------------------------------------------------------------------------------------------
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
    assert len(re.findall(r'name="approve"[^>]*\schecked', shown)) == 3


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


def test_a_body_that_changed_is_not_approved_and_no_longer_ticked(as_user: Any, cast: dict[str, User]) -> None:
    batch = filed(cast["requester"], 2)
    form, changed = posted(batch), requests_of(batch)[0]
    workflow.submit(by=cast["requester"], request=changed, filing=factories.filing(sync_frequency=5))
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
    from connections import notifications

    batch = filed(cast["requester"])
    assert notifications.send_due() == Notice.objects.count()
    assert mailoutbox[0].subject == f"[Connections] A request waits for approval: batch #{batch.pk} of 3 requests"
    assert f"/batches/{batch.pk}/" in mailoutbox[0].body
