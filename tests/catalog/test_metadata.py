"""A service's metadata as a tree: what is offered, what is left out, and that no answer can break it."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.catalog import naming_keys_of
from connections.catalog.metadata import Config, Property, Shape, leaves, parse, plain_text, words_of
from connections.spec.payloads import is_secret
from tests.processes import ROOT

SERVICES = ROOT.parent / "shared" / "fivetran" / "services.json.gz"


def one(spec: Any, name: str = "thing") -> Property | None:
    """What becomes of a single property."""
    found = parse({"properties": {name: spec}}).properties
    return found[0] if found else None


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        ({"type": "string"}, Shape.TEXT),
        ({"type": "integer"}, Shape.WHOLE),
        ({"type": "number"}, Shape.NUMBER),
        ({"type": "boolean"}, Shape.FLAG),
        ({"type": "string", "enum": ["A", "B"]}, Shape.CHOICE),
        ({"type": "object", "enum": ["A", "B"]}, Shape.CHOICE),
        ({"enum": ["A"]}, Shape.CHOICE),
        ({"type": "array", "items": {"type": "string"}}, Shape.LIST),
        ({"type": "array"}, Shape.LIST),
        ({"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}, Shape.ROWS),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, Shape.OBJECT),
    ],
)
def test_shapes(spec: dict[str, Any], shape: Shape) -> None:
    found = one(spec)
    assert found is not None and found.shape is shape


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "string", "readonly": True},
        {"type": "string", "fieldStatus": "sunset"},
        {"type": "string", "fieldStatus": "private_preview"},
        {"type": "string", "fieldStatus": "development"},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string", "readonly": True}}}},
        {"type": "something new"},
        {},
        "text",
        None,
    ],
)
def test_what_cannot_be_asked_for_is_left_out(spec: Any) -> None:
    assert one(spec) is None


@pytest.mark.parametrize("name", ["a__b", "_a", "a_", "a.b", "a b", "1a", "ä", "", "a" * 81])
def test_a_name_that_no_control_can_bear_is_left_out(name: str) -> None:
    assert one({"type": "string"}, name) is None


def test_the_naming_keys_have_fields_of_their_own() -> None:
    keys = ("schema", "table", "table_group_name", "schema_prefix", "other")
    assert [p.name for p in parse({"properties": {k: {"type": "string"} for k in keys}}).properties] == ["other"]


def test_secrets_are_named_and_never_offered() -> None:
    config = parse(
        {
            "properties": {
                "host": {"type": "string"},
                "passcode": {"type": "string", "title": "Pass code", "format": "password"},
                "api_token": {"type": "string"},
                "pats": {"type": "array", "items": {"type": "string"}},
                "store": {
                    "type": "object",
                    "properties": {
                        "bucket": {"type": "string"},
                        "connection_string": {"type": "string", "format": "password"},
                    },
                },
                "pairs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"key": {"type": "string"}, "value": {"type": "string", "format": "password"}},
                    },
                },
                "is_private_key_encrypted": {"type": "boolean"},
                "token_url_region": {"enum": ["EU", "US"]},
            }
        }
    )
    assert [path for path, _ in leaves(config.properties)] == [
        "config.host",
        "config.store.bucket",
        "config.is_private_key_encrypted",
        "config.token_url_region",
    ]
    assert config.secrets == (
        ("passcode", "Pass code"),
        ("api_token", "API token"),
        ("pats", "Pats"),
        ("store.connection_string", "Connection string"),
        ("pairs", "Pairs"),
    )
    assert config.is_secret("pairs.0.value") and config.is_secret("store.connection_string")
    assert not config.is_secret("store.bucket") and not config.is_secret("host")


def test_words() -> None:
    assert words_of("tunnel_host") == "Tunnel host"
    assert words_of("oauth_client_id") == "OAuth client ID"
    found = one(
        {
            "type": "string",
            "title": "<b>Host</b>",
            "description": "The <a href='javascript:x'>host</a> of [the `database`](https://x.example/a#b).<br>"
            "**Not** an IP &amp; port",
            "example": "db.example.com",
        }
    )
    assert found is not None
    assert found.label == "Host"
    assert found.help == "The host of the database. Not an IP & port. Example: db.example.com"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"type": "string", "description": "thing"}, ""),
        ({"type": "string", "example": "string"}, ""),
        ({"type": "array", "items": {"type": "string"}, "example": ["a", "b", "c", "d"]}, "Example: a, b, c"),
        ({"enum": ["A", "B"], "example": "A | B", "description": "How."}, "How."),
        ({"type": "integer", "example": 5432}, "Example: 5432"),
    ],
)
def test_help(spec: dict[str, Any], words: str) -> None:
    found = one(spec)
    assert found is not None and found.help == words


def test_texts_are_cut_at_a_word() -> None:
    found = one({"type": "string", "title": "word " * 100, "description": "word " * 500})
    assert found is not None
    assert len(found.label) <= 80 and found.label.endswith("word…")
    assert len(found.help) <= 420


KEYS = "type title description example readonly enum items properties required format fieldStatus a b"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS.split()) | st.text(max_size=5),
            inner | st.sampled_from(["string", "array", "object", "integer", "password", "sunset"]),
            max_size=6,
        )
    ),
    max_leaves=40,
)


@given(JSON)
def test_no_answer_breaks_it(answer: Any) -> None:
    config = parse(answer)
    assert isinstance(config, Config)
    for path, part in leaves(config.properties):
        assert part.label and len(part.label) <= 80 and "\n" not in part.help
        assert "__" not in path and not config.is_secret(path.removeprefix("config."))


@pytest.mark.parametrize("required", [[{"a": 1}], [[1]], [None, 7], {"schema": 1}, "schema", None], ids=str)
def test_odd_names_of_what_is_required_break_no_form(required: Any) -> None:
    assert naming_keys_of({"required": required, "properties": {}}) == ("schema",)


@given(st.text(max_size=300))
def test_plain_text_is_one_line_without_tags(text: str) -> None:
    assert plain_text(text) == " ".join(plain_text(text).split())


def test_nesting_has_an_end() -> None:
    spec: dict[str, Any] = {"type": "string"}
    for _ in range(50):
        spec = {"type": "object", "properties": {"deeper": spec}}
    assert parse({"properties": {"a": spec}}).properties == ()


# Marked as secrets by Fivetran, though their names say nothing of the kind: only the metadata can tell.
ONLY_BY_METADATA = {
    *("access_key_id", "api_user_identifier", "api_username", "app_id", "audience", "business_id", "certificate_id"),
    *("client_id", "client_name", "container_name", "hostname", "key", "primary_key", "public_key"),
    *("query_param_value", "role_arn", "s3_export_role_arn", "s3_role_arn", "s3role_arn", "short_code", "tenant_id"),
    *("username", "value"),
}


@pytest.mark.skipif(not SERVICES.exists(), reason="the list of Fivetran's services is not at hand")
def test_the_secrets_of_all_services_are_known_by_name() -> None:
    secret: set[str] = set()
    other: set[str] = set()

    def walk(properties: Any) -> None:
        for name, spec in (properties or {}).items():
            if isinstance(spec, dict):
                (secret if spec.get("secret") else other).add(name)
                walk(spec.get("properties"))
                walk(spec["items"] if isinstance(spec.get("items"), dict) else {})

    for service in json.loads(gzip.decompress(SERVICES.read_bytes()))["services"].values():
        walk(service["config"])
        walk(service["auth"])
    assert len(secret) > 100
    assert {name for name in secret if not is_secret(name)} == ONLY_BY_METADATA
    taken_for_secrets = {name for name in other - secret if is_secret(name)}
    assert all(any(w in name for w in ("key", "cert", "cred", "token", "secret", "pats")) for name in taken_for_secrets)
    assert len(taken_for_secrets) < 30, taken_for_secrets
