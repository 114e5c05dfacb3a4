"""A body as Terraform: nothing leaves its string, each name has its shape, and nothing is lost in silence."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from connections.spec import export
from connections.spec.export.hcl import hcl_string
from connections.spec.fields import FIELDS
from connections.spec.payloads import MASK
from tests.spec.export_samples import JSON, TEXT, body_of
from tests.spec.hcl_reader import STRING, unquoted

SECRET = "Tr0ub4dor-and-3"


@given(text=TEXT)
def test_a_string_of_terraform_is_exactly_the_text(text: str) -> None:
    assert unquoted(hcl_string(text)) == text
    assert hcl_string(text).isprintable()


def test_half_a_character_is_none() -> None:
    assert unquoted(hcl_string("a\ud800b")) == "a\ufffdb"


def tokens(source: str) -> Iterator[str]:
    """The lines of Terraform's text with every string cut out; comments are left away."""
    for line in source.splitlines():
        if not line.lstrip().startswith("#"):
            yield STRING.sub("~", line)


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
