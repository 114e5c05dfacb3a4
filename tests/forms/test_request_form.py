"""The request form: what it refuses and with which words, what it drops, what it never loses."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from connections.models import CatalogEntry, ConnectionRequest, Kind
from connections.spec.fields import FIELDS
from connections.states import Status
from tests import catalogs, factories

pytestmark = pytest.mark.django_db

NEW = "/requests/new/"
COMPLETE = {
    "service": "google_sheets",
    "group_id": "projected_sickle",
    "config__schema": "sales",
    "config__table": "orders",
    "reason": "Weekly sales report",
    "run_setup_tests": "on",
}


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form that knows what Fivetran offers."""
    catalogs.offered()
    return as_user("requester")


def page(response: Any) -> str:
    """The answer's HTML; it has to be a page."""
    assert response.status_code == 200
    return str(response.content.decode())


def error_of(text: str, name: str) -> str:
    """The words of the error beside control `name`; empty where there is none."""
    found = re.search(rf'<div id="id_{name}_error"[^>]*>(.*?)</div>', text, re.S)
    words = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", found[1]))) if found else ""
    return words.replace("Error:", "").strip()


def stored() -> ConnectionRequest:
    """The one request that there is."""
    return ConnectionRequest.objects.get()


def sent() -> dict[str, Any]:
    """The body of the one request that there is."""
    body = stored().payload
    assert isinstance(body, dict)
    return body


def test_a_complete_form_becomes_a_request(client: Client) -> None:
    response = client.post(NEW, COMPLETE)
    assert response["Location"] == f"/requests/{stored().pk}/"
    assert stored().state is Status.PENDING
    assert sent() == {
        "service": "google_sheets",
        "group_id": "projected_sickle",
        "sync_frequency": 360,
        "schedule_type": "auto",
        "paused": False,
        "pause_after_trial": False,
        "trust_certificates": False,
        "trust_fingerprints": False,
        "data_delay_sensitivity": "NORMAL",
        "run_setup_tests": True,
        "destination_schema_names": "FIVETRAN_NAMING",
        "config": {"schema": "sales", "table": "orders"},
    }
    assert (stored().service_name, stored().group_name) == ("Google Sheets", "Warehouse")


def test_every_field_has_a_control_with_its_name(client: Client) -> None:
    text = page(client.get(f"{NEW}?service=google_sheets"))
    for field in FIELDS:
        if not field.constant:
            assert f'name="{field.name}"' in text, field.path
    assert 'name="config__schema"' in text and 'name="config__table"' in text
    assert 'name="config__schema_prefix"' not in text
    assert "FIVETRAN_NAMING" in text


# --- refused values: an error beside the field that says what is allowed; the text stays -----------------------------
REFUSED = [
    ("service", "", "Choose a service, for example google_sheets"),
    ("service", "nonsense", "Choose one of: google_sheets, mystery, postgres, s3, salesforce"),
    ("group_id", "", "Choose a destination"),
    ("group_id", "nonsense", "Choose one of: decent_dropsy, projected_sickle"),
    ("config__schema", "", "Enter the destination schema, for example sales_eu"),
    ("config__schema", "Sales", "Use small letters a to z, digits and _, beginning with a letter or _"),
    ("config__schema", "1sales", "Use small letters a to z, digits and _, beginning with a letter or _"),
    ("config__schema", "sälés", "Use small letters a to z, digits and _, beginning with a letter or _"),
    ("config__schema", "s" * 64, "Use 63 characters or fewer. These are 64."),
    ("config__table", "", "Enter the destination table, for example orders"),
    ("config__table", "or-ders", "Use small letters a to z, digits and _, beginning with a letter or _"),
    ("reason", "", "Enter the reason for this connection"),
    ("reason", "x" * 2001, "Use 2,000 characters or fewer. These are 2,001."),
    ("source_owner", "nobody here", "Enter a username of this portal, or an e-mail address"),
    ("source_owner", "a@b", "Enter an e-mail address such as name@example.com, or a username"),
    ("sync_frequency", "7", "Choose one of: 1, 5, 15, 30, 60, 120, 180, 360, 480, 720, 1440"),
    ("sync_frequency", "", "Choose one of: 1, 5, 15, 30, 60, 120, 180, 360, 480, 720, 1440"),
    ("sync_frequency", "３６０", "Choose one of: 1, 5, 15, 30, 60, 120, 180, 360, 480, 720, 1440"),
    ("schedule_type", "cron", "Choose one of: auto, manual"),
    ("paused", "perhaps", "Choose one of: true, false"),
    ("pause_after_trial", "perhaps", "Choose one of: true, false"),
    ("trust_certificates", "perhaps", "Choose one of: true, false"),
    ("trust_fingerprints", "perhaps", "Choose one of: true, false"),
    ("run_setup_tests", "perhaps", "Choose one of: true, false"),
    ("use_connect_card", "perhaps", "Choose one of: true, false"),
    ("networking_method", "SSHTunnel", "Choose one of: Directly, PrivateLink, SshTunnel, ProxyAgent"),
    ("hybrid_deployment_agent_id", "nonsense", "Choose one of: agent_one"),
    ("data_delay_sensitivity", "normal", "Choose one of: LOW, NORMAL, HIGH, CUSTOM, SYNC_FREQUENCY"),
]
REFUSED_WITH = [
    ({"sync_frequency": "1440"}, "daily_sync_time", "05:30", "Choose one of: 00:00, 01:00, 02:00"),
    ({"sync_frequency": "1440"}, "daily_sync_time", "24:00", "Choose one of: 00:00, 01:00, 02:00"),
    ({"data_delay_sensitivity": "CUSTOM"}, "data_delay_threshold", "", "Enter the threshold in minutes, 1 or more"),
    ({"data_delay_sensitivity": "CUSTOM"}, "data_delay_threshold", "0", "Enter the threshold in minutes, 1 or more"),
    ({"data_delay_sensitivity": "CUSTOM"}, "data_delay_threshold", "-5", "Enter the threshold in minutes, 1 or more"),
    ({"data_delay_sensitivity": "CUSTOM"}, "data_delay_threshold", "1.5", "Enter the threshold in minutes, 1 or more"),
    ({"data_delay_sensitivity": "CUSTOM"}, "data_delay_threshold", "soon", "Enter the threshold in minutes, 1 or more"),
    ({"data_delay_sensitivity": "CUSTOM"}, "data_delay_threshold", "9" * 30, "Enter 2147483647 or less"),
    ({"data_delay_sensitivity": "CUSTOM"}, "data_delay_threshold", "9" * 5000, "Enter the threshold in minutes"),
    ({"networking_method": "PrivateLink"}, "private_link_id", "", "Choose the private link"),
    ({"networking_method": "PrivateLink"}, "private_link_id", "other", "Choose one of: link_one"),
    ({"networking_method": "ProxyAgent"}, "proxy_agent_id", "", "Choose the proxy agent"),
    ({"networking_method": "ProxyAgent"}, "proxy_agent_id", "other", "Choose one of: proxy_one"),
    ({"use_connect_card": "on"}, "connect_card_config__redirect_uri", "", "Enter the return address, beginning with"),
    (
        {"use_connect_card": "on"},
        "connect_card_config__redirect_uri",
        "ftp://x.org/",
        "Enter the return address, begin",
    ),
    ({"use_connect_card": "on"}, "connect_card_config__redirect_uri", "https://[", "Enter the return address, begin"),
    (
        {"use_connect_card": "on"},
        "connect_card_config__redirect_uri",
        "https://evil.example/",
        "Enter http://localhost/",
    ),
    ({"use_connect_card": "on"}, "connect_card_config__hide_setup_guide", "perhaps", "Choose one of: true, false"),
]


@pytest.mark.parametrize(("name", "text", "words"), REFUSED)
def test_a_refused_value_is_named_and_kept(client: Client, name: str, text: str, words: str) -> None:
    shown = page(client.post(NEW, {**COMPLETE, name: text}))
    assert error_of(shown, name).startswith(words)
    assert f"id_{name}_error" in (described(shown, name) or ""), "the control names its error"
    assert re.search(rf'<a class="alert-link" href="#id_{name}">', shown), "the summary links to the control"
    assert re.search(r"<title>\s*Error: New request", shown)
    assert not ConnectionRequest.objects.exists()
    if "perhaps" not in text:
        assert text == value_of(shown, name)


@pytest.mark.parametrize(("others", "name", "text", "words"), REFUSED_WITH)
def test_a_refused_conditional_value(client: Client, others: dict[str, str], name: str, text: str, words: str) -> None:
    shown = page(client.post(NEW, {**COMPLETE, **others, name: text}))
    assert error_of(shown, name).startswith(words)
    assert not ConnectionRequest.objects.exists()
    if "perhaps" not in text:
        assert value_of(shown, name) == text


def tag_of(text: str, name: str) -> str:
    """The opening tag of control `name`."""
    found = re.search(rf'<(?:input|select|textarea)[^>]*\sname="{name}"[^>]*>', text)
    return found[0] if found else ""


def described(text: str, name: str) -> str | None:
    """The control's aria-describedby."""
    found = re.search(r'aria-describedby="([^"]*)"', tag_of(text, name))
    return found[1] if found else None


def value_of(text: str, name: str) -> str | None:
    """What control `name` holds; None where it is not on the page."""
    tag = tag_of(text, name)
    if not tag:
        return None
    rest = text[text.index(tag) + len(tag) :]
    if tag.startswith("<textarea"):
        return html.unescape(rest[: rest.index("</textarea>")].removeprefix("\n"))
    if tag.startswith("<select"):
        found = re.search(r'<option value="([^"]*)" selected', rest[: rest.index("</select>")])
    elif 'type="radio"' in tag:
        found = re.search(rf'<input type="radio"\s+name="{name}"\s+value="([^"]*)"[^>]* checked>', text)
    else:
        found = re.search(r'\svalue="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


def test_spaces_around_ids_are_stripped(client: Client) -> None:
    client.post(NEW, {**COMPLETE, "service": " google_sheets ", "config__schema": "\tsales\n"})
    assert stored().values["service"] == "google_sheets"
    assert sent()["config"]["schema"] == "sales"


@pytest.mark.parametrize("owner", ["requester2", "nobody_here", "someone@example.com"])
def test_a_source_owner_is_a_user_or_an_address(client: Client, owner: str) -> None:
    client.post(NEW, {**COMPLETE, "source_owner": owner})
    assert stored().source_owner == owner


# --- conditional fields ----------------------------------------------------------------------------------------------
HIDDEN = {
    "daily_sync_time": "05:00",
    "data_delay_threshold": "90",
    "private_link_id": "link_one",
    "proxy_agent_id": "proxy_one",
    "connect_card_config__redirect_uri": "https://evil.example/",
    "connect_card_config__hide_setup_guide": "on",
}


def test_hidden_values_are_dropped(client: Client) -> None:
    assert client.post(NEW, {**COMPLETE, **HIDDEN}).status_code == 302
    assert not {"daily_sync_time", "data_delay_threshold", "private_link_id", "connect_card_config"} & set(sent())
    assert not any(path in stored().values for path in ("daily_sync_time", "private_link_id"))


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_value_is_not_judged_either(client: Client, name: str) -> None:
    assert client.post(NEW, {**COMPLETE, name: "rubbish"}).status_code == 302


def test_applicable_values_are_sent_typed(client: Client) -> None:
    more = {
        "sync_frequency": "1440",
        "daily_sync_time": "05:00",
        "data_delay_sensitivity": "CUSTOM",
        "data_delay_threshold": "90",
        "networking_method": "PrivateLink",
        "private_link_id": "link_one",
        "hybrid_deployment_agent_id": "agent_one",
        "paused": "on",
    }
    assert client.post(NEW, {**COMPLETE, **more}).status_code == 302
    body = sent()
    assert (body["sync_frequency"], body["daily_sync_time"], body["data_delay_threshold"]) == (1440, "05:00", 90)
    assert (body["networking_method"], body["private_link_id"]) == ("PrivateLink", "link_one")
    assert body["paused"] is True and body["hybrid_deployment_agent_id"] == "agent_one"


def test_the_connect_card_turns_the_setup_tests_off(client: Client) -> None:
    own = "http://localhost/handover/return/"
    assert value_of(page(client.get(NEW)), "connect_card_config__redirect_uri") == own
    client.post(NEW, {**COMPLETE, "use_connect_card": "on", "run_setup_tests": "on"})
    assert sent()["run_setup_tests"] is False
    card = {"redirect_uri": own, "hide_setup_guide": False, "all_fields": False}
    assert sent()["connect_card_config"] == card


def test_an_allowed_host_may_be_named(client: Client, settings: Any) -> None:
    settings.CONNECT_CARD_REDIRECT_HOSTS = ["wiki.example.com"]
    card = {**COMPLETE, "use_connect_card": "on"}
    uri = "connect_card_config__redirect_uri"
    for address in ("https://evil.example/", "https://wiki.example.com@evil.example/", "https://u@wiki.example.com/"):
        assert "wiki.example.com" in error_of(page(client.post(NEW, {**card, uri: address})), uri)
    assert client.post(NEW, {**card, uri: "https://wiki.example.com/done?x=1"}).status_code == 302


# --- destination names -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("service", "keys"), catalogs.SHAPES.items())
def test_the_service_decides_the_naming_keys(client: Client, service: str, keys: tuple[str, ...]) -> None:
    text = page(client.get(NEW, {"service": service}))
    shown = {key for key in ("schema", "table", "table_group_name", "schema_prefix") if tag_of(text, f"config__{key}")}
    assert shown == set(keys)
    names = {f"config__{key}": f"name_{key}" for key in keys}
    base = {name: text for name, text in COMPLETE.items() if not name.startswith("config__")}
    assert client.post(NEW, {**base, "service": service, **names}).status_code == 302
    assert sent()["config"] == {key: f"name_{key}" for key in keys}


def test_without_a_script_the_controls_of_another_service_come_with_the_answer(client: Client) -> None:
    posted = {**COMPLETE, "service": "postgres", "reason": "Kept"}
    text = page(client.post(NEW, posted))
    assert error_of(text, "config__schema_prefix").startswith("Enter the schema prefix")
    assert not tag_of(text, "config__schema") and value_of(text, "reason") == "Kept"


def test_a_button_shows_the_fields_of_a_service_without_judging(client: Client) -> None:
    text = page(client.post(NEW, {"service": "s3", "reason": "Kept", "action": "fields"}))
    assert tag_of(text, "config__table_group_name") and value_of(text, "reason") == "Kept"
    assert "There is a problem" not in text and not ConnectionRequest.objects.exists()


def test_the_fragment_keeps_what_was_typed_under_the_same_key(client: Client) -> None:
    typed = {"service": "s3", "config__schema": "kept", "config__table": "gone"}
    text = page(client.get("/requests/new/config/", typed))
    assert value_of(text, "config__schema") == "kept" and tag_of(text, "config__table_group_name")
    assert not tag_of(text, "config__table") and "<html" not in text and "field-error" not in text


UNTOLD = {**COMPLETE, "service": catalogs.UNTOLD, "config__table": ""}


def test_while_the_metadata_is_unknown_all_four_keys_are_offered(client: Client) -> None:
    text = page(client.get(NEW, {"service": catalogs.UNTOLD}))
    for key in ("schema", "table", "table_group_name", "schema_prefix"):
        assert tag_of(text, f"config__{key}"), key
    assert "has not told the portal" in text


@pytest.mark.parametrize(
    ("names", "right"),
    [
        ({"config__schema": "a"}, True),
        ({"config__schema": "a", "config__table": "b"}, True),
        ({"config__schema": "a", "config__table_group_name": "b"}, True),
        ({"config__schema": "", "config__schema_prefix": "a"}, True),
        ({"config__schema": ""}, False),
        ({"config__schema": "", "config__table": "b"}, False),
        ({"config__schema": "a", "config__schema_prefix": "b"}, False),
        ({"config__schema": "a", "config__table": "b", "config__table_group_name": "c"}, False),
    ],
)
def test_unknown_metadata_takes_one_of_the_four_shapes(client: Client, names: dict[str, str], right: bool) -> None:
    response = client.post(NEW, {**UNTOLD, **names})
    assert response.status_code == (302 if right else 200)
    if not right:
        assert "schema prefix" in error_of(page(response), "config__schema")


def test_a_taken_name_is_an_error_on_the_name(client: Client, cast: Any) -> None:
    taken = factories.submitted(cast["requester2"], config__schema="sales", config__table="orders")
    text = page(client.post(NEW, COMPLETE))
    words = error_of(text, "config__table")  # another table in the same schema would be another name
    assert not error_of(text, "config__schema")
    assert "“sales.orders” is taken in this destination by another open request" in words
    assert str(taken.pk) not in words and "requester2" not in words


def test_who_may_see_the_holder_reads_who_it_is(client: Client, as_user: Any, cast: Any) -> None:
    taken = factories.submitted(cast["requester"], config__schema="sales", config__table="orders")
    for person in ("requester", "approver"):
        text = page(as_user(person).post(NEW, COMPLETE))
        assert f"request {taken.pk} of Mara Lindqvist" in error_of(text, "config__table")
        assert f'href="/requests/{taken.pk}/"' in text


# --- what is on offer ------------------------------------------------------------------------------------------------
def test_without_a_copy_ids_are_typed(as_user: Any) -> None:
    client = as_user("requester")
    text = page(client.get(NEW))
    assert tag_of(text, "service").startswith("<input") and tag_of(text, "group_id").startswith("<input")
    assert "Fivetran has not told the portal what there is: type the id." in html.unescape(text)
    typed = {**COMPLETE, "service": "whatever", "group_id": "any", "config__table": ""}
    assert client.post(NEW, typed).status_code == 302
    assert (stored().service, stored().group_id) == ("whatever", "any")


def test_an_old_copy_says_how_old_it_is_and_still_decides(as_user: Any) -> None:
    catalogs.offered(error="Unknown: no answer <b>")
    text = page(as_user("requester").get(NEW))
    assert "Fivetran gave no usable answer since; this list is from" in text and "no answer" not in text
    shown = page(as_user("requester").post(NEW, {**COMPLETE, "group_id": "elsewhere"}))
    assert error_of(shown, "group_id").startswith("Choose one of")


def test_a_long_list_is_not_printed_in_an_error(client: Client) -> None:
    CatalogEntry.objects.bulk_create(
        CatalogEntry(kind=Kind.SERVICE, fivetran_id=f"service_{number}", name=f"Service {number}")
        for number in range(50)
    )
    words = error_of(page(client.post(NEW, {**COMPLETE, "service": "nonsense"})), "service")
    assert words == "Choose the service from the list"


def test_a_service_that_is_not_generally_available_is_marked(client: Client) -> None:
    assert "S3 (beta)" in page(client.get(NEW))


def test_nothing_on_offer_says_so(as_user: Any) -> None:
    catalogs.offered()
    CatalogEntry.objects.filter(kind=Kind.PRIVATE_LINK).delete()
    text = page(as_user("requester").get(NEW))
    assert "This account has no private link." in text


# --- links -----------------------------------------------------------------------------------------------------------
def test_a_link_pre_fills_the_form_and_stores_nothing(client: Client) -> None:
    link = {
        "service": "google_sheets",
        "group_id": "projected_sickle",
        "config__schema": "sales",
        "sync_frequency": "1440",
        "daily_sync_time": "05:00",
        "run_setup_tests": "false",
        "paused": "true",
    }
    text = page(client.get(NEW, link))
    for name in ("service", "group_id", "config__schema", "sync_frequency", "daily_sync_time"):
        assert value_of(text, name) == link[name], name
    assert " checked" in tag_of(text, "paused") and " checked" not in tag_of(text, "run_setup_tests")
    assert "There is a problem" not in text
    assert not ConnectionRequest.objects.exists()


LINKED = [
    ("daily_sync_time", "05:00", "This applies only when syncing daily"),
    ("data_delay_threshold", "90", "This applies only with data delay sensitivity CUSTOM"),
    ("private_link_id", "link_one", "This applies only with networking method PrivateLink"),
    ("proxy_agent_id", "proxy_one", "This applies only with networking method ProxyAgent"),
    ("connect_card_config__redirect_uri", "https://evil.example/", "Enter http://localhost/"),
    ("connect_card_config__hide_setup_guide", "true", "This applies only when handing over by Connect Card"),
    ("sync_frequency", "7", "Choose one of: 1, 5, 15"),
    ("paused", "perhaps", "Choose one of: true, false"),
    ("service", "nonsense", "Choose one of: google_sheets, mystery, postgres, s3, salesforce"),
    ("config__schema", "Bad Name", "Use small letters"),
]


@pytest.mark.parametrize(("name", "text", "words"), LINKED)
def test_a_link_with_an_unusable_value_says_so_beside_it(client: Client, name: str, text: str, words: str) -> None:
    shown = page(client.get(NEW, {"service": "google_sheets", name: text}))
    assert words in error_of(shown, name)
    if text not in {"true", "perhaps"}:
        assert value_of(shown, name) == text


def test_a_link_cannot_ask_for_tests_and_the_connect_card(client: Client) -> None:
    text = page(client.get(NEW, {"use_connect_card": "true", "run_setup_tests": "true"}))
    assert error_of(text, "run_setup_tests").startswith("This must be off")


def test_a_link_with_a_name_the_service_does_not_take(client: Client) -> None:
    text = page(client.get(NEW, {"service": "salesforce", "config__table": "orders"}))
    assert "This service has no destination table: “orders” is left out" in html.unescape(text)


def test_a_link_without_a_service_keeps_the_name(client: Client) -> None:
    assert value_of(page(client.get(NEW, {"config__schema": "sales"})), "config__schema") == "sales"


@pytest.mark.parametrize("key", ["config__password", "config__api_key", "config__client_secret"])
def test_secrets_are_refused(client: Client, key: str) -> None:
    for response in (client.get(NEW, {key: "hunter2"}), client.post(NEW, {**COMPLETE, key: "hunter2"})):
        text = page(response)
        assert f"Leave out {key.removeprefix('config__')}" in text and "hunter2" not in text.split("<main")[1]
    assert page(client.post(NEW, {**COMPLETE, key: "hunter2", "action": "draft"}))
    assert not ConnectionRequest.objects.exists()


def test_a_box_that_is_off_sends_on_when_somebody_ticks_it(client: Client) -> None:
    text = page(client.get(NEW))
    boxes = re.findall(r'<input type="checkbox"[^>]*>', text)
    assert len(boxes) >= 5
    assert not [box for box in boxes if 'value="false"' in box or 'value=""' in box]


def test_a_destination_is_spelled_in_one_way_while_the_list_is_unknown(as_user: Any) -> None:
    client = as_user("requester")
    factories.rule("finance", ask=[], approve=[factories.person("approver")])
    spellings = [
        "Finance",
        "finance/",
        "../groups/finance",
        "finance?x=1",
        "ｆinance",
        "finance",
        " finance ",
        "finance\u00a0",
    ]
    for text in spellings:
        answer = client.post(NEW, {**COMPLETE, "group_id": text, "action": "submit"})
        assert error_of(page(answer), "group_id"), text
    assert not ConnectionRequest.objects.exists()
    for text in ("other_place", " another1 ", "_moonbeam", "other-place"):
        answer = client.post(NEW, {**COMPLETE, "group_id": text, "action": "submit"})
        assert answer.status_code == 302, answer.context["form"].errors
    found = ConnectionRequest.objects.order_by("pk").values_list("group_id", flat=True)
    assert list(found) == ["other_place", "another1", "_moonbeam", "other-place"]
