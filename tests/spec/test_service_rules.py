"""The rules that add to the metadata: which settings apply when, for the services that people use most."""

import gzip
import json
from typing import Any

import pytest

from connections.spec.rules import Effect, When, check
from connections.spec.service_rules import IN_SIGHT, METHODS, curation
from tests.processes import ROOT

SERVICES = ROOT.parent / "shared" / "fivetran" / "services.json.gz"
CURATED = tuple(json.loads((ROOT / "connections" / "spec" / "service_rules.json").read_text())["services"])
PRIVATE = "config.is_private_link_required"
POSTGRES: dict[str, tuple[str, ...]] = {
    "config.host": (),
    "config.tunnel_host": (),
    "config.tunnel_port": (),
    "config.tunnel_user": (),
    "config.connection_type": METHODS,
    "config.update_method": ("QUERY_BASED", "WAL_PGOUTPUT"),
    "config.replication_slot": (),
    "config.publication_name": (),
}


def test_tunnel_fields_only_with_a_tunnel() -> None:
    rules = curation("postgres", POSTGRES).rules
    direct = check({"networking_method": "Directly"}, rules)
    assert direct.hidden["config.tunnel_host"] == "only with networking method SshTunnel"
    assert direct.forced == {"config.connection_type": "Directly"}
    tunnel = check({"networking_method": "SshTunnel", "use_connect_card": False}, rules)
    assert "config.tunnel_host" not in tunnel.hidden
    assert {"config.tunnel_host", "config.tunnel_port", "config.tunnel_user"} <= set(tunnel.required)
    assert tunnel.forced == {"config.connection_type": "SshTunnel"}
    card = check({"networking_method": "SshTunnel", "use_connect_card": True}, rules)
    assert "config.tunnel_host" in card.required, "a tunnel without its host is none, whoever enters the rest"
    assert "config.tunnel_port" not in card.required, "the source owner may enter it in the card"


def test_a_replication_slot_only_with_its_method() -> None:
    rules = curation("postgres", POSTGRES).rules
    assert "config.replication_slot" in check({"config.update_method": "QUERY_BASED"}, rules).hidden
    assert "config.replication_slot" in check({}, rules).hidden
    shown = check({"config.update_method": "WAL_PGOUTPUT"}, rules)
    assert "config.replication_slot" not in shown.hidden and "config.replication_slot" in shown.required


def test_what_hangs_on_a_hidden_setting_is_hidden_too() -> None:
    known = dict.fromkeys(
        ("config.update_method", "config.binary_log_type", "config.backup_storage_type", "config.backup_log_path"), ()
    )
    rules = curation("sql_server", known).rules
    answers = {
        "config.update_method": "TELEPORT",
        "config.binary_log_type": "BACKUP",
        "config.backup_storage_type": "ALTERNATE_LOCATION",
    }
    assert "config.backup_log_path" in check(answers, rules).hidden
    assert "config.backup_log_path" not in check(answers | {"config.update_method": "BINARY_LOG_READER"}, rules).hidden


def test_a_rule_about_an_unknown_setting_is_dropped() -> None:
    without_method = {path: () for path in POSTGRES if path != "config.update_method"}
    paths = {rule.path for rule in curation("postgres", without_method).rules}
    assert "config.replication_slot" not in paths and "config.tunnel_host" in paths


@pytest.mark.parametrize(
    ("listed", "spelled"),
    [
        (("DIRECT", "PRIVATE_LINK", "SSH_TUNNEL"), {"Directly": "DIRECT", "PrivateLink": "PRIVATE_LINK"}),
        (("direct", "privatelink"), {"Directly": "direct", "PrivateLink": "privatelink", "SshTunnel": None}),
        (("Directly", "SshTunnel"), {"SshTunnel": "SshTunnel", "ProxyAgent": None}),
    ],
)
def test_the_networking_method_in_the_spelling_of_the_service(
    listed: tuple[str, ...], spelled: dict[str, str | None]
) -> None:
    rules = curation("anything", {"config.connection_method": listed}).rules
    for method, value in spelled.items():
        assert check({"networking_method": method}, rules).forced.get("config.connection_method") == value


def test_services_without_rules_of_their_own_have_those_of_all() -> None:
    paths = {rule.path for rule in curation("unheard_of", POSTGRES).rules if rule.effect in IN_SIGHT}
    assert paths == {"config.tunnel_host", "config.tunnel_port", "config.tunnel_user"}
    assert curation("unheard_of", POSTGRES).in_sight == ()


def test_the_fifteen_services_that_people_use_most() -> None:
    most = "postgres mysql sql_server oracle mongo google_sheets s3 gcs sftp salesforce hubspot stripe google_ads"
    assert set(most.split()) | {"facebook_ads", "snowflake_db"} <= set(CURATED)


def test_a_rule_whose_values_the_service_does_not_offer_is_dropped() -> None:
    listed = {**POSTGRES, "config.update_method": ("XMIN", "TELEPORT"), "config.auth_method": ("PASSWORD",)}
    paths = {rule.path for rule in curation("heroku_postgres", {**listed, "config.entra_app_id": ()}).rules}
    assert not paths & {"config.replication_slot", "config.publication_name", "config.entra_app_id"}
    assert "config.tunnel_host" in paths
    open_list = {**POSTGRES, "config.update_method": ()}  # any value may be typed
    assert "config.replication_slot" in {rule.path for rule in curation("postgres", open_list).rules}


def test_advice_hides_what_is_empty_and_warns_of_what_is_filled() -> None:
    rules = curation("postgres", POSTGRES).rules
    filled = check({"config.update_method": "QUERY_BASED", "config.replication_slot": "slot"}, rules)
    assert "config.replication_slot" not in filled.hidden
    assert "only with update method WAL_PGOUTPUT" in filled.warned["config.replication_slot"]
    told_no = check({"config.is_private_link_required": False}, curation("s3", {**POSTGRES, PRIVATE: ()}).rules)
    assert PRIVATE in told_no.warned and PRIVATE not in told_no.hidden, "no is an answer too"
    files = {"config.files": (), "config.file_mapping_method": ("EXTRACT_TABLES", "DEFINE_PER_TABLE")}
    entry = check({"config.files.0.table_name": "one"}, curation("s3", files).rules)
    assert "config.files" in entry.warned and "config.files" not in entry.hidden
    tunnel = check({"networking_method": "Directly", "config.tunnel_host": "bastion"}, rules)
    assert "config.tunnel_host" in tunnel.hidden, "this one is certain"


def satisfiable(whens: tuple[When, ...], choices: dict[str, tuple[str, ...]]) -> bool:
    """Whether some answers fulfil all of `whens`, each answer one that is listed where a list is known."""
    for path in {when.path for when in whens}:
        mine = [when for when in whens if when.path == path]
        listed = METHODS if path == "networking_method" else choices.get(path, ())
        asked = [set(when.values) for when in mine if not when.negate]
        barred = {value for when in mine if when.negate for value in when.values}
        possible = set.intersection(*asked) if asked else {*listed, None}  # nothing said is an answer too
        if not (possible & set(listed) if listed and asked else possible) - barred:
            return False
    return True


@pytest.mark.skipif(not SERVICES.exists(), reason="the list of Fivetran's services is not at hand")
def test_every_setting_of_every_service_can_come_into_sight() -> None:
    published = json.loads(gzip.decompress(SERVICES.read_bytes()))["services"]
    assert len(published) > 700
    judged, never = 0, []
    for service, told in published.items():
        listed = {f"config.{name}": tuple(spec.get("enum") or ()) for name, spec in told["config"].items()}
        for rule in curation(service, listed).rules:
            if rule.effect in IN_SIGHT or rule.effect is Effect.REQUIRED:
                judged += 1
                if not satisfiable(rule.when, listed):
                    never.append((service, rule.path))
    assert never == [] and judged > 300


@pytest.mark.skipif(not SERVICES.exists(), reason="the list of Fivetran's services is not at hand")
def test_every_field_and_value_in_the_file_exists_at_fivetran() -> None:
    published = json.loads(gzip.decompress(SERVICES.read_bytes()))["services"]
    for service in CURATED:
        listed = {f"config.{name}": tuple(spec.get("enum", ())) for name, spec in published[service]["config"].items()}
        assert curation(service, listed).in_sight, service
    own: dict[str, Any] = json.loads((ROOT / "connections" / "spec" / "service_rules.json").read_text())
    for service, entry in own["services"].items():
        config = published[service]["config"]
        assert set(entry.get("in_sight", ())) <= set(config), service
        for rule in entry.get("rules", ()):
            assert set(rule["fields"]) <= set(config), service
            for name, values in {**rule.get("only", {}), **rule.get("unless", {})}.items():
                kind = config[name]
                assert kind.get("type") == "boolean" or set(values) <= set(kind["enum"]), (service, name)
