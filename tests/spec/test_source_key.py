"""What a connection reads: one key for one source, however it is written; none where the config does not tell."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from connections.spec.payloads import MASK
from connections.spec.source_key import source_key, source_of


@pytest.mark.parametrize(
    ("service", "config", "what", "value"),
    [
        ("postgres", {"host": "DB.Example.com.", "port": 5432, "database": "crm"}, "host", "db.example.com"),
        ("mongo", {"hosts": ["b.example.com:27017", "a.example.com"]}, "host", "a.example.com,b.example.com"),
        (
            "google_sheets",
            {"sheet_id": "https://docs.google.com/spreadsheets/d/1AbC_d-2/edit#gid=0"},
            "sheet",
            "1AbC_d-2",
        ),
        ("google_sheets", {"sheet_id": " 1AbC_d-2 "}, "sheet", "1AbC_d-2"),
        ("s3", {"bucket": "s3://Landing/2026", "prefix": "a"}, "bucket", "landing"),
        ("google_drive", {"folder_id": "https://drive.google.com/drive/folders/1Fo?usp=sharing"}, "folder", "1Fo"),
        ("google_ads", {"customer_id": "123-456-7890"}, "account", "1234567890"),
        ("facebook_ads", {"accounts": ["act_7", "9"]}, "account", "7,9"),
        ("activecampaign", {"sub_domain": "https://acme.example.com/x"}, "site", "acme"),
        ("zendesk", {"domain": "Acme.zendesk.com"}, "site", "acme.zendesk.com"),
        ("jira", {"host": "https://acme.atlassian.net/", "projects": ["A"]}, "host", "acme.atlassian.net"),
        (
            "postgres",
            {"host": "localhost", "tunnel_host": "bastion.example.com"},
            "host",
            "localhost behind bastion.example.com",
        ),
    ],
)
def test_the_source_that_a_config_names(service: str, config: dict[str, Any], what: str, value: str) -> None:
    found = source_of(service, config)
    assert found is not None
    assert (found.what, found.value, len(found.key)) == (what, value, 64)


@pytest.mark.parametrize(
    ("service", "config"),
    [
        ("salesforce", {"schema": "crm"}),
        ("postgres", {}),
        ("postgres", {"host": ""}),
        ("postgres", {"host": MASK}),
        ("postgres", {"host": "localhost"}),
        ("postgres", {"host": "127.0.0.1:5432", "tunnel_host": ""}),
        ("postgres", {"host": {"name": "x"}}),
        ("postgres", {"host": True}),
        ("postgres", {"host": "x" * 501}),
        ("", {"host": "db.example.com"}),
    ],
)
def test_a_config_that_does_not_tell(service: str, config: dict[str, Any]) -> None:
    assert source_of(service, config) is None
    assert source_key(service, config) == ""


def test_services_for_one_kind_of_server_share_their_sources() -> None:
    config = {"host": "db.example.com"}
    assert source_key("postgres", config) == source_key("postgres_rds", {"host": "DB.example.com:5432"})
    assert source_key("postgres", config) != source_key("mysql", config)
    assert source_key("postgres", config) != source_key("postgres", {"host": "db2.example.com"})
    assert source_key("google_sheets", {"sheet_id": "AbC"}) != source_key("google_sheets", {"sheet_id": "abc"})


def test_the_key_does_not_show_the_value() -> None:
    assert "example" not in source_key("postgres", {"host": "db.example.com"})


json = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=30),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(some.dictionaries(some.sampled_from(["host", "hosts", "accounts", "sheet_id", "bucket", "domain"]), json))
def test_any_config_has_one_key_or_none(config: dict[str, Any]) -> None:
    found = source_of("postgres", config)
    assert source_of("postgres", dict(reversed(config.items()))) == found
    assert found is None or (found.value and found.what)
