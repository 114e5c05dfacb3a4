"""A request as curl, JSON and Terraform: exact, unbreakable by what was typed, without a secret, for its readers."""

import json
import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from connections.models import ConnectionRequest
from connections.spec import export
from connections.spec.fields import FIELDS
from connections.spec.payloads import MASK, build_body
from connections.states import Status
from tests import factories

pytestmark = pytest.mark.sql

ROOT = "https://api.fivetran.com"
SECRET = "Tr0ub4dor-and-3"
HOSTILE = [
    "'; touch broken #",
    '"; touch broken; "',
    "$(touch broken) `touch broken` ${HOME} \\$x",
    "FIVETRAN_BODY\nFIVETRAN_BODY\ntouch broken\n",
    "\\\\' \\\" \\n \t \r \x7f \x1b[31m !! !1",
    "${file(1)} $${a} $$${b} %{if true} %%{c} $%{d} %${e}",
    "\u202e\u2028\ufeff\U000e0001 é 😀 */ # //",
]
TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("$%{}\\\"'`!\n#~ ", max_size=12),
)
JSON = st.recursive(
    st.one_of(TEXT, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


def body_of(**config: Any) -> dict[str, Any]:
    return build_body({"service": "google_sheets", "group_id": "projected_sickle", "config.schema": "s"}) | {
        "config": config
    }


# --- curl: read by a real shell --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[list[str], str]]:
    """`shell(script)` runs it with a `curl` that only writes down its arguments and its standard input."""
    place = tmp_path_factory.mktemp("shell")
    curl = place / "curl"
    curl.write_text(f'#!/bin/sh\ncat > "{place}/stdin"\nprintf "%s\\0" "$@" > "{place}/arguments"\n')
    curl.chmod(curl.stat().st_mode | stat.S_IXUSR)

    def run(script: str, **environment: str) -> tuple[list[str], str]:
        known = {"FIVETRAN_API_KEY": "key", "FIVETRAN_API_SECRET": "a secret", **environment}
        path = {"PATH": f"{place}:{os.environ['PATH']}"}
        subprocess.run(["sh", "-c", script], cwd=place, env=path | known, check=True, timeout=10)  # noqa: S607
        assert {found.name for found in place.iterdir()} == {"curl", "stdin", "arguments"}, "something else was run"
        arguments, sent = (place / "arguments").read_bytes(), (place / "stdin").read_bytes()
        return arguments.decode().split("\0")[:-1], sent.decode()

    return run


@settings(max_examples=40, deadline=None)
@given(value=JSON, key=TEXT, root=TEXT.filter(lambda text: "\0" not in text))
def test_a_shell_reads_exactly_the_body(shell: Callable[..., Any], value: Any, key: str, root: str) -> None:
    body = body_of() | {key: value}
    arguments, sent = shell(export.as_curl(body, root))
    assert json.loads(sent) == body
    assert arguments == [
        *("--fail-with-body", "--request", "POST", f"{root}/v1/connections"),
        *("--user", "key:a secret", "--header", "Accept: application/json;version=2"),
        *("--header", "Content-Type: application/json", "--data-binary", "@-"),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_shell_runs_nothing_that_was_typed(shell: Callable[..., Any], text: str) -> None:
    for script in (export.as_curl(body_of(**{text: text}), ROOT), export.as_script(body_of(**{text: text}), ROOT)):
        _, sent = shell(script)
        assert json.loads(sent)["config"] == {text: text}
        assert "!" not in script.split("'FIVETRAN_BODY'\n")[1], "an interactive shell would replace it"


def test_the_script_stops_without_a_key() -> None:
    script = export.as_script(body_of(), ROOT)
    done = subprocess.run(["/bin/sh", "-c", script], env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "FIVETRAN_API_KEY" in done.stderr


@given(value=JSON)
def test_json_is_the_body_and_shows_what_it_holds(value: Any) -> None:
    text = export.as_json({"v": value})
    assert json.loads(text) == {"v": value}
    assert text.replace("\n", "").isprintable()


# --- Terraform: read by the rules of its language --------------------------------------------------------------------
# HCL's specification: a quoted string knows \n \r \t \" \\ \uNNNN \UNNNNNNNN, and `${` and `%{` begin a template.
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.S)


def unquoted(quoted: str) -> str:
    """The text of a quoted string; fails where it is not one string from end to end, or holds a template."""
    whole = _STRING.fullmatch(quoted)
    assert whole, quoted
    assert not re.search(r"[$%]\{", whole[1]), quoted
    plain = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
    return _ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else plain[m[3]], whole[1])


@given(text=TEXT)
def test_a_string_of_terraform_is_exactly_the_text(text: str) -> None:
    assert unquoted(export.hcl_string(text)) == text
    assert export.hcl_string(text).isprintable()


def test_half_a_character_is_none() -> None:
    assert unquoted(export.hcl_string("a\ud800b")) == "a\ufffdb"


def tokens(source: str) -> Iterator[str]:
    """The lines of Terraform's text with every string cut out; comments are left away."""
    for line in source.splitlines():
        if not line.lstrip().startswith("#"):
            yield _STRING.sub("~", line)


@given(value=JSON, key=TEXT, connection_id=TEXT)
def test_nothing_that_was_typed_leaves_its_string(value: Any, key: str, connection_id: str) -> None:
    plain = export.as_terraform(body_of(), None)
    source = export.as_terraform(body_of(field={key: value}) | {key: value}, connection_id)
    assert all(line.isprintable() for line in source.split("\n"))
    for line in tokens(source):
        assert re.fullmatch(r"[\w ={}\[\]().,~+-]*", line), line
    headings = [line for line in source.splitlines() if re.match(r"(resource|import)\b", line)]
    assert len(headings) == plain.count("\nresource ") + bool(connection_id)


@pytest.mark.parametrize(
    ("config", "block", "left", "name"),
    [
        ({"schema": "sales_eu"}, {"name": "sales_eu"}, {}, "sales_eu"),
        ({"schema": "a", "table": "b"}, {"name": "a"}, {"table": "b"}, "a_b"),
        ({"schema": "a", "table_group_name": "g"}, {"name": "a"}, {"table_group_name": "g"}, "a_g"),
        ({"schema_prefix": "crm"}, {"prefix": "crm"}, {}, "crm"),
    ],
)
def test_each_shape_of_a_name(config: dict[str, str], block: dict[str, str], left: dict[str, str], name: str) -> None:
    source = export.as_terraform(body_of(**config), "ten_fold")
    assert f'import {{\n  to = fivetran_connection.{name}\n  id = "ten_fold"\n}}\n' in source
    assert f'resource "fivetran_connection" "{name}" {{\n' in source
    assert f'resource "fivetran_connector_schedule" "{name}" {{\n  connector_id ' in source
    [(key, value)] = block.items()
    assert f'  destination_schema {{\n    {key} = "{value}"\n  }}\n' in source
    for key, value in left.items():
        assert f'config = jsonencode({{\n    {key} = "{value}"\n  }})' in source
    assert ("jsonencode" in source) == bool(left)


def test_every_field_has_a_place_or_is_said_to_have_none() -> None:
    values = {f.path: f.choices[0][0] if f.choices else f.default or "text" for f in FIELDS}
    body: dict[str, Any] = {}
    for field in FIELDS:
        if not field.ours:
            body.setdefault(field.path.split(".")[0], values[field.path])
    source = export.as_terraform(body)
    for key in body:
        assert re.search(rf"^(  {key} +=|# - {key}$)", source, re.M), key
    assert "# - destination_schema_names\n" in source
    assert '  sync_frequency    = "1"\n' in source, "the schedule's numbers are strings"


def test_a_secret_is_named_and_left_out() -> None:
    body = body_of(schema="s", password=SECRET, accounts=[{"api_key": SECRET, "region": "eu"}])
    source = export.as_terraform(body)
    assert SECRET not in source
    assert MASK not in source
    assert "# config.password: a secret, set by the source owner at Fivetran" in source
    assert "# config.accounts[0].api_key: a secret" in source
    assert 'region = "eu"' in source


def test_a_draft_says_what_is_missing() -> None:
    source = export.as_terraform({})
    assert "# group_id: not chosen yet" in source
    assert "# service: not chosen yet" in source
    assert "# destination_schema: not named yet" in source
    assert "import" not in [line.split(" ")[0] for line in source.splitlines()]


# --- the page and the files ------------------------------------------------------------------------------------------

KINDS = {"sh": "text/x-shellscript", "json": "application/json", "tf": "text/plain"}
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
def test_the_page_shows_the_three_and_links_the_files(as_user: As, conn_request: ConnectionRequest) -> None:
    client = as_user("requester")
    assert f'href="/requests/{conn_request.pk}/export/"' in client.get(f"/requests/{conn_request.pk}/").content.decode()
    page = client.get(f"/requests/{conn_request.pk}/export/").content.decode()
    assert "The connection exists." in page
    assert all(f'href="/requests/{conn_request.pk}/connection.{kind}"' in page for kind in KINDS)
    assert all(f'data-copy="#export-{kind}"' in page for kind in KINDS)
    assert "$FIVETRAN_API_KEY:$FIVETRAN_API_SECRET" in page
    assert "sandbox-secret" not in page


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
