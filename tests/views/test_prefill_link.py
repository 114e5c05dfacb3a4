"""Links that the pages offer open, whatever is typed: their length is that of the bytes that a server counts."""

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from connections.models import Preset
from tests import catalogs
from tests.forms.test_request_form import COMPLETE

pytestmark = pytest.mark.django_db
NEW, HISTORY = "/requests/new/", "/requests/"
SERVERS = 8_190  # bytes of the first line that gunicorn and nginx take, "GET … HTTP/1.1" and its end included


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, with a service that has a list of hosts and one that has a list of objects."""
    catalogs.offered()
    catalogs.told()
    catalogs.tell("salesforce", {"hosts": {"type": "array", "items": {"type": "string"}}})
    client: Client = as_user("requester")
    return client


def link_of(client: Client, post: dict[str, str], address: str = NEW) -> tuple[str, str]:
    """The link that the page offers for `post`, and what it says is not in it."""
    text = client.post(address, {**COMPLETE, **post, "action": "fields"}).content.decode()
    inside = re.search(r'(?:id|data-words)="prefilled-link"[^>]*>([^<]*)<', text)
    lacks = re.search(r'(?:id|data-into)="prefilled-link-lacks"[^>]*>(.*?)</(?:p|div)>', text, re.S)
    assert inside and lacks
    return html.unescape(inside[1]), html.unescape(lacks[1]).strip()


def opens(client: Client, address: str) -> Any:
    """The page behind `address`; every line that a browser sends on the way there is short enough."""
    path = address.removeprefix("http://localhost")
    assert len(f"GET {path} HTTP/1.1\r\n") < SERVERS
    stranger = Client().get(path)
    assert stranger.status_code == 302 and len(f"GET {stranger['Location']} HTTP/1.1\r\n") < SERVERS
    answer = client.get(path)
    assert answer.status_code == 200
    return answer


def query_of(address: str) -> dict[str, str]:
    return {name: texts[0] for name, texts in parse_qs(urlsplit(address).query).items()}


HOSTS = "\n".join(f"host-{number}.example.com" for number in range(400))
CELLS = ("file_pattern", "table_name")
FILES = {f"config__files__{n}__{cell}": f"{cell} {n} " * 9 for n in range(30) for cell in CELLS}
LONG = [
    ({"reason": "ü" * 2000}, "Reason"),
    ({"reason": "😀" * 300}, ""),
    ({"service": "salesforce", "config__hosts": HOSTS}, "Hosts"),
    ({"service": "salesforce", "config__hosts": HOSTS, "reason": "ü" * 2000}, "Reason, Hosts"),
    ({"service": "s3", "config__file_mapping_method": "DEFINE_PER_TABLE", **FILES}, "Files"),
]


@pytest.mark.parametrize("address", [NEW, "/requests/new/review/"])
@pytest.mark.parametrize(("post", "lacks"), LONG)
def test_what_no_address_can_hold_is_left_out_and_named(
    client: Client, post: dict[str, str], lacks: str, address: str
) -> None:
    link, said = link_of(client, post, address)
    query = query_of(link)
    opens(client, link)
    assert query["group_id"] == COMPLETE["group_id"] and query["config__schema"] == COMPLETE["config__schema"]
    assert (f"not in it: {lacks}." in said) if lacks else not said
    assert ("Several at once</a>" in said) == bool(lacks)
    assert not any(name.startswith("config__files") for name in query), "half an entry would be another list"


def test_as_much_as_an_address_can_hold_is_in_it(client: Client) -> None:
    link, said = link_of(client, {"reason": "ü" * 600})
    assert query_of(link)["reason"] == "ü" * 600 and not said
    opens(client, link)


def test_what_a_preset_begins_with_and_is_left_out_is_not_filled_again(client: Client) -> None:
    catalogs.tell("google_sheets", {"hosts": {"type": "array", "items": {"type": "string"}}})
    values = {"config.hosts": ["one"]}
    preset = Preset.objects.create(name="Sheets", service="google_sheets", values=values)
    link, said = link_of(client, {"preset": str(preset.pk), "config__hosts": HOSTS})
    assert "not in it: Hosts." in said
    text = opens(client, link).content.decode()
    assert re.search(r'name="config__hosts"[^>]*>\s*</textarea>', text)


def test_filters_that_fit_no_address_are_refused_in_words(client: Client) -> None:
    longest = {"q": "ü" * 200, "service": "ü" * 200, "requester": "a" * 200}
    text = client.get(HISTORY, longest).content.decode()
    links = {html.unescape(found) for found in re.findall(r'href="([^"]*\?[^"]*)"', text) if "q=" in found}
    assert links
    for found in links:
        opens(client, found if found.startswith("/") else HISTORY + found)
    answer = client.get(HISTORY, {**longest, "group_id": "😀" * 200})
    assert answer.status_code == 400 and "The filters are too long for an address" in answer.content.decode()
