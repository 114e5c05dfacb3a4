"""What a link or a form brings and no request takes is named: nothing that somebody typed vanishes without a word."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from connections.models import ConnectionRequest
from tests import catalogs
from tests.forms.test_request_form import COMPLETE

pytestmark = pytest.mark.django_db
NEW = "/requests/new/"


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, with services whose settings Fivetran has told."""
    catalogs.offered()
    catalogs.told()
    client: Client = as_user("requester")
    return client


def page(response: Any) -> str:
    """The page's own text."""
    assert response.status_code == 200, response.status_code
    return html.unescape(response.content.decode().partition("<main")[2])


def after(client: Client, post: dict[str, str]) -> str:
    """What the next page says after `post` was stored."""
    answer = client.post(NEW, post)
    assert answer.status_code == 302, page(answer)[:3000]
    return page(client.get(answer["Location"]))


# --- links -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sync_freqency", "sync_frequency"),
        ("proxy_agent", "proxy_agent_id"),
        ("schema", "config__schema"),
        ("Destination", "group_id"),
        ("config[schema]", "config__schema"),
        ("presets", "preset"),
    ],
)
def test_an_unknown_parameter_is_named_with_the_nearest_known_one(client: Client, name: str, meant: str) -> None:
    text = page(client.get(NEW, {"service": "google_sheets", name: "canary-1"}))
    assert f"There is no field {name}: it is left out. Did you mean {meant}?" in text
    assert "canary-1" not in text, "it may be a secret"


def test_a_misspelt_setting_is_named_with_the_nearest_one(client: Client) -> None:
    text = page(client.get(NEW, {"service": "postgres", "config__hots": "db"}))
    assert "This service has no setting hots: it is left out. Did you mean config__host?" in text


def test_a_name_like_nothing_is_named_alone_and_of_many_the_first(client: Client) -> None:
    text = page(client.get(NEW, {f"xyzzy{number}": "1" for number in range(30)}))
    assert "There is no field xyzzy0: it is left out.<" in text.replace("\n", "")
    assert "22 more names that no request has are left out." in text and text.count("There is no field") == 8


def test_what_others_append_to_links_says_nothing(client: Client) -> None:
    appended = {"utm_source": "mail", "fbclid": "a", "gclid": "b", "mc_eid": "c", "nothing_in_it": ""}
    assert "There is a problem" not in page(client.get(NEW, {"service": "google_sheets", **appended}))


def test_a_dot_is_read_as_the_api_writes_it(client: Client) -> None:
    text = page(client.get(NEW, {"service": "google_sheets", "config.schema": "sales"}))
    assert "There is a problem" not in text and 'name="config__schema" value="sales"' in text
    both = page(client.get(NEW, {"service": "google_sheets", "config.schema": "a", "config__schema": "b"}))
    assert "There is no field config.schema" in both and 'name="config__schema" value="b"' in both


def test_a_parameter_that_stands_there_twice_is_named(client: Client) -> None:
    text = page(client.get(f"{NEW}?reason=one&reason=two&group_id=x&group_id=x"))
    assert "The link has these more than once, and the last one counts: reason." in text and ">\ntwo</textarea>" in text


@pytest.mark.parametrize(
    "idle",
    [
        {"data_delay_threshold": "0"},
        {"use_connect_card": "false", "connect_card_config__redirect_uri": "http://localhost/handover/return/"},
        {"use_connect_card": "false", "connect_card_config__hide_setup_guide": "false"},
    ],
)
def test_what_the_api_has_by_itself_is_accepted_and_not_sent(client: Client, idle: dict[str, str]) -> None:
    assert "There is a problem" not in page(client.get(NEW, {"service": "google_sheets", **idle}))
    post = {**{k: v for k, v in COMPLETE.items() if k not in idle}, **idle}
    client.post(NEW, {**post, "use_connect_card": ""})
    body = ConnectionRequest.objects.get().payload or {}
    assert "data_delay_threshold" not in body and "connect_card_config" not in body


def test_a_word_that_means_no_is_still_a_text(client: Client) -> None:
    text = page(client.get(NEW, {"service": "google_sheets", "private_link_id": "no"}))
    assert "This applies only with networking method PrivateLink" in text


# --- tables and presets ----------------------------------------------------------------------------------------------
def test_a_misspelt_column_is_named_with_the_nearest_one(client: Client) -> None:
    rows = "service,sync_freqency,config__schema,xyzzy\ngoogle_sheets,60,sales,1"
    text = page(client.post("/requests/batch/", {"table": rows}))
    assert "“sync_freqency” (did you mean sync_frequency?), “xyzzy”." in text


def test_a_misspelt_setting_in_a_table_is_named_with_the_nearest_one(client: Client) -> None:
    text = page(client.post("/requests/batch/", {"table": "service,config__hots\npostgres,db"}))
    assert "Postgres has no such field: leave this cell empty. Did you mean config__host?" in text


def test_in_a_table_too_what_the_api_has_by_itself_is_no_error(client: Client) -> None:
    rows = "service,data_delay_threshold,data_delay_sensitivity\npostgres,0,NORMAL"
    text = page(client.post("/requests/batch/", {"table": rows}))
    assert "This applies only" not in text and "1 or more" not in text


# --- without a script ------------------------------------------------------------------------------------------------
POSTGRES = {"config__host": "db.example.com", "config__schema_prefix": "crm", "drawn_for": "postgres"}
SHEETS = {**COMPLETE, "service": "google_sheets", "config__schema": "sales", "config__table": "orders"}


@pytest.mark.parametrize("action", ["submit", "draft"])
def test_the_settings_of_another_service_are_named(client: Client, action: str) -> None:
    text = after(client, {**SHEETS, **POSTGRES, "action": action})
    assert "Not taken, because it does not apply to what was chosen: " in text
    assert "Host (“db.example.com”)" in text and "Schema prefix (“crm”)" in text


def test_they_are_named_above_the_form_that_is_drawn_again(client: Client) -> None:
    for action in ("fields", "submit"):
        text = page(client.post(NEW, {**SHEETS, **POSTGRES, "group_id": "", "action": action}))
        assert "Host (“db.example.com”)" in text.split("<form")[0]


def test_a_setting_that_no_service_has_is_named(client: Client) -> None:
    posted = {"config__no_such_thing": "x" * 90, "config__files__0__table_name": "t"}
    text = after(client, {**SHEETS, **posted})
    assert f"No such thing (“{'x' * 79}…”)" in text and "Files 1: Table name (“t”)" in text


def test_a_daily_time_without_daily_syncs_is_named_once_it_is_dropped(client: Client) -> None:
    daily = {**SHEETS, "sync_frequency": "60", "daily_sync_time": "05:00", "data_delay_threshold": "0"}
    draft = after(client, {**daily, "action": "draft", "form_token": ""})
    assert "Not taken" not in draft and '<option value="05:00" selected>' in draft, "a draft keeps it"
    sent = after(client, daily)
    assert "Not taken, because it does not apply to what was chosen: Daily sync time (“05:00”)." in sent


def test_beside_a_daily_time_it_is_said_that_it_will_not_be_sent(client: Client) -> None:
    hourly = {**SHEETS, "sync_frequency": "60", "daily_sync_time": "05:00"}
    again = page(client.post(NEW, {**hourly, "reason": ""}))
    words = "Not sent: this counts only when syncing daily (1440) and not on a manual schedule"
    assert re.search(rf'id="id_daily_sync_time_note"\s+data-note>{re.escape(words)}<', again)
    assert re.search(r'aria-describedby="id_daily_sync_time_note [^>]*name="daily_sync_time"', again)
    assert "Not sent" not in page(client.post(NEW, {**hourly, "sync_frequency": "1440", "reason": ""}))


def test_of_a_secret_the_name_alone(client: Client) -> None:
    text = page(client.post(NEW, {**SHEETS, "config__password": "canary-2", "config__host": "db"}))
    assert "Leave out password" in text and "canary-2" not in text and "Host (“db”)" in text


def test_nothing_is_said_where_everything_is_taken(client: Client) -> None:
    assert "Not taken" not in after(client, SHEETS)


def test_a_blank_value_of_a_list_is_drawn_as_blank(client: Client) -> None:
    text = page(client.post(NEW, {**SHEETS, "sync_frequency": "", "schedule_type": " ", "networking_method": ""}))
    for name in ("sync_frequency", "schedule_type", "networking_method"):
        drawn = text.partition(f'name="{name}"')[2].partition("</select>")[0]
        assert '<option value="" selected>Choose…</option>' in drawn and drawn.count(" selected") == 1, name
