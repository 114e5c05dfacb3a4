"""A session is as long as the rights held now allow, whenever they were given."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import factories
from tests.views.test_request_page import poll_url

pytestmark = pytest.mark.sql
PAGE = "/requests/"


def right(codename: str) -> Callable[[User], None]:
    return lambda person: person.user_permissions.add(Permission.objects.get(codename=codename))


def flag(name: str) -> Callable[[User], None]:
    return lambda person: User.objects.filter(pk=person.pk).update(**{name: True})  # type: ignore[return-value]


def group(name: str) -> Callable[[User], None]:
    return lambda person: person.groups.add(factories.group(name))


GIVEN = {
    "approver": group("Approvers"),
    "operator": group("Operators"),
    "approve_trust": right("approve_trust"),
    "staff": flag("is_staff"),
    "superuser": flag("is_superuser"),
}


def session_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def kept_in_use(client: Client, *, minutes: int) -> time_machine.travel:
    """The clock, so many minutes on; meanwhile the session is never unused for an hour."""
    for passed in range(50, minutes, 50):
        with time_machine.travel(timezone.now() + timedelta(minutes=passed)):
            assert client.get(PAGE).status_code == 200
    return time_machine.travel(timezone.now() + timedelta(minutes=minutes))


def queries_of(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
        if answer.streaming:
            b"".join(answer)  # a file, which is closed then
    return len(captured)


@pytest.mark.parametrize("given", GIVEN)
def test_a_right_of_the_directory_that_comes_later_ends_the_long_session(groups: None, given: str) -> None:
    person = factories.person()  # without a password here, as whoever comes by the company's log-in
    client = session_of(person)
    with kept_in_use(client, minutes=50):
        GIVEN[given](person)
        assert client.get(PAGE).status_code == 200  # the right is not an hour away from the log-in
    with kept_in_use(client, minutes=61):
        assert client.get(PAGE)["Location"] == f"/accounts/login/?next={PAGE}"
    assert client.get(PAGE).status_code == 302


@pytest.mark.parametrize("given", GIVEN)
def test_a_right_at_the_log_in_makes_the_session_short(groups: None, settings: Any, given: str) -> None:
    person = factories.person()
    GIVEN[given](person)
    left = session_of(User.objects.get(pk=person.pk)).session.get_expiry_date() - timezone.now()
    assert abs(left - settings.SESSION_APPROVER_LIMIT) < timedelta(minutes=1)


@pytest.mark.parametrize(("given", "stays"), [("approver", False), ("superuser", False), ("operator", True)])
def test_of_people_with_a_password_here_those_who_decide(cast: dict[str, User], given: str, stays: bool) -> None:
    client = session_of(cast["requester"])
    GIVEN[given](cast["requester"])
    with kept_in_use(client, minutes=61):
        assert (client.get(PAGE).status_code == 200) == stays


def test_a_session_of_a_version_that_wrote_no_beginning(groups: None) -> None:
    people = {role: session_of(factories.person(role)) for role in ("requester", "approver")}
    for client in people.values():
        session = client.session
        del session["begun"]
        session.save()
    assert {role: client.get(PAGE).status_code for role, client in people.items()} == {
        "requester": 200,
        "approver": 302,
    }


@pytest.mark.parametrize("who", ["requester", "auditor"])
def test_no_page_of_an_old_session_asks_for_more(cast: dict[str, User], who: str) -> None:
    client, conn_request = session_of(cast[who]), factories.approved(cast["requester"], cast["approver"])
    page = f"/requests/{conn_request.pk}/"
    paths = (PAGE, "/", "/requests/new/", page, "/healthz", "/static/connections/portal.css")
    fresh = {path: [queries_of(client, path) for _ in range(2)][1] for path in paths}
    with kept_in_use(client, minutes=65):
        client.get(PAGE)  # writes when it was used
        old = {path: queries_of(client, path) for path in paths}
        answer = client.get(poll_url(client.get(page).content.decode()) or "")
    assert answer.status_code in (200, 204)
    assert not {path: (fresh[path], old[path]) for path in paths if old[path] > fresh[path]}
    assert old["/healthz"] == old["/static/connections/portal.css"] == 0
