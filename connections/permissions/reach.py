"""Where one person may ask or approve by the access rules, and in which teams: read at once, as ids.

With ids in its condition a list is found by an index; with the rules themselves a database would judge row by row.
The verbs judge by those (`connections.permissions.access`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import connections as databases
from django.db.models import Q

from connections.permissions.rights import Person, has_right, in_a_team, is_approver, rights_of, sees_everything

MEND = "An administrator can change that in the access rules."
Services = frozenset[str] | None  # None: every one


@dataclass(frozen=True, repr=False)
class Destinations:
    """Those open to one person: of each with a rule the services, and whether the others are closed."""

    named: Mapping[str, Services]
    closed: bool = False

    def __repr__(self) -> str:
        # The same in every process, as a version of what depends on it.
        named = [(group_id, services and sorted(services)) for group_id, services in sorted(self.named.items())]
        return f"{type(self).__name__}({named}, {self.closed})"

    def services(self, group_id: str) -> Services:
        """Those that are open in the destination; empty where it is closed."""
        return self.named.get(group_id, frozenset() if self.closed else None)

    def is_open(self, group_id: str, service: str = "") -> bool:
        """For `service`; without one, for any."""
        found = self.services(group_id)
        return found is None or (service in found if service else bool(found))


class MayAsk(Destinations):
    """What one person may ask for."""

    def refusal(self, group_id: str, service: str, name: str = "") -> str:
        """Why not, in words; empty where it may be asked for."""
        if not group_id or self.is_open(group_id, service):
            return ""
        if not self.is_open(group_id):  # its name is not for everybody
            return f"The access rules do not let you ask for connections into this destination. {MEND}"
        into = f"into “{name or group_id}”"
        return f"The access rules do not let you ask for connections of this service {into}. {MEND}"


EVERYTHING = MayAsk({})
NOWHERE = f"The access rules do not let you ask for connections of this service into any destination. {MEND}"


@dataclass(frozen=True)
class Reach:
    """The teams of one person, and the destinations into which the person approves, among all that requests name."""

    teams: tuple[int, ...] = ()
    everywhere: bool = False
    whole: tuple[str, ...] = ()  # every service of these
    some: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()  # of these destinations those services

    def approves(self, path: str = "", *, in_order: bool = False) -> Q:
        """A condition on requests, or on what has one at `path` (with its `__`); `in_order`: of rows that are read in
        an order until there are enough.
        """
        if self.everywhere:
            return Q()
        found = Q(**{f"{path}group_id__in": self.whole})
        for places, services in self.some:
            found |= Q(**{f"{path}group_id__in": places, f"{path}service__in": services})
        number = len(self.whole) + sum(len(places) for places, _ in self.some)
        return not_by_index(found) if path or (in_order and number > 1) else found


def not_by_index(condition: Q) -> Q:
    """The same, of rows that something else finds. SQLite, which knows no numbers, would find thousands of rows by it;
    PostgreSQL takes the double negation away, and chooses by its statistics.
    """
    return ~Q(~condition)


# --- read ------------------------------------------------------------------------------------------------------------
# Written out, because Django takes longer to build these than the database to answer them.
# A rule's destinations and its services apart: together they would be as many rows as the one times the other.
_RULES = """
    SELECT 'rule', d.group_id, CAST(d.rule_id AS varchar), EXISTS (
        SELECT 1 FROM connections_accessgroup g JOIN auth_user_groups m ON m.group_id = g.group_id
        WHERE g.rule_id = d.rule_id AND g.{right} AND m.user_id = %s)
    FROM connections_accessdestination d JOIN connections_accessrule r ON r.id = d.rule_id AND r.active
    UNION ALL SELECT 'service', s.service, CAST(s.rule_id AS varchar), FALSE
    FROM connections_accessservice s JOIN connections_accessrule r ON r.id = s.rule_id AND r.active
    UNION ALL SELECT 'closed', '', '', FALSE FROM connections_portalpolicy p WHERE p.closed_without_rule
"""
# Which destinations there are is found in jumps along an index, and not at all where no rule and no policy asks.
_DESTINATIONS = """
    WITH RECURSIVE used (group_id) AS (
        SELECT '' WHERE EXISTS (SELECT 1 FROM connections_accessrule r WHERE r.active
            UNION ALL SELECT 1 FROM connections_portalpolicy p WHERE p.closed_without_rule)
        UNION ALL SELECT (SELECT MIN(q.group_id) FROM connections_connectionrequest q WHERE q.group_id > used.group_id)
        FROM used WHERE used.group_id IS NOT NULL)
    {rules} UNION ALL SELECT 'used', used.group_id, '', FALSE FROM used WHERE used.group_id <> ''
"""
_TEAMS = """
    SELECT 'team', CAST(t.id AS varchar), '', FALSE
    FROM connections_team t JOIN auth_user_groups m ON m.group_id = t.group_id AND m.user_id = %s
"""
_ASKING = _RULES.format(right="may_request")
_APPROVING = f"{_DESTINATIONS.format(rules=_RULES.format(right='may_approve'))} UNION ALL {_TEAMS}"
_KEPT = "_reach"
_Row = tuple[str, str, str, bool]  # what it is of, a name or id, its rule, whether the rule lets the person in


def may_ask(user: Person) -> MayAsk:
    return MayAsk(*_open(_read(_ASKING, user)))


def reach_of(user: Person) -> Reach:
    """Read once for each `user` that a page or a verb has read."""
    kept: Reach | None = getattr(user, _KEPT, None)
    if kept is None:
        approves = is_approver(user) or has_right(user, "approve_trust")
        kept = _reach(_read(_APPROVING if approves else _TEAMS, user), approves=approves)
        setattr(user, _KEPT, kept)
    return kept


def sees_every_submitted(user: Person) -> bool:
    return sees_everything(user) or (is_approver(user) and reach_of(user).everywhere)


def sight_of(user: Person) -> tuple[tuple[bool, ...], Reach | None]:
    """All that decides what `user` sees, besides who `user` is."""
    asks = in_a_team(user) or is_approver(user) or has_right(user, "approve_trust")
    return rights_of(user), reach_of(user) if asks else None


def _reach(rows: list[_Row], *, approves: bool) -> Reach:
    found = Destinations(*_open(rows))
    places = {group_id: found.services(group_id) for kind, group_id, *_ in rows if kind in ("rule", "used")}
    # By their services, for many destinations have the same ones and a database takes so many terms and no more.
    some: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for place, services in sorted(places.items()):
        if services:
            some[tuple(sorted(services))].append(place)
    return Reach(
        everywhere=approves and not found.closed and all(services is None for services in places.values()),
        teams=tuple(sorted(int(team) for kind, team, *_ in rows if kind == "team")),
        whole=tuple(sorted(place for place, services in places.items() if services is None)),
        some=tuple((tuple(of), services) for services, of in sorted(some.items())),
    )


def _open(rows: Iterable[_Row]) -> tuple[dict[str, Services], bool]:
    """What `Destinations` are made of. One is open for what any of its rules says."""
    listed: dict[str, set[str]] = defaultdict(set)
    letting: dict[str, set[str]] = defaultdict(set)
    closed = False
    for kind, name, rule, mine in rows:
        if kind == "rule":
            letting[name].update({rule} if mine else ())
        elif kind == "service":
            listed[rule].add(name)
        closed |= kind == "closed"
    # Once for each set of rules: many destinations are in the same ones.
    of_rules = {rules: _services(rules, listed) for rules in {frozenset(rules) for rules in letting.values()}}
    return {name: of_rules[frozenset(rules)] for name, rules in letting.items()}, closed


def _services(rules: frozenset[str], listed: Mapping[str, set[str]]) -> Services:
    return frozenset[str]().union(*(listed[rule] for rule in rules)) if all(rule in listed for rule in rules) else None


def _read(sql: str, user: Person) -> list[_Row]:
    with databases[User.objects.db].cursor() as cursor:
        cursor.execute(sql, [user.pk or 0] * sql.count("%s"))
        return list(cursor.fetchall())
