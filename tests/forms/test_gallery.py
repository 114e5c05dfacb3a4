"""The services as tiles above the form: recommended ones, categories, a search, all without a script."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from connections.models import ServiceRule, Stance
from tests import catalogs

pytestmark = pytest.mark.django_db
NEW = "/requests/new/"


@pytest.fixture
def client(as_user: Any) -> Any:
    catalogs.offered()
    return as_user("requester")


def tiles(client: Client, query: str = "") -> list[str]:
    """The services on show, by id."""
    return re.findall(r'data-choose="(\w+)"', client.get(NEW + query).content.decode())


def test_it_opens_with_what_is_often_asked_for_and_the_whole_form(client: Client) -> None:
    page = client.get(NEW).content.decode()
    assert "Often asked for" in page and tiles(client)[0] == "google_sheets"
    assert 'name="service"' in page and 'name="group_id"' in page and 'name="reason"' in page
    assert "Not listed? Ask" in page


def test_recommended_services_come_instead_and_denied_ones_never(client: Client) -> None:
    ServiceRule.objects.create(service="salesforce", position=1, note="Use the <b>replica</b>.")
    ServiceRule.objects.create(service="s3", stance=Stance.DENIED)
    page = client.get(NEW).content.decode()
    assert "Recommended by your company" in page and "Use the &lt;b&gt;replica&lt;/b&gt;." in page
    assert tiles(client) == ["salesforce"]
    assert "s3" not in tiles(client, "?category=Other")


@pytest.mark.parametrize(("typed", "first"), [("pg", "postgres"), ("postgras", "postgres"), ("sfdc", "salesforce")])
def test_a_search_by_address_finds_what_people_mean(client: Client, typed: str, first: str) -> None:
    assert tiles(client, f"?q={typed}")[0] == first


def test_what_is_not_found_is_said(client: Client) -> None:
    page = client.get(f"{NEW}?q=<i>zzz</i>").content.decode()
    assert "No service is called “&lt;i&gt;zzz&lt;/i&gt;”" in page and not tiles(client, "?q=zzz")
    assert "There is a problem" not in page


def test_a_category_and_the_rest_of_the_address_go_along(client: Client) -> None:
    page = html.unescape(client.get(f"{NEW}?group_id=projected_sickle&q=sheets").content.decode())
    assert 'href="?group_id=projected_sickle&service=google_sheets"' in page
    assert re.search(r'<input type="hidden" name="group_id" value="projected_sickle">', page)
    assert re.search(r'href="\?group_id=projected_sickle&category=\w+"', page)


@pytest.mark.parametrize("query", ["?service=google_sheets", "?service=nonsense"])
def test_there_is_none_where_a_service_is_chosen(client: Client, query: str) -> None:
    assert 'id="gallery"' not in client.get(NEW + query).content.decode()


def test_there_is_none_where_the_portal_does_not_know_what_there_is(as_user: Any) -> None:
    page = as_user("requester").get(NEW).content.decode()
    assert 'id="gallery"' not in page and 'name="service"' in page


def test_the_tiles_take_no_further_query(client: Client, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(40) as plain:
        client.get(f"{NEW}?service=unknown_to_all")
    with django_assert_max_num_queries(len(plain) + 1):  # the presets, which only the gallery offers
        client.get(f"{NEW}?q=pg")


def test_a_secret_of_the_address_does_not_go_along(client: Client) -> None:
    page = client.get(f"{NEW}?config__password=hunter2&q=pg").content.decode()
    assert "hunter2" not in page.partition("<main")[2]
