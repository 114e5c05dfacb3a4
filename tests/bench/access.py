"""The list, the inbox and a request's page of an approver with 50 access rules, beside the same pages without any; and
the list of somebody in a team, beside the same person's without it.
"""

import statistics
from collections.abc import Callable, Iterable

from tests.bench.history import count
from tests.bench.pages import cookie_of, in_process
from tests.bench.readings import WARM_UP, Reading, Site, milliseconds
from tests.bench.rows import GROUPS

TIMES = 30
BAR = 1.15
LET_IN = {"every destination": GROUPS, "half of them": GROUPS // 2, "one of them": 1}  # of the 50, the approver
TEAM = 20  # people, who have made a tenth of all requests


def with_rules(site: Site) -> list[Reading]:
    """Measured in turns on the same rows, the rules switched on and off between two pages."""
    return [reading for who, places in LET_IN.items() for reading in _of(site, who, places)]


def in_a_team(site: Site) -> list[Reading]:
    """The same person in the team, and out of it: what there is to see is twenty times as much."""
    from django.contrib.auth.models import Group, User

    from connections.models import ConnectionRequest, Team

    members = User.objects.filter(username__in=[f"person{number:04}" for number in range(TEAM)])
    group = Group.objects.create(name="team")
    group.user_set.set(members)
    ConnectionRequest.objects.filter(requester__in=members).update(team=Team.objects.create(group=group))
    member = members[0]

    def switch(inside: bool) -> None:
        (group.user_set.add if inside else group.user_set.remove)(member)

    found = []
    for page, path in {"list": "/requests/", "filtered list": "/requests/?status=created"}.items():
        inside, outside = _in_turns(site, path, cookie_of(member.username), switch)
        found.append(Reading(page, inside / outside, "x", None, f"{inside:.1f} ms, without a team {outside:.1f} ms"))
        switch(True)
        found.append(Reading(page, count(path, cookie_of(member.username)), "queries", 6))
    return found


def _of(site: Site, who: str, places: int) -> list[Reading]:
    from connections.models import ConnectionRequest

    mine = ConnectionRequest.objects.filter(status="pending").latest("pk")
    name = _rules(who, places, mine.group_id)
    pages = {"list": "/requests/", "filtered list": "/requests/?status=failed", "inbox": "/approvals/"}
    pages["request"] = f"/requests/{mine.pk}/"
    found = []
    for page, path in pages.items():
        on, off = _in_turns(site, path, cookie_of(name), _switch)
        beside = f"{on:.1f} ms, without rules {off:.1f} ms"
        found.append(Reading(f"{page}, let in to {who}", on / off, "x", BAR, beside))
        most = 9 if page == "request" else None if page == "inbox" else 6
        found.append(Reading(f"{page}, {who}", count(path, cookie_of(name)), "queries", most))
    return found


def _rules(who: str, places: int, first: str) -> str:
    """50 rules, each for a destination; the approver is let in to `places` of them, `first` among these. Returns the
    approver's name.
    """
    from django.contrib.auth.models import Group, User

    from connections.models import AccessRule

    AccessRule.objects.all().delete()
    reader = User.objects.create(username=f"access {who}")
    reader.groups.add(Group.objects.get(name="Approvers"))
    destinations = sorted((f"group_{number:02}" for number in range(GROUPS)), key=lambda one: one != first)
    for number, group_id in enumerate(destinations):
        rule = AccessRule.objects.create(name=f"{who} {number}")
        rule.destinations.create(group_id=group_id)
        members = Group.objects.create(name=f"{who} {number}")
        if number < places:
            members.user_set.add(reader)
        rule.groups.create(group=members, may_approve=True, may_request=True)
    return reader.username


def _in_turns(site: Site, path: str, cookie: str, switch: Callable[[bool], None]) -> tuple[float, float]:
    """Milliseconds with what is switched on, and without."""
    page = in_process(path, cookie)
    took: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(WARM_UP + TIMES * site.rounds):
        for active in _order(turn):
            switch(active)
            took[active].append(milliseconds(page))
    on, off = (statistics.median(took[active][WARM_UP:]) for active in (True, False))
    return on, off


def _order(turn: int) -> Iterable[bool]:
    return (True, False) if turn % 2 else (False, True)


def _switch(active: bool) -> None:
    from connections.models import AccessRule

    AccessRule.objects.update(active=active)
