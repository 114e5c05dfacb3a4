"""The retention rule: old events lose what tells of people, and the record can still be verified."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction

from connections import tasks, worker
from connections.models import Event, EventKind, EventSeal, PortalPolicy
from connections.models.seal import PERSONAL_DETAIL, hashes_of
from connections.states import Status
from connections.worker.erase import erase
from tests import factories
from tests.record import behind_the_back, findings, people_off_the_record, write

__all__ = ["people_off_the_record"]  # the fixture
pytestmark = [pytest.mark.sql, pytest.mark.django_db]
OLD = timedelta(days=61)
EMPTY = {"by": None, "address": "", "typed_name": "", "reason": "", "about_id": "", "about_name": ""}


def ago(age: timedelta) -> datetime:
    return datetime.now(UTC) - age


def rule(days: int | None) -> None:
    PortalPolicy.objects.update_or_create(pk=1, defaults={"erase_after_days": days})


def old_event(person: User, **columns: Any) -> Event:
    personal = dict.fromkeys(PERSONAL_DETAIL, "Eve Ö") | {"changed": [{"before": "a"}]}
    detail = {**personal, "digest": "d", "n": [1, 2.50], "ü": "\\u00fc é"}
    about = {"about_kind": "user", "about_id": str(person.pk), "about_name": "Ann Lee"}
    told = {"at": ago(OLD), "by": person, "reason": "so", "typed_name": "ann", **about, "detail": detail}
    [event] = write(1, **{**told, **columns})
    return event


def test_what_tells_of_people_is_gone_and_all_else_stays(cast: dict[str, User]) -> None:
    event = old_event(cast["requester"])
    young = old_event(cast["requester"], at=ago(timedelta(days=59)))
    worker.run("seal")
    sealed = EventSeal.objects.get(event=event)
    rule(60)
    assert erase() == 1
    erased = Event.objects.get(pk=event.pk)
    assert {name: getattr(erased, name) for name in EMPTY} == EMPTY
    assert erased.detail == {"digest": "d", "n": [1, 2.5], "ü": "\\u00fc é"}
    assert (erased.at, erased.kind, erased.about_kind) == (event.at, EventKind.LOGGED_IN, "user")
    assert Event.objects.get(pk=young.pk).by == cast["requester"]
    # The salted hashes stay, the salt does not: with it one could try names until a hash fits.
    after = EventSeal.objects.get(event=event)
    assert (after.salt, after.hashes, after.digest) == ("", sealed.hashes, sealed.digest)
    assert set(after.hashes) == {"by", "address", "typed_name", "reason", "about_id", "about_name", "detail"}
    assert hashes_of(event, sealed.salt) == after.hashes
    assert findings() == []
    worker.run("seal")
    assert findings() == []


def test_that_it_was_done_is_an_event_and_the_next_look_finds_nothing(cast: dict[str, User]) -> None:
    for _ in range(3):
        old_event(cast["requester"])
    worker.run("seal")
    rule(30)
    worker.run("erase")
    told = Event.objects.get(kind=EventKind.ERASED)
    assert (told.detail["events"], told.detail["days"], told.by) == (3, 30, None)
    worker.run("erase")
    assert Event.objects.filter(kind=EventKind.ERASED).count() == 1


def test_without_a_rule_nothing_is_erased(cast: dict[str, User]) -> None:
    old_event(cast["requester"])
    worker.run("seal")
    assert erase() == 0
    rule(None)
    assert erase() == 0


def test_the_rule_leaves_thirty_days() -> None:
    with pytest.raises(ValidationError, match="30"):
        PortalPolicy(pk=1, erase_after_days=29).full_clean()


def test_what_it_concerns_stays_where_that_is_no_person(cast: dict[str, User]) -> None:
    event = old_event(cast["requester"], about_kind="page", about_id="/history/", about_name="Requests", detail=[1])
    worker.run("seal")
    rule(60)
    assert erase() == 1
    event.refresh_from_db()
    assert (event.about_id, event.about_name, event.by, event.detail) == ("/history/", "Requests", None, [1])
    assert findings() == []


@pytest.mark.parametrize(("status", "erased"), [(Status.CHANGES_REQUESTED, 0), (Status.CREATED, 1)])
def test_a_request_under_way_keeps_who_said_what(cast: dict[str, User], status: Status, erased: int) -> None:
    conn_request = factories.request_in(status, cast["requester"])
    old_event(cast["approver"], request=conn_request, kind=EventKind.CHANGE_ASKED)
    worker.run("seal")
    rule(60)
    assert erase() == erased


def test_it_waits_for_the_seal(cast: dict[str, User]) -> None:
    old_event(cast["requester"])
    rule(60)
    assert erase() == 0


def test_the_job_looks_every_hour() -> None:
    assert tasks.SCHEDULED["erase"][0] <= 3600


# --- the triggers let exactly that pass -------------------------------------------------------------------------------
ERASED = {
    "by_id": "NULL",
    "address": "''",
    "typed_name": "''",
    "reason": "''",
    "about_id": "''",
    "about_name": "''",
    "detail": """'{"digest": "d"}'""",
}


def set_columns(event: Event, columns: dict[str, str]) -> None:
    assignments = ", ".join(f"{name} = {value}" for name, value in columns.items())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE connections_event SET {assignments} WHERE id = {event.pk}")  # noqa: S608


@pytest.mark.parametrize(
    "other",
    [
        *({name: value} for name, value in {"kind": "'exported'", "version": "7", "source": "'draft'"}.items()),
        *({"detail": value} for value in ("'{}'", """'{"digest": "e"}'""", """'{"digest": "d", "who": ""}'""")),
        *({name: "'x'"} for name in ("address", "reason", "about_id", "about_name")),
        {"at": "'2020-01-01 00:00:00+00:00'"},
    ],
)
def test_a_change_beside_the_erasure_is_refused(cast: dict[str, User], other: dict[str, str]) -> None:
    event = old_event(cast["requester"], detail={"digest": "d", "who": "Eve"})
    worker.run("seal")
    with pytest.raises(DatabaseError, match="cannot be changed"):
        set_columns(event, ERASED | other)
    set_columns(event, ERASED)


def test_only_what_is_old_and_sealed_can_be_erased(cast: dict[str, User]) -> None:
    event = old_event(cast["requester"], detail={"digest": "d"})
    with pytest.raises(DatabaseError, match="cannot be changed"):
        set_columns(event, ERASED)
    young = old_event(cast["requester"], detail={"digest": "d"}, at=ago(timedelta(days=29)))
    worker.run("seal")
    set_columns(event, ERASED)
    with pytest.raises(DatabaseError, match="cannot be changed"):
        set_columns(young, ERASED)


def test_an_erasure_that_stopped_half_way_is_found(cast: dict[str, User]) -> None:
    event = old_event(cast["requester"], detail={"digest": "d"})
    worker.run("seal")
    set_columns(event, ERASED)
    assert [position for position, _words in findings()] == [1]
    with behind_the_back() as cursor:
        cursor.execute("UPDATE connections_eventseal SET salt = ''")
        cursor.execute("UPDATE connections_event SET reason = 'better'")
    [(position, words)] = findings()
    assert (position, "after its personal fields were erased: reason" in words) == (1, True)


def test_a_salt_goes_only_after_the_personal_fields(cast: dict[str, User]) -> None:
    event = old_event(cast["requester"], detail={"digest": "d"})
    worker.run("seal")
    with pytest.raises(DatabaseError, match="cannot be changed"), transaction.atomic():
        EventSeal.objects.update(salt="")
    set_columns(event, ERASED)
    with pytest.raises(DatabaseError, match="cannot be changed"), transaction.atomic():
        EventSeal.objects.update(salt="", digest="x")
    EventSeal.objects.update(salt="")
    assert findings() == []
