"""However much the page lets a person build, the server takes it: to draw, to review, to save and to submit."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from connections.forms.config import Rows, config_for
from connections.forms.rows import CONTROLS, MOST
from connections.models import ConnectionRequest
from tests import catalogs
from tests.contract import openapi
from tests.forms.test_request_form import COMPLETE

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
NEW = "/requests/new/"
AROUND = 60  # controls of the form that are no settings, with room for more of them
CELL = {"type": "string"}
FILTERS = {"type": "array", "title": "Filters", "items": {"properties": {"field": CELL, "value": CELL}}}
CELLS = {**{f"cell_{number}": CELL for number in range(14)}, "filters": FILTERS}
REPORTS = {"reports": {"type": "array", "title": "Reports", "items": {"properties": CELLS}}}


class Controls(HTMLParser):
    """What a browser without a script would send of the form in `text`, each empty text replaced by "x"."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down a control; a button and what is not ticked are not sent."""
        told = {name: value or "" for name, value in attrs}
        ticked = told.get("type") not in ("checkbox", "radio") or "checked" in told
        if tag in ("input", "textarea", "select") and "name" in told and ticked:
            self.sent[told["name"]] = told.get("value", "")
            self._select = told["name"] if tag == "select" else ""
        elif tag == "option" and "selected" in told and self._select:
            self.sent[self._select] = told["value"]


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, with a service whose list has large entries with a list of their own."""
    catalogs.offered()
    catalogs.tell("salesforce", REPORTS)
    client: Client = as_user("requester")
    return client


def built(client: Client, count: int) -> tuple[str, dict[str, str]]:
    """The page with `count` entries, as it is drawn after the last was added, and what it would send."""
    entries = {f"config__reports__{number}__cell_0": f"report {number}" for number in range(count - 1)}
    post = {**COMPLETE, "service": "salesforce", "config__schema": "crm", **entries}
    answer = client.post(NEW, {**post, "action": "add:config__reports"})
    assert answer.status_code == 200
    text = answer.content.decode()
    sent = Controls(text.partition("data-request-form")[2].partition("</form>")[0]).sent
    typed = {name: value or ("x" * 20 if name.startswith("config__") else "") for name, value in sent.items()}
    return text, typed | {"reason": COMPLETE["reason"]}


def test_the_most_is_said_before_anybody_types(client: Client) -> None:
    text = client.get(f"{NEW}?service=salesforce").content.decode()
    assert re.search(r"Add another to Reports</button>\s*<span[^>]*>1 of at most 55</span>", text)


def test_the_largest_form_is_reviewed_saved_and_submitted(client: Client) -> None:
    text, sent = built(client, 55)
    assert "this form holds at most 55 here" in text and 'add:config__reports"' not in text
    assert CONTROLS - 16 < len([name for name in sent if name.startswith("config__")]) <= CONTROLS + 1
    assert len(sent) <= settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    reviewed = client.post("/requests/new/review/", sent)
    assert reviewed.status_code == 200 and "report 53" in reviewed.content.decode()
    saved = client.post("/requests/new/draft/", {**sent, "user": str(client.session["_auth_user_id"])})
    assert saved.status_code == 200, saved.content
    answer = client.post(NEW, {**sent, "action": "submit"})
    assert answer.status_code == 302, re.findall(r"<li>(.*?)</li>", answer.content.decode())[:5]
    conn_request = ConnectionRequest.objects.get()
    assert len((conn_request.payload or {})["config"]["reports"]) == 55
    again = client.get(f"/requests/{conn_request.pk}/edit/").content.decode()
    assert again.count('data-entry-of="config__reports"') == 55 and "There is a problem" not in again


def test_inner_lists_take_of_the_same_room(client: Client) -> None:
    inner = {f"config__reports__0__filters__{number}__field": "x" for number in range(90)}
    text = client.get(NEW, {"service": "salesforce", **inner}).content.decode()
    assert "90 of at most 100" in text and re.search(r"1 of at most 43</span>", text)


def test_more_than_there_is_room_for_is_refused_and_named(client: Client) -> None:
    entries = {f"config__reports__{number}__cell_0": f"report {number}" for number in range(60)}
    post = {**COMPLETE, "service": "salesforce", "config__schema": "crm", **entries}
    for action in ("submit", "draft"):
        text = client.post(NEW, {**post, "action": action}).content.decode()
        assert "Use fewer entries in Reports: there are more than the form can hold" in text
        assert "Reports 56: Cell 0 (“report 55”)" in text, "it is no longer in the form"
    assert not ConnectionRequest.objects.exists()


def test_strange_entries_draw_no_more_either(client: Client) -> None:
    """Each name is a new entry, which would be drawn with all its cells."""
    names = (f"config__reports__{a}__filters__{b}__field" for a in range(30) for b in range(30))
    text = client.post("/requests/new/config/", {"service": "salesforce", **dict.fromkeys(names, "x")}).content.decode()
    assert len(Controls(text).sent) <= CONTROLS + AROUND


@openapi.needed
def test_of_every_service_the_most_can_be_sent() -> None:
    """As many entries of each list as the page says, one list after the other."""
    sizes = {}
    schemas = openapi.document()["components"]["schemas"]
    for name in (name for name in schemas if name.endswith("_config_V1")):
        told = schemas[name].get("properties", {}).get("config", {})
        texts: dict[str, str] = {}
        for path in config_for(name, told, {}).lists:
            found = config_for(name, told, texts).lists[path]
            texts |= {f"{found.name}__{number}__any": "x" for number in range(found.most)}
        config = config_for(name, told, texts)
        sizes[name.removesuffix("_config_V1")] = len(config.fields)
        assert not config.lacking and all(isinstance(rows, Rows) and rows.is_full for rows in config.lists.values())
    assert len(sizes) > 700 and max(sizes.values()) + AROUND <= settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    assert max(sizes.values()) > 800 and sizes["s3"] > 4 * MOST
