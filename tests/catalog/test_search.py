"""People find a service by the name that they have for it, typos included; the browser does the same."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from connections.catalog import Service
from connections.catalog.search import aliases, distance, popular, search

CONTENT: dict[str, Any] = json.loads((Path(__file__).with_name("searches.json")).read_text(encoding="utf-8"))
SERVICES = [Service(id=service, name=name, group=category) for service, name, category in CONTENT["services"]]
MOST = 780  # services that Fivetran offers, more or less


def found(text: str, services: list[Service] = SERVICES) -> list[str]:
    return [one.id for one in search(services, text)]


@pytest.mark.parametrize(("typed", "first"), CONTENT["cases"])
def test_what_people_type_finds_what_they_mean(typed: str, first: list[str]) -> None:
    assert found(typed)[: len(first)] == first
    assert bool(found(typed)) is bool(first)


def test_nothing_typed_leaves_all_in_their_order() -> None:
    assert found("  ") == [one.id for one in SERVICES]


def test_a_recommended_service_comes_before_its_equals() -> None:
    twins = [Service(id="a_one", name="Ads one"), Service(id="a_two", name="Ads two", recommended=True)]
    assert found("ads", twins) == ["a_two", "a_one"]


def test_short_words_are_not_forgiven() -> None:
    assert found("s4") == []


def test_every_alias_is_typed_as_the_search_reads_it() -> None:
    assert all(name == name.lower() and " " not in name and targets for name, targets in aliases().items())
    assert len(popular()) == len(set(popular()))


def test_a_search_over_all_services_takes_less_than_fifty_milliseconds() -> None:
    many = [Service(id=f"service_{n}", name=f"Service {n} of kind {n % 97}") for n in range(MOST)]
    search(many, "postgres")  # what is compared is prepared once
    took = []
    for text in ("sevrice", "kidn 42", "servcie nubmer", "zzzzzzzz", "pg"):
        distance.cache_clear()
        started = time.process_time()
        search(many, text)
        took.append(time.process_time() - started)
    assert sorted(took)[len(took) // 2] < 0.05, took
