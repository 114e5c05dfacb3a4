"""Two administrators at the same moment: what each alone may do leaves nobody together, so the second is refused."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client

from connections.permissions import coverage
from tests import factories
from tests.teams.test_at_once import second

pytestmark = [
    pytest.mark.sql,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
    pytest.mark.django_db(transaction=True),
]


def form_of(person: User, **changes: Any) -> dict[str, Any]:
    texts = {"username": person.username, "email": person.email, "is_active": "on"}
    groups = [group.pk for group in person.groups.all()]
    return {**texts, "date_joined_0": "2026-01-01", "date_joined_1": "10:00", "groups": groups, **changes}


def test_each_takes_one_of_two_approvers_away() -> None:
    robin, ann, ben = factories.person(), factories.person("approver", "ann"), factories.person("approver", "ben")
    factories.rule("finance", ask=[robin], approve=[ann, ben])
    factories.submitted(robin, group_id="finance")
    browsers = [Client(), Client()]
    for browser in browsers:
        browser.force_login(factories.person("superuser"))
    answers = []

    def deactivated() -> None:
        data = form_of(ann)
        del data["is_active"]
        answers.append(browsers[0].post(f"/admin/auth/user/{ann.pk}/change/", data))

    def out_of_the_group() -> None:
        approvers = Group.objects.get(name="Approvers").pk
        left = [group for group in form_of(ben)["groups"] if group != approvers]
        answers.append(browsers[1].post(f"/admin/auth/user/{ben.pk}/change/", form_of(ben, groups=left)))

    assert second(deactivated, out_of_the_group) == []
    assert [answer.status_code for answer in answers] == [302, 200]
    assert "Nobody could decide" in answers[1].content.decode()
    found = coverage.read()
    assert not found.stranded() and not found.shut() and ben.pk in found.approvers
