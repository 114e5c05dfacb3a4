"""The guard rails for readers whom access rules and teams let see a part: few queries, and work that ends somewhere."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from connections.models import ConnectionRequest
from tests import factories
from tests.bench import rows
from tests.teams import team
from tests.views.test_guard_rails import (
    LIST,
    MANY,
    MOST_WORK,
    SEARCHED,
    asked,
    of_the_list,
    plan,
    unlimited_counts,
    work,
)

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

LET_IN = {"one": 1, "half": rows.GROUPS // 2, "all": rows.GROUPS}  # who approves into how many destinations
TEAM = 20  # people, with a tenth of all requests
PAGES = {
    "page 1": LIST,
    "status": f"{LIST}?status=failed",
    "live": f"{LIST}?tab=live",
    "search": f"{LIST}?q=emea",
    "inbox": "/approvals/",
}


@pytest.fixture
def readers() -> dict[str, Client]:
    """Approvers whom 50 rules let in here and there, one of them in a team as well, and a member of that team."""
    rows.seed(MANY)
    approvers = {name: factories.person("approver", name) for name in (*LET_IN, "one in a team")}
    for number in range(rows.GROUPS):
        who = [person for name, person in approvers.items() if number < LET_IN.get(name, 1)]
        factories.rule(f"group_{number:02}", approve=who)
    members = list(User.objects.filter(username__startswith="person").order_by("username")[:TEAM])
    made = team(*members, approvers["one in a team"])
    ConnectionRequest.objects.filter(requester__in=members).update(team=made)
    return {name: _logged_in(person) for name, person in {**approvers, "member": members[0]}.items()}


def _logged_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    client.get(LIST)  # the session's own stamp is written once
    return client


def _pages(readers: dict[str, Client]) -> list[tuple[str, list[str]]]:
    """(which, its queries)"""
    return [
        (f"{page} of {name}", asked(client, address))
        for name, client in readers.items()
        for page, address in PAGES.items()
        if not (page == "inbox" and name == "member")
    ]


def test_rules_and_teams_cost_no_query_and_no_walk_over_the_table(readers: dict[str, Client]) -> None:
    for name, queries in _pages(readers):
        assert len(queries) <= (8 if "inbox" in name else 6), (name, queries)
        for sql in queries:
            assert "inbox" in name or not unlimited_counts(sql), f"{name}: {sql}"
        if connection.vendor == "sqlite":
            # A union finds each row by its reason, and counts it once.
            assert work(queries) <= 3 * MOST_WORK, (name, work(queries))
        elif "search" not in name:  # a frequent word is looked for wherever it stands, if few of its rows are theirs
            _check_plans(name, of_the_list(queries))
    created = ConnectionRequest.objects.filter(status="created")
    own, let_in = (created.filter(**of).latest("pk").pk for of in ({"team__isnull": False}, {"group_id": "group_00"}))
    for name, client in readers.items():
        assert len(asked(client, f"{LIST}{own if name == 'member' else let_in}/")) <= 9, name


def _check_plans(name: str, queries: list[str]) -> None:
    for sql in queries:
        for node in plan(sql):
            read = node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
            if node.get("Relation Name") == ConnectionRequest._meta.db_table:
                assert read <= SEARCHED, f"{name} reads {read:.0f} rows: {sql}"
