"""What the pages that lead to a request offer to somebody whom the access rules open some destinations, or none."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections.models import CatalogEntry, CatalogRefresh, Kind, Preset
from connections.views.home import kept
from tests import factories

pytestmark = pytest.mark.django_db
FINANCE, SALES = "finance_warehouse", "sales_warehouse"
CLOSED = "The access rules open no destination to you"


@pytest.fixture
def people() -> dict[str, User]:
    """Fiona asks for everything into Finance, Sam for sheets alone into Sales; Nora for nothing."""
    for place, name in ((FINANCE, "Finance warehouse"), (SALES, "Sales warehouse")):
        CatalogEntry.objects.create(kind=Kind.GROUP, fivetran_id=place, name=name)
        CatalogEntry.objects.create(
            kind=Kind.DESTINATION, fivetran_id=place, name=place, data={"setup_status": "CONNECTED"}
        )
    for service, name in (("google_sheets", "Google Sheets"), ("postgres", "PostgreSQL")):
        CatalogEntry.objects.update_or_create(kind=Kind.SERVICE, fivetran_id=service, defaults={"name": name})
    for kind in (Kind.GROUP, Kind.DESTINATION, Kind.SERVICE):
        CatalogRefresh.objects.update_or_create(kind=kind, defaults={"fetched_at": "2026-11-28T08:00:00Z"})
    found = {name: factories.person(username=name) for name in ("fiona", "sam", "nora")}
    found["frank"] = factories.person("approver", "frank")
    factories.rule(FINANCE, ask=[found["fiona"]], approve=[found["frank"]])
    factories.rule(SALES, ask=[found["sam"]], approve=[found["frank"]], services=["google_sheets"])
    return found


def page_of(person: User, address: str) -> str:
    client = Client()
    client.force_login(person)
    return client.get(address).content.decode()


@pytest.mark.parametrize("name", ["nora", "frank"])
def test_who_may_ask_for_nothing_reads_it_once_and_is_offered_nothing(people: dict[str, User], name: str) -> None:
    Preset.objects.create(name="Ads, daily", service="google_sheets", group_id=FINANCE)
    home = page_of(people[name], "/")
    assert home.count(CLOSED) == 1 and home.index(CLOSED) < home.index('class="figures"')
    for offered in ("Ads, daily", "Start with a service", "Ask for the first one", "Several at once"):
        assert offered not in home, offered
    form = page_of(people[name], "/requests/new/")
    assert form.count(CLOSED) == 1 and form.index(CLOSED) < form.index("data-request-form")
    assert "Submit for approval" not in form and "Save draft" in form
    assert "Ads, daily" not in form and 'class="tiles' not in form
    table = page_of(people[name], "/requests/batch/")
    assert table.count(CLOSED) == 1 and "Check the table" not in table


def test_who_may_ask_for_something_reads_nothing_of_it(people: dict[str, User]) -> None:
    for address in ("/", "/requests/new/", "/requests/batch/"):
        assert CLOSED not in page_of(people["sam"], address), address
    assert "Submit for approval" in page_of(people["sam"], "/requests/new/")
    assert "Check the table" in page_of(people["sam"], "/requests/batch/")


def test_the_tiles_of_the_first_page_are_what_one_may_ask_for(people: dict[str, User]) -> None:
    kept._services.cache_clear()  # of another test's catalog, for a minute
    tile = "/requests/new/?service="
    assert f"{tile}postgres" in page_of(people["fiona"], "/")
    mine = page_of(people["sam"], "/")
    assert f"{tile}google_sheets" in mine and f"{tile}postgres" not in mine


def test_a_destination_that_a_preset_merely_proposes_is_left_empty_where_it_is_closed(people: dict[str, User]) -> None:
    preset = Preset.objects.create(
        name="Ads, daily", service="google_sheets", group_id=FINANCE, values={"reason": "Ads"}
    )
    address = f"/requests/new/?preset={preset.pk}"
    assert f'value="{FINANCE}" selected' in page_of(people["fiona"], address)
    page = page_of(people["sam"], address)
    assert "There is a problem" not in page and FINANCE not in page and "do not let you ask" not in page
    # What a link asks for is said, as before.
    assert "do not let you ask" in page_of(people["sam"], f"{address}&group_id={FINANCE}")


def test_the_numbers_of_the_first_page_count_what_its_reader_sees(people: dict[str, User]) -> None:
    for _ in range(2):
        factories.submitted(people["fiona"], group_id=FINANCE)

    def waiting(person: Any) -> str:
        return page_of(person, "/").split("waiting for a decision")[1].split("<dd>")[1].split("</dd>")[0].strip()

    assert [waiting(people[name]) for name in ("sam", "fiona", "frank")] == ["0", "2", "2"]
