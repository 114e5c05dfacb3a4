"""Several requests in one table: how it is read, what is said of each cell, what is filed, and the decision on it."""

import re
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connections import catalog, workflow
from connections.forms import batch as tables
from connections.forms.batch import Unreadable, judge, read_table
from connections.models import Batch, ConnectionRequest, Event, Notice, NoticeKind
from connections.permissions import Denied
from connections.states import Status
from connections.workflow import batches
from connections.workflow.batches import Decision, RowTaken
from tests import catalogs, factories, processes

pytestmark = pytest.mark.sql

HEADER = ["service", "group_id", "config__schema", "config__table", "reason"]


def line(number: int, **changes: str) -> dict[str, str]:
    """A row with nothing wrong in it, under a name of its own."""
    row = dict(zip(HEADER, ["google_sheets", "projected_sickle", f"sheet_{number}", "orders", "Sales"], strict=True))
    return row | changes


def text(*rows: dict[str, str], separator: str = "\t") -> str:
    """The rows as they come out of a spreadsheet."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return "\n".join(separator.join(cells) for cells in [columns, *([r.get(c, "") for c in columns] for r in rows)])


# --- reading ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("before", ["", "\ufeff", "sep=;\n"])
def test_a_table_is_read_whatever_separates_its_cells(separator: str, before: str) -> None:
    table = read_table(before + text(line(1), line(2), separator=separator))
    assert table.columns == HEADER
    assert table.rows == [line(1), line(2)]


def test_quotes_hold_separators_line_breaks_and_quotes() -> None:
    table = read_table('service,reason\r\npostgres,"first, ""second""\r\nthird"\r\n')
    assert table.rows == [{"service": "postgres", "reason": 'first, "second"\nthird'}]
    assert read_table(table.as_text()).rows == table.rows


def test_what_nobody_sees_in_a_columns_name_is_marked() -> None:
    with pytest.raises(Unreadable, match=r"“invoice\[U\+202E\]gpj.exe”"):
        read_table("service,invoice\u202egpj.exe\npostgres,x")


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
        ("reason\n" + "é" * (tables.MAX_BYTES // 2), "The table has 524,295 bytes. Send it in parts of 512 KiB"),
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


def test_a_column_of_names_in_a_secrets_manager_is_no_column_of_secrets() -> None:
    columns = ["service", "external_secrets_manager_id", "external_secrets_keys_config__password"]
    table = read_table(f"{','.join(columns)}\npostgres,esm_one,CRM_PASSWORD")
    assert (table.columns, table.left_out) == (columns, [])


def test_a_column_of_secrets_is_dropped_unseen() -> None:
    table = read_table("service,config__password\npostgres,canary-8472")
    assert (table.columns, table.rows, table.left_out) == (["service"], [{"service": "postgres"}], ["config__password"])
    assert "canary-8472" not in table.as_text()


@pytest.mark.parametrize(
    "name", ["pat", "pats", "store__api_token", "secrets_list__0__value", "aws_credentials__secret_key", "password__0"]
)
def test_a_secret_in_a_group_or_under_a_short_name_is_dropped_too(name: str) -> None:
    table = read_table(f"service,config__{name}\npostgres,canary-8472")
    assert table.left_out == [f"config__{name}"] and "canary-8472" not in table.as_text()


@pytest.mark.parametrize(
    "name", ["is_private_key_encrypted", "aws_credentials__bucket_name", "token_url_region", "use_api_keys"]
)
def test_a_setting_that_only_speaks_about_a_secret_is_kept(name: str) -> None:
    table = read_table(f"service,config__{name}\npostgres,x")
    assert table.columns == ["service", f"config__{name}"] and table.left_out == []


# --- judging ---------------------------------------------------------------------------------------------------------
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
    assert second.errors == {"config__table": ["Row 1 has the same name in this destination"]}


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


@pytest.mark.django_db
def test_a_row_that_could_not_be_checked_in_time_says_so() -> None:
    catalogs.offered()
    [row] = judge(read_table(text(line(1))), seconds=0)
    assert not row.is_good and "Check the table again" in row.problems[0]


# --- the verbs -------------------------------------------------------------------------------------------------------
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
    assert Event.objects.exclude(request=None).count() == 3
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
    workflow.submit(by=by, conn_request=edited, filing=factories.filing(sync_frequency=60))
    workflow.withdraw(by=by, conn_request=withdrawn)
    workflow.reject(by=factories.person("approver"), conn_request=decided, reason="Twice")
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
def test_a_broker_that_is_away_is_asked_once(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    batch = filed(factories.person())
    with django_capture_on_commit_callbacks(execute=True):
        batches.decide_batch(by=factories.person("approver"), batch=batch, decisions=all_of(batch))
    assert {r.state for r in requests_of(batch)} == {Status.APPROVED}
    assert len([record for record in caplog.records if "was not enqueued" in record.message]) == 1


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


@pytest.mark.django_db(transaction=True)
def test_each_row_has_an_outcome_of_its_own(cast: dict[str, User], worker: processes.Process) -> None:
    catalog.refresh_all()
    group = catalog.destinations()[0].id
    rows = [factories.filing(group_id=group, config__schema=name) for name in ("one", "refused_two", "three")]
    batch = batches.file_batch(by=cast["requester"], filings=rows, token=uuid.uuid4())
    batches.decide_batch(by=cast["approver"], batch=batch, decisions=all_of(batch))
    final = {Status.CREATED, Status.FAILED}
    processes.until(lambda: all(r.state in final for r in requests_of(batch)))
    assert [r.state for r in requests_of(batch)] == [Status.CREATED, Status.FAILED, Status.CREATED]
