"""The settings of a service in the form: drawn from its metadata, judged by curated rules, sent as nested config."""

import html
import re
from collections.abc import Iterable
from typing import Any

import pytest
from django.test import Client

from connections.catalog.metadata import Property, Shape, leaves, parse
from connections.forms import Purpose, RequestForm
from connections.models import CatalogEntry, ConnectionRequest, Kind
from connections.sandbox import catalog as sandbox_catalog
from connections.spec import payloads
from connections.states import Status
from tests import catalogs, factories
from tests.contract import openapi

pytestmark = pytest.mark.django_db

NEW = "/requests/new/"
ANY = {"group_id": "projected_sickle", "reason": "Weekly sales report", "run_setup_tests": "on"}
POSTGRES = {**ANY, "service": "postgres", "config__schema_prefix": "crm"}
S3 = {**ANY, "service": "s3", "config__schema": "files", "config__table_group_name": "invoices"}


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form that knows the settings of the services."""
    catalogs.offered()
    catalogs.told()
    return as_user("requester")


def page(response: Any) -> str:
    """The answer's HTML; it has to be a page."""
    assert response.status_code == 200
    return str(response.content.decode())


def sent(client: Client, post: dict[str, str]) -> dict[str, Any]:
    """`config` of the request that `post` makes; it has to be accepted."""
    response = client.post(NEW, post)
    assert response.status_code == 302, re.findall(r'field-error">.*?</div>', page(response), re.S)
    config = (ConnectionRequest.objects.latest("pk").payload or {})["config"]
    assert isinstance(config, dict)
    return config


def errors(post: dict[str, str]) -> dict[str, list[str]]:
    """What the form says to `post` when it is submitted."""
    return {name: [str(w) for w in words] for name, words in RequestForm.from_post(post, Purpose.SUBMIT).errors.items()}


# --- what is drawn ---------------------------------------------------------------------------------------------------
def test_settings_are_drawn_from_the_metadata(client: Client) -> None:
    text = page(client.get(f"{NEW}?service=postgres"))
    for name in ("host", "port", "database", "user", "update_method", "replication_slot", "entra_app_id"):
        assert f'name="config__{name}"' in text, name
    for secret in ("password", "client_private_key"):
        assert f'name="config__{secret}"' not in text
    assert re.search(r"Fivetran asks the source owner for:[^.]*Password[^.]*Client private key", text)
    assert 'name="config__connection_type"' not in text, "it follows the networking method"
    assert text.index('id="id_config__host"') < text.index('id="group_source"') < text.index("id_config__entra_app_id")


def test_the_fragment_brings_the_controls_and_their_rules(client: Client) -> None:
    texts = {"service": "postgres", "config__host": "db.example.com", "config__schema_prefix": "crm"}
    for text in (page(client.get("/requests/new/config/", texts)), page(client.post("/requests/new/config/", texts))):
        assert 'value="db.example.com"' in text
        assert "only with update method WAL_PGOUTPUT" in html.unescape(text)


def test_foreign_words_are_texts(client: Client) -> None:
    hostile = {
        "a": {"type": "string", "title": "<script>x</script>", "description": '"><img src=x onerror=alert(1)>'},
        "b": {"enum": ["<b>", "'\""]},
        "</script><script>alert(1)</script>": {"type": "string"},
    }
    catalogs.tell("salesforce", hostile)
    text = page(client.get(f"{NEW}?service=salesforce"))
    assert "<img" not in text and "alert(1)" not in text and "&lt;b&gt;" in text


def test_no_metadata_no_settings(client: Client) -> None:
    text = page(client.get(f"{NEW}?service={catalogs.UNTOLD}&config__host=x"))
    assert 'name="config__host"' not in text
    assert "Fivetran has not told the settings of this service: config.host is left out" in text


# --- what is sent ----------------------------------------------------------------------------------------------------
def test_types_are_those_of_the_metadata(client: Client) -> None:
    config = sent(
        client,
        {
            **POSTGRES,
            "config__host": " db.example.com ",
            "config__port": "5432",
            "config__always_encrypted": "false",
            "config__update_method": "QUERY_BASED",
        },
    )
    assert config == {
        "schema_prefix": "crm",
        "host": "db.example.com",
        "port": 5432,
        "always_encrypted": False,
        "update_method": "QUERY_BASED",
        "connection_type": "Directly",
    }


def test_nothing_hidden_is_sent_and_drafts_keep_it(client: Client) -> None:
    post = {**POSTGRES, "config__tunnel_host": "bastion"}
    assert "tunnel_host" not in sent(client, post)
    client.post(NEW, {**post, "action": "draft"})
    draft = ConnectionRequest.objects.get(status=Status.DRAFT)
    assert draft.values["config.tunnel_host"] == "bastion"
    assert 'value="bastion"' in page(client.get(f"/requests/{draft.pk}/edit/"))


def test_a_tunnel_needs_its_host_and_the_rest_unless_the_card_asks(client: Client) -> None:
    tunnel = {**POSTGRES, "networking_method": "SshTunnel"}
    found = errors(tunnel)
    assert found["config__tunnel_host"] == ["Enter the tunnel host"] or "config__tunnel_host" in found
    assert {"config__tunnel_port", "config__tunnel_user"} <= set(found)
    assert errors({**tunnel, "use_connect_card": "on"}) == {"config__tunnel_host": ["Enter the SSH host"]}
    filled = {"config__tunnel_host": "bastion", "config__tunnel_port": "22", "config__tunnel_user": "fivetran"}
    config = sent(client, {**tunnel, **filled})
    assert (config["connection_type"], config["tunnel_port"]) == ("SshTunnel", 22)


REFUSED = [
    ("config__port", "many", "Enter a whole number"),
    ("config__port", "9" * 5000, "Enter a whole number"),
    ("config__port", "9" * 30, "Enter 9007199254740991 or less"),
    ("config__always_encrypted", "perhaps", "Choose one of: true, false"),
    ("config__host", "h" * 2001, "Use 2,000 characters or fewer. These are 2,001."),
    ("config__update_method", "X" * 2001, ""),
]


@pytest.mark.parametrize(("name", "text", "words"), REFUSED)
def test_a_refused_value_is_named_and_kept(client: Client, name: str, text: str, words: str) -> None:
    found = errors({**POSTGRES, name: text})
    assert list(found) == [name] and found[name][0].startswith(words)
    shown = page(client.post(NEW, {**POSTGRES, name: text}))
    assert f'id="id_{name}_error"' in shown and text[:80] in shown
    client.post(NEW, {**POSTGRES, name: text, "action": "draft"})
    assert ConnectionRequest.objects.get().values[name.replace("__", ".")] == text


def test_a_value_that_is_not_listed_is_warned_of_and_sent(client: Client) -> None:
    shown = page(client.get(f"{NEW}?service=postgres&config__update_method=XMIN"))
    assert "Fivetran does not list this value" in shown
    assert re.search(r'<option value="XMIN" selected', shown)
    assert sent(client, {**POSTGRES, "config__update_method": "XMIN"})["update_method"] == "XMIN"


@pytest.mark.parametrize("name", ["password", "client_private_key", "api_key", "connection_string", "pats"])
@pytest.mark.parametrize("action", ["submit", "draft"])
def test_secrets_are_refused_by_name(client: Client, name: str, action: str) -> None:
    shown = page(client.post(NEW, {**POSTGRES, f"config__{name}": "hunter2", "action": action}))
    assert f"Leave out {name}" in shown and "hunter2" not in shown
    assert not ConnectionRequest.objects.exists()


@pytest.mark.parametrize("name", ["config__oddly_named", "config__pairs__0__value", "config__box__inner"])
def test_secrets_are_refused_by_the_metadata(client: Client, name: str) -> None:
    secret = {"type": "string", "format": "password"}
    pairs = {"type": "object", "properties": {"key": {"type": "string"}, "value": secret}}
    box = {"type": "object", "properties": {"inner": secret, "open": {"type": "string"}}}
    told = {"oddly_named": secret, "pairs": {"type": "array", "items": pairs}, "box": box}
    catalogs.tell("salesforce", told)
    post = {**ANY, "service": "salesforce", "config__schema": "crm", name: "hunter2", "config__box__open": "yes"}
    for answer in (client.post(NEW, post), client.post(NEW, {**post, "action": "draft"}), client.get(NEW, post)):
        assert "Leave out" in page(answer) and "hunter2" not in page(answer)
    assert not ConnectionRequest.objects.exists()
    del post[name]
    assert sent(client, post) == {"schema": "crm", "box": {"open": "yes"}}


def test_a_refused_value_that_is_not_listed_either_is_described_by_both(client: Client) -> None:
    shown = page(client.get(f"{NEW}?service=postgres&config__update_method={'X' * 2001}"))
    named = re.search(r'<select[^>]*name="config__update_method"[^>]*aria-describedby="([^"]*)"', shown)
    named = named or re.search(r'<select[^>]*aria-describedby="([^"]*)"[^>]*name="config__update_method"', shown)
    assert named and {"id_config__update_method_error", "id_config__update_method_warning"} <= set(named[1].split())
    assert 'id="id_config__update_method_error"' in shown


# --- names in an external secrets manager ----------------------------------------------------------------------------
MANAGED = {"external_secrets_manager_id": "esm_one", "external_secrets_keys_config__password": "CRM_PASSWORD"}


@pytest.fixture
def managed() -> None:
    """PostgreSQL as Fivetran tells of it: its user and password may stand in the company's own manager."""
    entry = CatalogEntry.objects.get(kind=Kind.SERVICE, fivetran_id="postgres")
    told = {"type": "string", "description": "ESM key for the user's password.", "example": "PASSWORD_KEY"}
    keys = {"type": "object", "properties": {"password": told, "user": {"type": "string"}, "bad name": {}}}
    entry.detail = {**(entry.detail or {}), "external_secrets_keys_config": keys}
    entry.save()


def test_names_in_a_secrets_manager_pass(client: Client, managed: None) -> None:
    shown = page(client.get(f"{NEW}?service=postgres"))
    assert 'name="external_secrets_keys_config__password"' in shown and "bad name" not in shown
    assert "Password: its name in the secrets manager" in shown
    answer = client.post(NEW, {**POSTGRES, **MANAGED})
    assert answer.status_code == 302
    body = ConnectionRequest.objects.get().payload or {}
    assert body["external_secrets_manager_id"] == "esm_one"
    assert body["external_secrets_keys_config"] == {"password": "CRM_PASSWORD"}
    assert payloads.masked(body) == body, "the approver sees the names"
    assert "CRM_PASSWORD" in page(client.get(answer["Location"]))
    for copy in ("clone", "edit"):
        assert 'value="CRM_PASSWORD"' in page(client.get(f"{answer['Location']}{copy}/"))


@openapi.needed
def test_names_in_a_secrets_manager_are_as_fivetran_wants_them(client: Client, managed: None) -> None:
    body = payloads.build_body(RequestForm.from_post({**POSTGRES, **MANAGED}, Purpose.SUBMIT).values())
    assert openapi.schema_errors("postgres_NewConnectorRequestV1", body) == []


def test_without_a_manager_no_name_is_sent(client: Client, managed: None) -> None:
    name = {"external_secrets_keys_config__password": "CRM_PASSWORD"}
    assert client.post(NEW, {**POSTGRES, **name}).status_code == 302
    assert "external_secrets_keys_config" not in (ConnectionRequest.objects.get().payload or {})
    assert "only with an external secrets manager" in page(client.get(NEW, {"service": "postgres", **name}))
    assert "This service takes no such name" in page(client.get(NEW, {"service": "salesforce", **MANAGED}))


# --- links -----------------------------------------------------------------------------------------------------------
def test_a_link_sets_settings(client: Client) -> None:
    link = "service=s3&config__bucket=b&config__file_mapping_method=DEFINE_PER_TABLE&config__files__3__file_pattern=x"
    shown = page(client.get(f"{NEW}?{link}"))
    assert re.search(r'name="config__bucket" value="b"', shown)
    assert re.search(r'name="config__files__0__file_pattern" value="x"', shown)
    assert "There is a problem" not in shown


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("config__nonsense=1", "This service has no setting nonsense: it is left out"),
        ("config__tunnel_host=h", "This applies only with networking method SshTunnel"),
        ("config__port=x", "Enter a whole number"),
        (
            "config__connection_type=SshTunnel&networking_method=Directly",
            "config.connection_type is SshTunnel in the link",
        ),
        ("destination_schema_names=SOURCE_NAMING", "FIVETRAN_NAMING always, whatever the link says"),
    ],
)
def test_a_link_says_what_does_not_fit(client: Client, query: str, words: str) -> None:
    assert words in page(client.get(f"{NEW}?service=postgres&{query}"))


def test_a_link_may_repeat_what_follows(client: Client) -> None:
    same = "config__connection_type=SshTunnel&networking_method=SshTunnel&destination_schema_names=FIVETRAN_NAMING"
    assert "There is a problem" not in page(client.get(f"{NEW}?service=postgres&{same}"))


def test_without_a_script_a_control_says_when_it_counts(client: Client) -> None:
    shown = page(client.get(f"{NEW}?service=postgres"))
    for words in ("networking method SshTunnel", "update method WAL_PGOUTPUT", "networking method PrivateLink"):
        assert re.search(rf'<noscript>\s*<div class="form-text">Counts only with {words}\.</div>', shown)


# --- lists of objects ------------------------------------------------------------------------------------------------
def test_entries_of_a_list(client: Client) -> None:
    files = {
        "config__file_mapping_method": "DEFINE_PER_TABLE",
        "config__files__0__file_pattern": ".*",
        "config__files__0__table_name": "one",
        "config__files__1__file_pattern": "",
        "config__files__7__file_pattern": "b",
    }
    config = sent(client, {**S3, **files})
    assert config["files"] == [{"file_pattern": ".*", "table_name": "one"}, {"file_pattern": "b"}]
    conn_request = ConnectionRequest.objects.get()
    shown = page(client.get(f"/requests/{conn_request.pk}/clone/"))
    assert 'name="config__files__1__file_pattern" value="b"' in shown


def test_entries_are_added_and_removed_without_a_script(client: Client) -> None:
    two = {"config__files__0__file_pattern": "first", "config__files__1__file_pattern": "second"}
    added = page(client.post(NEW, {**S3, **two, "action": "add:config__files"}))
    assert 'name="config__files__2__file_pattern"' in added and 'name="config__files__3__' not in added
    removed = page(client.post(NEW, {**S3, **two, "action": "remove:config__files__0"}))
    assert 'name="config__files__0__file_pattern" value="second"' in removed
    assert 'name="config__files__1__' not in removed
    assert not ConnectionRequest.objects.exists()


def test_too_many_entries_are_refused_not_forgotten(client: Client) -> None:
    many = {f"config__files__{number}__file_pattern": "x" for number in range(101)}
    post = {**S3, "config__file_mapping_method": "DEFINE_PER_TABLE", **many}
    for action in ("submit", "draft"):
        assert "Use 100 entries or fewer in a list" in page(client.post(NEW, {**post, "action": action}))
    assert not ConnectionRequest.objects.exists()
    del post["config__files__0__file_pattern"]
    assert len(sent(client, post)["files"]) == 100


def test_a_needed_list_needs_an_entry(client: Client) -> None:
    method = {"config__file_mapping_method": "DEFINE_PER_TABLE"}
    found = errors({**S3, **method})
    assert found == {"config__files__0__table_name": ["Enter the table name"]}, "what an entry is about comes first"
    shown = page(client.post(NEW, {**S3, **method}))
    assert re.search(r'alert-link" href="#id_config__files__0__\w+">Files 1: ', shown)
    assert sent(client, {**S3, "config__files__0__file_pattern": "x"})["files"] == [{"file_pattern": "x"}]


def test_lists_of_values(client: Client) -> None:
    told = {
        "hosts": {"type": "array", "items": {"type": "string"}},
        "numbers": {"type": "array", "items": {"type": "integer"}},
    }
    catalogs.tell("salesforce", told)
    post = {**ANY, "service": "salesforce", "config__schema": "crm"}
    lists = {"config__hosts": "a\r\n\r\n b \r\n", "config__numbers": "1\n2"}
    assert sent(client, {**post, **lists}) == {"schema": "crm", "hosts": ["a", "b"], "numbers": [1, 2]}
    assert errors({**post, "config__numbers": "1\ntwo"}) == {"config__numbers": ["Line 2: enter a whole number"]}
    shown = page(client.get(f"/requests/{ConnectionRequest.objects.get().pk}/edit/"))
    assert re.search(r'name="config__hosts"[^>]*>\s*a\nb</textarea>', shown)


def test_a_required_setting_stands_in_sight_and_is_asked_for(client: Client) -> None:
    catalogs.tell("salesforce", {"domain": {"type": "string"}, "more": {"type": "string"}}, required=["domain"])
    post = {**ANY, "service": "salesforce", "config__schema": "crm"}
    assert errors(post) == {"config__domain": ["Enter the domain"]}
    shown = page(client.get(f"{NEW}?service=salesforce"))
    assert shown.index("id_config__domain") < shown.index('id="group_source"') < shown.index("id_config__more")


def test_the_next_service_takes_what_has_the_same_key(client: Client) -> None:
    conn_request = factories.draft(service="postgres", config__host="db", config__schema_prefix="crm")
    form = RequestForm.from_values({**conn_request.values, "service": "s3", "config.prefix": "p"})
    assert form.values()["config.prefix"] == "p" and "config.host" not in form.values()


# --- every service ---------------------------------------------------------------------------------------------------
def filled(properties: Iterable[Property], prefix: str = "config", *, last: bool = False) -> dict[str, str]:
    """Texts for every setting, as a person could type them; `last` chooses the last value of each list."""
    texts: dict[str, str] = {}
    for path, part in leaves(properties, prefix):
        name = path.replace(".", "__")
        if part.shape is Shape.ROWS:
            for number in range(2):
                texts |= filled(part.properties, f"{path}.{number}", last=last)
            continue
        plain = {Shape.WHOLE: "5", Shape.NUMBER: "0.5", Shape.FLAG: "false" if last else "true"}
        if part.choices:
            texts[name] = part.choices[-1 if last else 0]
        elif part.shape is Shape.LIST:
            texts[name] = "\n".join([plain.get(part.item, "one")] * 2)
        else:
            texts[name] = plain.get(part.shape, "some text")
    return texts


def completed(properties: dict[str, Any], published: dict[str, Any]) -> dict[str, Any]:
    """`properties` with what the list of services leaves out of Fivetran's OpenAPI file: the values of list items."""
    found = {}
    for name, spec in properties.items():
        own, items = published.get(name, {}), dict(spec.get("items") or {})
        items |= {key: own["items"][key] for key in ("enum", "type") if key in own.get("items", {})}
        if "properties" in items:
            items["properties"] = completed(items["properties"], own.get("items", {}).get("properties", {}))
        found[name] = {**spec, "items": items} if items else spec
    return found


@openapi.needed
def test_a_request_for_every_service_is_as_fivetran_wants_it(client: Client) -> None:
    services = list(sandbox_catalog.load(openapi.FOLDER / "services.json.gz"))
    assert len(services) == len(openapi.read("services.json.gz")["services"])
    schemas = openapi.document()["components"]["schemas"]
    CatalogEntry.objects.filter(kind=Kind.SERVICE).delete()
    wrong: dict[str, Any] = {}
    settings = 0
    for service in services:
        published = schemas[f"{service.id}_config_V1"].get("properties", {}).get("config", {}).get("properties", {})
        catalogs.tell(service.id, completed(service.config, published), required=service.naming)
        raw = (CatalogEntry.objects.get(fivetran_id=service.id).detail or {})["config"]
        names = {f"config__{key}": "cells" for key in service.naming}
        has_choices = any(part.choices or part.properties for _, part in leaves(parse(raw).properties))
        for last, method in ((False, "Directly"), (True, "SshTunnel"))[: 1 + has_choices]:
            texts = {**ANY, "service": service.id, "networking_method": method, **names}
            form = RequestForm.from_post({**texts, **filled(parse(raw).properties, last=last)}, Purpose.SUBMIT)
            body = payloads.build_body(form.values())
            settings += len(body["config"])
            found = [*form.errors.items(), *openapi.schema_errors(f"{service.id}_NewConnectorRequestV1", body)]
            shape = {key for key in ("schema", "table", "table_group_name", "schema_prefix") if key in body["config"]}
            if found or shape != set(service.naming):
                wrong[service.id] = (found, shape)
        CatalogEntry.objects.filter(fivetran_id=service.id).delete()  # a list of hundreds would only take time here
    assert wrong == {}
    assert settings > 4 * len(services), "the settings are really in the bodies"
