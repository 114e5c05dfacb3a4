"""Which links and agents go with which destination, as rules, and which of them may not work at the moment."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from connections.catalog.offers import Option
from connections.spec.rules import Effect, Rule, When

_WAREHOUSE = "destination_configuration.virtual_warehouse"
_NO_WAREHOUSE = "only a Snowflake destination has virtual warehouses: Fivetran may refuse it"
_WHAT = {
    "private_link_id": "private link",
    "proxy_agent_id": "proxy agent",
    "hybrid_deployment_agent_id": "hybrid deployment agent",
}


def fitting_rules(places: Sequence[Option], offered: Mapping[str, Sequence[Option]]) -> tuple[Rule, ...]:
    """`offered`: path of a field -> options."""
    others = tuple(place.id for place in places if place.warehouse and "snowflake" not in place.warehouse.lower())
    given = When(_WAREHOUSE, (None, ""), negate=True)
    return (
        Rule(_WAREHOUSE, Effect.WARNED, (given, When("group_id", others)), _NO_WAREHOUSE),
        *(rule for path, options in offered.items() for rule in _rules(path, options, places)),
    )


def _rules(path: str, options: Sequence[Option], places: Sequence[Option]) -> Iterator[Rule]:
    # A hybrid deployment agent serves one group. Private links and proxy agents have no group, only a region.
    names = {place.id: place.name for place in places}
    for doubt, ids in _by(options, lambda option: option.doubt).items():
        yield Rule(path, Effect.WARNED, (When(path, ids),), doubt)
    for group, ids in _by(options, lambda option: option.group).items():
        reason = f"this {_WHAT[path]} serves another destination, {names.get(group, group)}"
        yield Rule(path, Effect.REFUSED, (When(path, ids), _elsewhere(group)), reason)
    for region, ids in _by(options, lambda option: option.region).items():
        here = tuple(place.id for place in places if place.region in ("", region))
        reason = f"this {_WHAT[path]} is in {region} and the destination is not: Fivetran may refuse it"
        yield Rule(path, Effect.WARNED, (When(path, ids), _elsewhere(*here)), reason)


def _elsewhere(*groups: str) -> When:
    return When("group_id", (None, "", *groups), negate=True)


def _by(options: Iterable[Option], key: Callable[[Option], str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for option in options:
        if text := key(option):
            found[text] = (*found.get(text, ()), option.id)
    return found
