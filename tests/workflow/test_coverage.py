"""How much is worked out and read to tell whom the access rules let in: not more for more destinations or people."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Group

from connections.models import Writer
from connections.permissions import Right, coverage
from connections.permissions.coverage import Coverage, Rule
from connections.permissions.rule_effects import differences
from tests import factories

PLACES = [f"place{number:03}" for number in range(300)]


class Counted(dict[int, frozenset[int]]):
    """Members of groups, which counts how often they are asked for."""

    asked = 0

    def get(self, key: int, default: Any = None) -> Any:
        self.asked += 1
        return super().get(key, default)


def with_rules(*rules: Rule) -> Coverage:
    members = Counted({1: frozenset(range(1, 50)), 2: frozenset({1, 2})})
    return Coverage(
        rules=rules,
        closed=False,
        people={person: f"Person {person}" for person in range(1, 60)},
        approvers=frozenset({1, 2, 3}),
        readers=frozenset(),
        members=members,
        open=(),
    )


def rule(services: int, *places: str) -> Rule:
    named = frozenset(f"s{number}" for number in range(services))
    return Rule(frozenset(places), named, {Right.REQUEST: frozenset({1}), Right.APPROVE: frozenset({2})})


def test_destinations_of_the_same_rules_are_worked_out_once() -> None:
    before = with_rules(rule(0, *PLACES[:100]))
    after = with_rules(rule(0, *PLACES[:100]), rule(40, *PLACES))
    found = differences(before, after, PLACES)
    assert {one.right for one in found} == set(Right) and {len(one.destinations) for one in found} == {100, 200}
    assert list(after.shut()) == [] and after.is_open_anywhere()
    asked = [one.members.asked for one in (before, after) if isinstance(one.members, Counted)]
    assert max(asked) <= 2 * 4  # for both rights: no rule, one, the other, both; not for 300 x 41


def test_what_is_shut_is_worked_out_once_and_told_of_each() -> None:
    after = replace(with_rules(rule(40, *PLACES)), approvers=frozenset())
    assert len(after.shut()) == 300 and not replace(after, closed=True).is_open_anywhere()
    assert all(why.startswith("Nobody") and place in why for place, why in after.shut().items())
    assert isinstance(after.members, Counted) and after.members.asked <= 2 * 2 * 2


@pytest.mark.django_db
def test_what_is_stranded_is_read_without_those_who_decide_nothing() -> None:
    asks, frank, ann = factories.person(), factories.person("approver"), factories.person("approver")
    made = factories.rule("finance", ask=[asks], approve=[frank])
    crowd = Group.objects.create(name="Everybody")
    crowd.user_set.add(asks, frank, *[factories.person() for _ in range(5)])
    stuck, wrote = factories.submitted(asks, group_id="finance"), factories.submitted(asks, group_id="finance")
    Writer.objects.create(request=wrote, person=frank)
    found = coverage.of_decisions()
    assert found.people == {} and found.members[crowd.pk] == {frank.pk}
    assert found.stranded() == coverage.read().stranded() and [one.first for one in found.stranded()] == [wrote.pk]
    made.groups.filter(may_approve=True).update(group=Group.objects.create(name="Empty"))
    found = coverage.of_decisions()
    assert {one.first for one in found.stranded()} == {stuck.pk, wrote.pk} and ann.pk in found.approvers
    assert set(found.stranded()) == set(coverage.read().stranded())
