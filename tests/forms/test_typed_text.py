"""What a person types arrives, or is refused in words: white space, line ends, lists, unseen characters, cells."""

import csv
import html
import io
import itertools
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client

from connections.forms import Purpose, RequestForm, presets, typed_text
from connections.forms.batch import judge, read_table
from connections.models import ConnectionRequest, Preset
from connections.spec import payloads, source_key
from connections.views.request_form import prefill_link
from tests import catalogs

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

NEW, MANAGER = "/requests/new/", "external_secrets_manager_id"
TEXT, LIST = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
BASE = {"service": "s3", "group_id": "projected_sickle", "reason": "Weekly sales report", "run_setup_tests": "on"}
S3 = {**BASE, "config__schema": "files", "config__table_group_name": "invoices"}
SEPARATORS = ("delimiter", "quote_char", "escape_char", "null_sequence", "line_separator")


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form for a service with settings of every kind."""
    catalogs.offered()
    lists = dict.fromkeys(("hosts", "servers", "accounts", "selected_accounts", "metrics", "site_urls"), LIST)
    kinds = {"modes": {"type": "array", "items": {"type": "string", "enum": ["UTC", "GMT"]}}}
    kinds |= {"profiles": {"type": "array", "items": {"type": "integer"}}, "port": {"type": "integer"}}
    plain = ("host", "prefix", "account_id", "signer_public_key")
    catalogs.tell("s3", dict.fromkeys((*SEPARATORS, *plain), TEXT) | lists | kinds)
    return as_user("requester")


def posted(**config: str) -> RequestForm:
    """The submitted form with these settings."""
    return RequestForm.from_post(S3 | {f"config__{key}": text for key, text in config.items()}, Purpose.SUBMIT)


def body(form: RequestForm) -> dict[str, Any]:
    """`config` of a form without errors."""
    assert not form.errors, form.errors
    return {
        k: v for k, v in payloads.build_body(form.values())["config"].items() if k not in ("schema", "table_group_name")
    }


def table(cells: dict[str, str]) -> str:
    """A table of one row with these cells."""
    out = io.StringIO()
    csv.writer(out).writerows([[*S3, *cells], [*S3.values(), *cells.values()]])
    return out.getvalue()


def refused(form: RequestForm, name: str) -> str:
    return " ".join(str(words) for words in form.errors.get(name, []))


# --- white space -----------------------------------------------------------------------------------------------------
def test_every_separator_is_typed_and_read_without_loss() -> None:
    for length in range(6):
        for characters in itertools.product("\\tn\t\n ", repeat=length):
            text = "".join(characters)
            typed = typed_text.tidy("config__delimiter", typed_text.in_codes(text))
            assert typed_text.from_codes(typed) == text and typed_text.in_codes(text) == typed


@pytest.mark.parametrize(
    ("typed", "is_sent"),
    [
        (" ", " "),
        ("  ", "  "),
        ("\t", "\t"),
        (r"\t", "\t"),
        (r"\\t", r"\t"),
        (r"\r\n", "\r\n"),
        (", ", ", "),
        ("\\", "\\"),
        (r"\N", r"\N"),
    ],
)
def test_a_separator_is_sent_as_typed_by_every_way_in(client: Client, typed: str, is_sent: str) -> None:
    config, controls = dict.fromkeys(SEPARATORS, is_sent), {f"config__{name}": typed for name in SEPARATORS}
    form = posted(**dict.fromkeys(SEPARATORS, typed))
    assert body(form) == config
    assert body(RequestForm.from_link(S3 | controls)) == config
    assert body(RequestForm.from_values(form.values())) == body(RequestForm.from_values(form.kept())) == config
    address = urlsplit(prefill_link.link(form, "").address)
    assert body(client.get(f"{address.path}?{address.query}").context["form"]) == config
    (row,) = judge(read_table(read_table(table(controls)).as_text()))
    assert row.is_good and row.form is not None and body(row.form) == config
    preset = Preset(name="p", service="s3", values={f"config.{name}": is_sent for name in SEPARATORS})
    shown = presets.beginning(preset)
    assert body(RequestForm.from_link(S3 | shown)) == config and "\t" not in shown["config__delimiter"]


def test_a_separator_is_shown_readably(client: Client) -> None:
    shown = client.get(
        f"{NEW}?{urlencode(S3 | {'config__delimiter': chr(9), 'config__quote_char': ' '})}"
    ).content.decode()
    assert r'value="\t"' in shown and "This stands for: TAB." in shown and "This stands for: SPACE." in shown
    assert "&quot;delimiter&quot;: &quot;\\t&quot;" in shown


def test_a_blank_delimiter_is_stored_cloned_and_edited(client: Client) -> None:
    post = S3 | {"config__delimiter": " ", "config__null_sequence": r"\t"}
    pk = int(client.post(NEW, post)["Location"].strip("/").rpartition("/")[2])
    stored = ConnectionRequest.objects.get(pk=pk)
    assert stored.payload is not None
    assert stored.payload["config"]["delimiter"] == " " and stored.payload["config"]["null_sequence"] == "\t"
    for way in ("edit", "clone"):
        shown = client.get(f"/requests/{pk}/{way}/").content.decode()
        controls = dict(re.findall(r'<input[^>]*name="(config__\w+)" value="([^"]*)"', shown))
        assert controls["config__delimiter"] == " " and controls["config__null_sequence"] == r"\t", way


def test_white_space_alone_is_refused_where_it_means_nothing(client: Client) -> None:
    for form in (posted(prefix=" \t"), RequestForm.from_link(S3 | {"config__prefix": " "})):
        assert "Only white space" in refused(form, "config__prefix")
    assert body(posted(port=" ", hosts=" \n ")) == {}


@pytest.mark.parametrize("name", ["config__prefix", "destination_configuration__virtual_warehouse", MANAGER])
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (" ", "Only white space"),
        ("\u00a0\t", "Only white space"),
        ("\u200b", "ZERO WIDTH SPACE"),
        ("\u3164 ", "HANGUL"),
    ],
)
def test_a_text_that_shows_nothing_vanishes_by_no_way_in(client: Client, name: str, typed: str, words: str) -> None:
    assert words in refused(RequestForm.from_post(S3 | {name: typed}, Purpose.SUBMIT), name)
    assert words in refused(RequestForm.from_link(S3 | {name: typed}), name)
    (row,) = judge(read_table(table({name: typed})))
    cell = " ".join(row.errors.get(name, []))
    assert words in cell or (typed.isspace() and not cell), "a cell of blanks is an empty one, as in any spreadsheet"


def test_what_shows_nothing_is_nothing_where_no_text_is_sent(client: Client) -> None:
    assert body(posted(port="\u200b", hosts="\u200b\n \u3164", modes=" \u200b")) == {}


# --- lines -----------------------------------------------------------------------------------------------------------
def test_the_same_text_of_several_lines_is_one_digest_by_every_way_in(client: Client) -> None:
    key = "-----BEGIN\nabc\n-----END"
    wanted = body(posted(signer_public_key=key))
    assert wanted == {"signer_public_key": key}
    for end in ("\r\n", "\r"):
        other = key.replace("\n", end)
        assert body(posted(signer_public_key=other)) == wanted
        assert body(RequestForm.from_link(S3 | {"config__signer_public_key": other})) == wanted
        assert body(RequestForm.from_values({**S3, "config.signer_public_key": other})) == wanted
    assert body(posted(prefix="a\r\nb")) == {"prefix": "a\nb"}


def test_a_line_break_in_a_short_text_survives_the_page(client: Client) -> None:
    shown = client.get(f"{NEW}?{urlencode(S3 | {'config__prefix': 'a' + chr(10) + 'b'})}").content.decode()
    assert re.search(r'<textarea[^>]*name="config__prefix"[^>]*>\s*a\nb</textarea>', shown)


# --- lists -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "typed", "is_sent"),
    [
        ("servers", "b-1:9092,b-2:9092", ["b-1:9092", "b-2:9092"]),
        ("servers", "b-1:9092, b-2:9092,\nb-3:9092", ["b-1:9092", "b-2:9092", "b-3:9092"]),
        ("hosts", '["a:1","b:2"]', ["a:1", "b:2"]),
        ("hosts", '"a:1","b:2"', ["a:1", "b:2"]),
        ("hosts", "[::1]:9092,[::2]:9092", ["[::1]:9092", "[::2]:9092"]),
        ("hosts", "[::1]", ["[::1]"]),
        ("profiles", "1, 2;3", [1, 2, 3]),
        ("profiles", "[1, 2]", [1, 2]),
        ("accounts", "12,34", ["12", "34"]),
        ("modes", "UTC,GMT", ["UTC", "GMT"]),
        ("selected_accounts", '["1,false"]', ["1,false"]),
        ("selected_accounts", "1,false\n2,true", ["1,false", "2,true"]),
        ("site_urls", "https://a.example,https://b.example", ["https://a.example", "https://b.example"]),
        ("metrics", "a\r\nb", ["a", "b"]),
    ],
)
def test_a_list_is_read_however_it_is_written(client: Client, name: str, typed: str, is_sent: list[Any]) -> None:
    form = RequestForm.from_link(S3 | {f"config__{name}": typed})
    assert body(form) == {name: is_sent}
    assert body(RequestForm.from_values(form.values())) == {name: is_sent}


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("metrics", "clicks,views", 'write ["clicks,views"]'),
        ("accounts", "Acme, Inc.", 'write ["Acme, Inc."]'),
        ("site_urls", "https://a.example/?q=1,2", "one value a line"),
        ("hosts", "[a, b]", "JSON array"),
        ("hosts", '["a", ["b"]]', "JSON array"),
        ("hosts", '["a\\u0000b"]', "JSON array"),
        ("hosts", '["a\\ud800b"]', "JSON array"),
        ("hosts", "[NaN, 1]", "JSON array"),
        ("profiles", "1,x", "Line 2"),
    ],
)
def test_a_list_that_could_be_one_value_is_asked_about(client: Client, name: str, typed: str, words: str) -> None:
    assert words in refused(RequestForm.from_link(S3 | {f"config__{name}": typed}), f"config__{name}")


@pytest.mark.parametrize("values", [["a,b"], ["[x"], [" a"], ["a\nb", "c"], ["1,false", "2,true"], ["a", "b"]])
def test_a_stored_list_is_shown_as_what_it_is(client: Client, values: list[str]) -> None:
    assert body(RequestForm.from_values({**S3, "config.metrics": values})) == {"metrics": values}


# --- what nobody sees ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u00a0", "\u200e", "\u202e", "\u3164", "\x08", "\u2028", " "])
def test_unseen_ends_are_taken_off(client: Client, unseen: str) -> None:
    typed = f"{unseen}db.example{unseen}"
    config = body(posted(host=typed, hosts=f"{typed}\n{typed}"))
    assert config == {"host": "db.example", "hosts": ["db.example", "db.example"]}
    assert source_key.source_key("s3", config) == source_key.source_key(
        "s3", {"host": "db.example", "hosts": ["db.example"]}
    )
    assert not RequestForm.from_post(S3 | {"service": f"s3{unseen}"}, Purpose.SUBMIT).errors


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("db\u200b.example", "ZERO WIDTH SPACE after “db”"),
        ("db\u202e.example", "RIGHT-TO-LEFT OVERRIDE after “db”"),
        ("db\0.example", "NUL"),
        ("db\0", "NUL"),
        ("db\x08x", "U+0008 after “db”"),
    ],
)
def test_what_stands_inside_is_named(client: Client, typed: str, words: str) -> None:
    for name in ("host", "hosts", "port"):
        assert words in refused(posted(**{name: typed}), f"config__{name}"), name
    assert words in refused(RequestForm.from_post(S3 | {"config__schema": typed}, Purpose.SUBMIT), "config__schema")
    (row,) = judge(read_table(table({"config__host": typed})))
    assert words in " ".join(row.errors["config__host"])


def test_spelling_is_no_fault_and_odd_blanks_are_only_named(client: Client) -> None:
    form = posted(prefix="می\u200cخواهم", host="a\u00a0b")
    assert body(form) == {"prefix": "می\u200cخواهم", "host": "a\u00a0b"}
    assert "NO-BREAK SPACE after “a”" in form.fields["config__host"].warning  # type: ignore[attr-defined]


def test_a_nul_in_a_draft_loses_nothing(client: Client) -> None:
    response = client.post(NEW, S3 | {"config__host": "db\0.example", "reason": "a\0b", "action": "draft"})
    shown = client.get(response["Location"]).content.decode()
    assert 'value="db␀.example"' in shown and "a␀b" in shown and "NUL character" in shown


# --- spreadsheets ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("typed", ["3:00", "03:00:00", "3:00:00 AM", "03:00", "3:00 a.m."])
def test_a_daily_time_is_read_as_a_spreadsheet_shows_it(client: Client, typed: str) -> None:
    (row,) = judge(read_table(table({"daily_sync_time": typed, "sync_frequency": "1,440"})))
    assert row.is_good and row.form is not None, row.errors
    assert row.form.values()["daily_sync_time"] == "03:00" and row.form.values()["sync_frequency"] == 1440


@pytest.mark.parametrize("typed", ["5432.0", "5432", " 5432 ", "5\u00a0432", "5'432"])
def test_a_whole_number_is_read_as_a_spreadsheet_shows_it(client: Client, typed: str) -> None:
    assert body(posted(port=typed)) == {"port": 5432}


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("account_id", "1.23457E+14", "lost digits"),
        ("port", "1,2E+05", "lost digits"),
        ("accounts", "12\n1.23457E+14", "lost digits"),
        ("host", "#N/A", "spreadsheet"),
        ("host", "########", "spreadsheet"),
        ("port", "1.000", "without a mark"),
        ("port", "1,000", "without a mark"),
    ],
)
def test_what_a_spreadsheet_spoilt_is_refused(client: Client, name: str, typed: str, words: str) -> None:
    assert words in refused(posted(**{name: typed}), f"config__{name}")


@pytest.mark.parametrize(("typed", "paused"), [("TRUE", True), ("FALSE", False), ("True ", True), ("0", False)])
def test_a_spreadsheets_truth_is_read(client: Client, typed: str, paused: bool) -> None:
    (row,) = judge(read_table(table({"paused": typed})))
    assert row.is_good and row.form is not None and row.form.values()["paused"] is paused


@pytest.mark.parametrize("path", ["/requests/export.csv", "/requests/batch/table.csv"])
def test_a_csv_file_says_that_it_is_utf_8(client: Client, path: str) -> None:
    response: Any = client.get(path)
    raw = b"".join(response.streaming_content) if response.streaming else response.content
    assert raw.startswith(b"\xef\xbb\xbf") and raw.count(b"\xef\xbb\xbf") == 1


def test_a_cell_of_several_lines_is_corrected_without_loss(client: Client) -> None:
    lines = "\n".join(["\t".join((*S3, "config__metrics")), "\t".join((*S3.values(), '"a\u202eb\nc"'))])
    shown = html.unescape(client.post("/requests/batch/", {"table": lines, "action": "check"}).content.decode())
    assert re.search(r'<textarea[^>]*name="cell_1_config__metrics"[^>]*>\na\u202eb\nc</textarea>', shown)
