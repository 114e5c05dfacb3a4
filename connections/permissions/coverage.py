"""Whom the access rules leave with anybody to ask and to decide: read before and after an administrator's change.

Everything is read into memory: it is asked for in the admin and by operators, never on a page of requests.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Min, QuerySet, Value

from connections.models import (
    AccessDestination,
    AccessGroup,
    AccessRule,
    AccessService,
    CatalogEntry,
    ConnectionChange,
    ConnectionRequest,
    Kind,
    PortalPolicy,
    Writer,
)
from connections.people import display_name
from connections.permissions.access import Right
from connections.permissions.rights import holders, who_only_read
from connections.states import ChangeStatus, Status

_OPEN = (Status.PENDING, Status.CHANGES_REQUESTED)


@dataclass(frozen=True)
class Rule:
    destinations: frozenset[str]
    services: frozenset[str]  # empty: every one
    groups: Mapping[Right, frozenset[int]]
    pk: int = 0

    def is_about(self, group_id: str, service: str) -> bool:
        return group_id in self.destinations and (not self.services or service in self.services)


@dataclass(frozen=True)
class Open:
    """Requests, or changes of connections, of one kind that wait for a decision: their number, and the first one's."""

    group_id: str
    group_name: str
    service: str
    requester: int
    preset_group: int | None
    count: int
    first: int
    is_change: bool = False
    writers: frozenset[int] = frozenset()

    @property
    def words(self) -> str:
        what = "change" if self.is_change else "request"
        rest = f" and {self.count - 1} more" if self.count > 1 else ""
        return f"{what} {self.first}{rest} into “{self.group_name or self.group_id}”"


@dataclass(frozen=True)
class Coverage:
    rules: tuple[Rule, ...]
    closed: bool
    people: Mapping[int, str]  # the active ones, by name
    approvers: frozenset[int]  # those of them who hold the right to approve
    readers: frozenset[int]  # those of them who only read
    members: Mapping[int, frozenset[int]]  # group -> people
    open: tuple[Open, ...]
    names: Mapping[str, str] = field(default_factory=dict)  # of the destinations that a rule names
    services: Mapping[str, str] = field(default_factory=dict)  # the names of the services that a rule names

    @cached_property
    def named(self) -> frozenset[str]:
        return frozenset().union(*(rule.destinations for rule in self.rules))

    def able(self, right: Right) -> frozenset[int]:
        """Those who may where no rule narrows it."""
        return self.approvers if right is Right.APPROVE else frozenset(self.people) - self.readers

    @cached_property
    def _rules_of(self) -> Mapping[str, tuple[Rule, ...]]:
        found: dict[str, list[Rule]] = defaultdict(list)
        for rule in self.rules:
            for group_id in rule.destinations:
                found[group_id].append(rule)
        return {group_id: tuple(rules) for group_id, rules in found.items()}

    @cached_property
    def _let_in(self) -> dict[tuple[Right, tuple[int, ...]], frozenset[int]]:
        return {}  # (right, the rules that count) -> people: the same for most destinations and services

    def alike(self, group_id: str) -> tuple[int, ...]:
        """The same for destinations of which the same is true, for they are in the same rules."""
        return tuple(map(id, self._rules_of.get(group_id, ())))

    def let_in(self, right: Right, group_id: str, service: str = "") -> frozenset[int]:
        """The people who may do what `right` is; `service` "" is any that no rule names."""
        if group_id not in self.named:
            return frozenset() if self.closed else self.able(right)
        rules = [rule for rule in self._rules_of[group_id] if rule.is_about(group_id, service)]
        key = right, tuple(map(id, rules))
        if key not in self._let_in:
            groups = frozenset[int]().union(*(rule.groups[right] for rule in rules))
            members = (self.members.get(group, frozenset()) for group in groups)
            self._let_in[key] = self.able(right) & frozenset[int]().union(*members)
        return self._let_in[key]

    def without(self, rule: int) -> "Coverage":
        return replace(self, rules=tuple(one for one in self.rules if one.pk != rule))

    def services_of(self, group_id: str) -> list[str]:
        """Those that a rule of the destination names, and "" for all others."""
        found = {service for rule in self._rules_of.get(group_id, ()) for service in rule.services}
        return ["", *sorted(found)]

    def service_name(self, service: str) -> str:
        return self.services.get(service, service)

    def shut(self) -> Mapping[str, str]:
        """Destination with a rule -> why nobody can get a connection into it, in a sentence."""
        return self._shut

    @cached_property
    def _shut(self) -> Mapping[str, str]:
        known: dict[tuple[int, ...], tuple[str, str] | None] = {}
        found = {}
        for group_id in sorted(self.named):
            alike = self.alike(group_id)
            if alike not in known:
                known[alike] = self._why_shut(group_id)
            if why := known[alike]:
                found[group_id] = (
                    f"{why[0]} into “{self.names.get(group_id, group_id)}”: its access rules need {why[1]}."
                )
        return found

    def _why_shut(self, group_id: str) -> tuple[str, str] | None:
        """(who may not do what, what its rules need)."""
        asking = {service: self.let_in(Right.REQUEST, group_id, service) for service in self.services_of(group_id)}
        if not any(asking.values()):
            return "Nobody may ask for connections", "a group with active people who may"
        for service, askers in asking.items():
            deciding = self.let_in(Right.APPROVE, group_id, service)
            if askers and not any(deciding - {one} for one in askers):
                what = self.service_name(service) or "what is asked for"
                nobody, need = ("Nobody else", "somebody else") if deciding else ("Nobody", "somebody")
                return f"{nobody} may approve {what}", f"a group with {need} who may approve"
        return None

    def stranded(self) -> list[Open]:
        """What waits for a decision that nobody may take."""
        return [one for one in self.open if not self.deciding(one)]

    def deciding(self, one: Open) -> frozenset[int]:
        found = self.let_in(Right.APPROVE, one.group_id, one.service) - {one.requester} - one.writers
        return found if one.preset_group is None else found & self.members.get(one.preset_group, frozenset())

    def is_open_anywhere(self) -> bool:
        return not self.closed or len(self._shut) < len(self.named)


def read(*, without: int | None = None) -> Coverage:
    """As it is now, within the caller's transaction; or as it would be without one of the rules."""
    people = User.objects.filter(is_active=True)
    found = _read(people, without)
    return replace(
        found,
        people={person.pk: display_name(person) for person in people},
        readers=frozenset(who_only_read().values_list("pk", flat=True)),
    )


def of_decisions() -> Coverage:
    """As it is now, of those alone who may decide: what is stranded, without everybody else."""
    return _read(holders("approve_request"))


def _read(people: QuerySet[User], without: int | None = None) -> Coverage:
    """Without names, and with the groups of `people` alone."""
    members: dict[int, set[int]] = defaultdict(set)
    links = User.groups.through.objects.filter(user__in=people.order_by().values("pk"))
    for group, person in links.values_list("group_id", "user_id"):
        members[group].add(person)
    rules, names, services = _rules(without)
    return Coverage(
        rules=rules,
        closed=PortalPolicy.objects.filter(closed_without_rule=True).exists(),
        people={},
        approvers=frozenset(holders("approve_request").values_list("pk", flat=True)),
        readers=frozenset(),
        members={group: frozenset(found) for group, found in members.items()},
        open=(*_open_requests(), *_open_changes()),
        names=names,
        services=services,
    )


def _rules(without: int | None) -> tuple[tuple[Rule, ...], dict[str, str], dict[str, str]]:
    """And the names of their destinations and services."""
    counted = AccessRule.objects.filter(active=True).exclude(pk=without or 0).order_by()
    destinations: dict[int, set[str]] = defaultdict(set)
    services: dict[int, set[str]] = defaultdict(set)
    groups: dict[int, dict[Right, set[int]]] = defaultdict(lambda: {right: set() for right in Right})
    names: dict[str, str] = {}
    for rule, group_id, name in AccessDestination.objects.filter(rule__in=counted).values_list(
        "rule", "group_id", "name"
    ):
        destinations[rule].add(group_id)
        names[group_id] = name or group_id
    for rule, service in AccessService.objects.filter(rule__in=counted).values_list("rule", "service"):
        services[rule].add(service)
    for one in AccessGroup.objects.filter(rule__in=counted):
        for right in Right:
            if getattr(one, right.value):
                groups[one.rule_id][right].add(one.group_id)
    found = tuple(
        Rule(
            frozenset(named),
            frozenset(services[rule]),
            {right: frozenset(ids) for right, ids in groups[rule].items()},
            rule,
        )
        for rule, named in destinations.items()
    )
    return found, names, _named(frozenset().union(*services.values()))


def _named(services: frozenset[str]) -> dict[str, str]:
    offered = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id__in=services)
    return {one: name for one, name in offered.values_list("fivetran_id", "name") if name} if services else {}


def _open_requests() -> Iterator[Open]:
    columns = ("group_id", "group_name", "service", "requester", "preset__approvers")
    rows = ConnectionRequest.objects.filter(status__in=_OPEN)
    yield from _counted(rows.filter(writers=None), columns)
    writers: dict[int, set[int]] = defaultdict(set)
    for request, person in Writer.objects.filter(request__status__in=_OPEN).values_list("request", "person"):
        writers[request].add(person)
    for one in rows.filter(pk__in=writers).values_list(*columns, Value(1), "pk"):
        yield replace(Open(*one), writers=frozenset(writers[one[-1]]))


def _open_changes() -> Iterator[Open]:
    columns = (
        "request__group_id",
        "request__group_name",
        "request__service",
        "requester",
        "request__preset__approvers",
    )
    yield from _counted(ConnectionChange.objects.filter(status=ChangeStatus.PENDING), columns, is_change=True)


def _counted(rows: QuerySet[Any], columns: tuple[str, ...], *, is_change: bool = False) -> Iterator[Open]:
    for row in rows.order_by().values_list(*columns).annotate(count=Count("pk"), first=Min("pk")):
        yield replace(Open(*row), is_change=is_change)
