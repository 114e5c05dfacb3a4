"""Log-ins, refusals and log-outs on the record."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from connections.demo.management.commands.seed_demo import PASSWORD
from connections.models import Event, EventKind
from portal.sign_on.record import Topic, put_on_record

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def requester(cast: dict[str, User]) -> User:
    """Somebody with a password."""
    cast["requester"].set_password(PASSWORD)
    cast["requester"].save()
    return cast["requester"]


def try_to_log_in(username: str, password: str, client: Client | None = None) -> Client:
    client = client or Client()
    client.post("/accounts/login/", {"username": username, "password": password}, REMOTE_ADDR="192.0.2.4")
    return client


def events(kind: EventKind) -> list[Event]:
    return list(Event.objects.filter(kind=kind).order_by("id"))


def test_a_log_in_and_a_log_out_have_person_address_and_time(requester: User) -> None:
    try_to_log_in("requester", PASSWORD).post("/accounts/logout/", REMOTE_ADDR="192.0.2.5")
    [came], [went] = events(EventKind.LOGGED_IN), events(EventKind.LOGGED_OUT)
    assert [(one.by, one.address, one.about_id) for one in (came, went)] == [
        (requester, "192.0.2.4", str(requester.pk)),
        (requester, "192.0.2.5", str(requester.pk)),
    ]
    assert abs((timezone.now() - came.at).total_seconds()) < 60


def test_a_refusal_names_the_account_that_was_tried(requester: User) -> None:
    try_to_log_in("Requester", "wrong")
    [event] = events(EventKind.LOG_IN_REFUSED)
    assert (event.by, event.typed_name, event.about_id) == (None, "requester", str(requester.pk))
    assert event.address == "192.0.2.4"


@pytest.mark.parametrize("typed", ["my-Secret-Passw0rd", "x\0y", "y" * 300, ""])
def test_what_was_typed_as_the_name_of_nobody_may_be_a_password_and_is_not_kept(db: None, typed: str) -> None:
    try_to_log_in(typed, "wrong")
    for event in events(EventKind.LOG_IN_REFUSED):
        assert (event.typed_name, event.about_id, event.about_name) == ("", "", "")
        assert typed not in str(event.detail) or not typed


def test_tries_at_a_closed_log_in_do_not_bury_the_others(requester: User) -> None:
    client = Client()
    for _ in range(12):
        try_to_log_in("requester", "wrong", client)
    refused = len(events(EventKind.LOG_IN_REFUSED))
    assert 0 < refused < 12
    try_to_log_in("requester", "wrong", client)
    assert len(events(EventKind.LOG_IN_REFUSED)) == refused


def test_the_end_of_a_session_by_time_names_the_person(
    as_user: Callable[[str], Client], cast: dict[str, User], settings: object
) -> None:
    client = as_user("auditor")
    session = client.session
    session["seen"] = 1
    session.save()
    assert client.get("/").status_code == 302
    assert [event.by for event in events(EventKind.LOGGED_OUT)] == [cast["auditor"]]


def test_a_second_factor_that_was_removed_names_both_people(cast: dict[str, User]) -> None:
    put_on_record(cast["requester"], "Removed it.", topic=Topic.SECOND_FACTOR, by=cast["admin"])
    put_on_record(cast["requester"], "Roles.", topic=Topic.ROLES)  # the groups themselves are on record
    [event] = events(EventKind.SECOND_FACTOR_CHANGED)
    assert (event.by, event.about_id, event.reason) == (cast["admin"], str(cast["requester"].pk), "Removed it.")
