"""The list, the inbox and a request's page of an approver with 50 access rules, beside the same pages without any."""

import statistics
from collections.abc import Iterable

from tests.bench.history import count
from tests.bench.pages import cookie_of, in_process
from tests.bench.readings import WARM_UP, Reading, Site, milliseconds
from tests.bench.rows import GROUPS

TIMES = 30
BAR = 1.15
# Into how many of the 50 destinations the approver is let in. The pages of who is let in nearly nowhere are reported:
# without rules that person would see everything, which is another page.
LET_IN = {"every destination": (GROUPS, BAR), "half of them": (GROUPS // 2, BAR), "one of them": (1, None)}


def with_rules(site: Site) -> list[Reading]:
    """Measured in turns on the same rows, the rules switched on and off between two pages."""
    return [reading for who, (places, bar) in LET_IN.items() for reading in _of(site, who, places, bar)]


def _of(site: Site, who: str, places: int, bar: float | None) -> list[Reading]:
    from connections.models import ConnectionRequest

    mine = ConnectionRequest.objects.filter(status="pending").latest("pk")
    name = _rules(who, places, mine.group_id)
    pages = {"list": "/requests/", "filtered list": "/requests/?status=failed", "inbox": "/approvals/"}
    pages["request"] = f"/requests/{mine.pk}/"
    found = []
    for page, path in pages.items():
        on, off = _in_turns(site, path, cookie_of(name))
        beside = f"{on:.1f} ms, without rules {off:.1f} ms"
        found.append(Reading(f"{page}, let in to {who}", on / off, "x", bar, beside))
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


def _in_turns(site: Site, path: str, cookie: str) -> tuple[float, float]:
    """Milliseconds with rules, and without."""
    page = in_process(path, cookie)
    took: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(WARM_UP + TIMES * site.rounds):
        for active in _order(turn):
            _switch(active)
            took[active].append(milliseconds(page))
    on, off = (statistics.median(took[active][WARM_UP:]) for active in (True, False))
    return on, off


def _order(turn: int) -> Iterable[bool]:
    return (True, False) if turn % 2 else (False, True)


def _switch(active: bool) -> None:
    from connections.models import AccessRule

    AccessRule.objects.update(active=active)
