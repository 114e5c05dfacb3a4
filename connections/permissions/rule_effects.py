"""What a change of the access rules does: why it must not be, and whom it lets in or shuts out."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from connections.permissions.access import Right
from connections.permissions.coverage import Coverage, Open

UNNAMED = ""  # stands for every destination that no rule names
_People = frozenset[int]


def objections(before: Coverage, after: Coverage) -> list[str]:
    """Why a change must not be: what it shuts that was not shut before. What it strands is `newly_stranded`."""
    found = [why for group_id, why in after.shut().items() if group_id not in before.shut()]
    if before.is_open_anywhere() and not after.is_open_anywhere():
        found.append("Nobody could ask for any destination: first make a rule for those that are to stay open.")
    return found


def newly_stranded(before: Coverage, after: Coverage) -> list[Open]:
    known = {(one.is_change, one.first, one.count) for one in before.stranded()}
    return [one for one in after.stranded() if (one.is_change, one.first, one.count) not in known]


@dataclass(frozen=True)
class Difference:
    """What changes for some destinations and services, of one right: names of people, and who may then."""

    destinations: tuple[str, ...]
    services: tuple[str, ...]  # names; empty: every service, and "": all others
    right: Right
    let_in: tuple[str, ...]
    shut_out: tuple[str, ...]
    then: tuple[str, ...]
    everybody: bool  # whether no rule narrows who may then


def differences(before: Coverage, after: Coverage, group_ids: Iterable[str]) -> list[Difference]:
    """For the destinations of a rule; those for which the same changes are told together."""
    # In the same rules before and after, so the same is told of them: with their people it is worked out once.
    same: dict[tuple[tuple[int, ...], tuple[int, ...]], list[str]] = defaultdict(list)
    for group_id in sorted(set(group_ids)):
        same[before.alike(group_id), after.alike(group_id)].append(group_id)
    alike: dict[tuple[Right, tuple[str, ...], _People, _People], list[str]] = defaultdict(list)
    for right in Right:
        for places in same.values():
            for services, was, now in _by_service(before, after, right, places[0]):
                alike[right, services, was, now] += places
    return [_told(before, after, sorted(places), *key) for key, places in alike.items()]


def _by_service(
    before: Coverage, after: Coverage, right: Right, group_id: str
) -> Iterator[tuple[tuple[str, ...], _People, _People]]:
    """(services, who might, who may then); services with the same answer together, none where all have the same."""
    named = {*before.services_of(group_id), *after.services_of(group_id)}
    found: dict[tuple[_People, _People], list[str]] = defaultdict(list)
    for service in sorted(named, key=lambda one: (one == "", one)):
        found[before.let_in(right, group_id, service), after.let_in(right, group_id, service)].append(service)
    for (was, now), services in found.items():
        # "" is every service that no other line names.
        alike = () if len(found) == 1 else ("",) if "" in services else tuple(services)
        yield alike, was, now


def _told(
    before: Coverage,
    after: Coverage,
    places: list[str],
    right: Right,
    services: tuple[str, ...],
    was: _People,
    now: _People,
) -> Difference:
    names = {**before.names, **after.names, UNNAMED: "every destination that no rule names"}
    offered = {**before.services, **after.services}
    people = {**before.people, **after.people}

    def named(found: _People) -> tuple[str, ...]:
        return tuple(sorted((people.get(person, str(person)) for person in found), key=str.lower))

    return Difference(
        destinations=tuple(names.get(one, one) for one in places),
        services=tuple(offered.get(one, one) for one in services),
        right=right,
        let_in=named(now - was),
        shut_out=named(was - now),
        then=named(now),
        everybody=bool(now) and now == after.able(right),
    )
