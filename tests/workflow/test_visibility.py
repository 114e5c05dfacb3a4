"""What one person sees is the same by every way to ask: lists, counts, a request alone, and what belongs to one."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import RequestFactory
from django.utils import timezone

from connections import permissions
from connections.models import Connection, ConnectionRequest, PortalPolicy, Team
from connections.states import Status
from connections.timezones import UTC
from connections.views.history import history, tabs
from connections.views.history.filters import Filters
from connections.views.history.tabs import Tab
from tests import factories
from tests.teams import team

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
PLACES, SERVICES = ("a", "b", "c", "d"), ("postgres", "mysql")
ROLES = ("requester", "requester", "approver", "approver", "approver", "operator", "auditor", "superuser", "trust")
STANDINGS = (Status.DRAFT, Status.WITHDRAWN, Status.PENDING, Status.CREATED, Status.FAILED)
_OF_TABS = {Tab.LIVE: Status.CREATED, Tab.FAILED: Status.FAILED, Tab.WAITING: Status.PENDING}


@dataclass
class World:
    """People, teams, rules and requests at random; `sees` says in Python what the rules say in words."""

    dice: random.Random
    closed: bool = False
    people: list[User] = field(default_factory=list)
    rules: list[tuple[str, set[User], set[str]]] = field(default_factory=list)
    teams: list[tuple[Team, set[User]]] = field(default_factory=list)

    def some(self, among: Any) -> list[Any]:
        return [one for one in among if self.dice.random() < 0.4]

    def fill(self) -> None:
        self.people = [_person(role) for role in ROLES]
        for _ in range(self.dice.randrange(3)):
            members = self.some(self.people) or self.people[:1]
            self.teams.append((team(*members, name=f"Team {len(self.teams)}"), set(members)))
        for _ in range(self.dice.randrange(4)):
            place, people, services = self.dice.choice(PLACES), self.some(self.people), self.some(SERVICES)
            active = self.dice.random() < 0.8
            factories.rule(place, approve=people, services=services, active=active)
            if active:
                self.rules.append((place, set(people), set(services)))
        self.closed = self.dice.random() < 0.3
        PortalPolicy.objects.update_or_create(pk=1, defaults={"closed_without_rule": self.closed})
        for number in range(30):
            self._file(number)

    def _file(self, number: int) -> None:
        requester, status, now = self.dice.choice(self.people), self.dice.choice(STANDINGS), timezone.now()
        mine = [one for one, members in self.teams if requester in members]
        is_draft = status is Status.DRAFT or (status is Status.WITHDRAWN and self.dice.random() < 0.5)
        decided = status in (Status.CREATED, Status.FAILED)
        approver = next(one for one in self.people if one != requester)
        conn_request = ConnectionRequest.objects.create(
            status=status,
            requester=requester,
            team=self.dice.choice([None, *mine]),
            shared_at=now if is_draft and self.dice.random() < 0.5 else None,
            submitted_at=None if is_draft else now,
            service=self.dice.choice(SERVICES),
            group_id=self.dice.choice(PLACES),
            schema=f"s{number}",
            digest="x",
            connection_id=f"c{number}" if status is Status.CREATED else None,
            **({"approved_by": approver, "approved_at": now, "approved_digest": "x"} if decided else {}),
        )
        if status is Status.CREATED:
            waits = self.dice.random() < 0.5
            Connection.objects.create(
                request=conn_request, trust_waiting=int(waits), trust_since=now if waits else None, seen_at=now
            )

    def sees(self, person: User, one: ConnectionRequest) -> bool:
        if one.requester_id == person.pk:
            return True
        in_team = any(team.pk == one.team_id and person in members for team, members in self.teams)
        if in_team and (one.submitted_at or one.shared_at):
            return True
        match ROLES[self.people.index(person)]:
            case "operator" | "auditor" | "superuser":
                return one.submitted_at is not None
            case "approver":
                return one.submitted_at is not None and self.approves(person, one)
            case "trust":
                waits = Connection.objects.filter(request=one, trust_since__isnull=False).exists()
                return waits and self.approves(person, one)
        return False

    def approves(self, person: User, one: ConnectionRequest) -> bool:
        rules = [(people, services) for place, people, services in self.rules if place == one.group_id]
        if not rules:
            return not self.closed
        return any(person in people and (not services or one.service in services) for people, services in rules)


def _person(role: str) -> User:
    person = factories.person("requester" if role == "trust" else role)
    if role == "trust":
        person.user_permissions.add(Permission.objects.get(codename="approve_trust"))
    return person


@pytest.mark.parametrize("seed", range(6))
def test_every_way_to_ask_what_somebody_sees_gives_the_same(seed: int) -> None:
    world = World(random.Random(seed))  # noqa: S311  # the same worlds each time
    world.fill()
    every = list(ConnectionRequest.objects.all())
    for number, person in enumerate(world.people):
        who = (seed, ROLES[number])
        person = User.objects.get(pk=person.pk)
        expected = {one.pk for one in every if world.sees(person, one)}
        submitted = {one.pk for one in every if one.pk in expected and one.submitted_at}
        assert _ids(permissions.visible_to(person)) == expected, who
        assert {one.pk for one in every if _can_see(person, one)} == expected, who
        of_connections = Connection.objects.filter(permissions.seen(person, "request__"))
        created = {one.pk for one in every if one.pk in expected and one.status == Status.CREATED}
        assert set(of_connections.values_list("request", flat=True)) == created, who
        for in_order in (True, False):
            assert _together(permissions.parts_of(person, in_order=in_order)) == expected, who
            found = _together(permissions.parts_of(person, submitted=True, in_order=in_order))
            assert found & {one.pk for one in every if one.submitted_at} == submitted, who
        _check_tabs(person, [one for one in every if one.pk in expected], who)


def _check_tabs(person: User, visible: list[ConnectionRequest], who: Any) -> None:
    request = RequestFactory().get("/requests/")
    request.user = person
    counts = tabs.counts(request)
    for tab in (Tab.ALL, *_OF_TABS):
        mine = [one.pk for one in visible if tab is Tab.ALL or one.status == _OF_TABS[tab]]
        assert counts[tab] == len(mine), (who, tab)
        page = history.read_page(tabs.visible_in(tab, person, in_order=True), Filters(tab=tab), None, UTC, person)
        assert [row[0] for row in page.rows] == sorted(mine, reverse=True), (who, tab)


def _can_see(person: User, one: ConnectionRequest) -> bool:
    return permissions.can_see(person, ConnectionRequest.objects.get(pk=one.pk))


def _ids(rows: Any) -> set[int]:
    return set(rows.values_list("pk", flat=True))


def _together(parts: list[Any]) -> set[int]:
    return set().union(*map(_ids, parts))
