"""Events that concern no request, and whose HTTP request wrote an event."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from connections.models import About, ConnectionRequest, Event, EventKind
from connections.states import Actor, Status
from portal.caller import person_calling, remember_caller
from tests import factories

pytestmark = [pytest.mark.sql, pytest.mark.django_db]


def stored(event: Event) -> Event:
    return Event.objects.get(pk=event.pk)


def test_an_event_about_a_request_has_its_version(cast: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.APPROVED, cast["requester"])
    detail = {"changed": [{"field": "group_id", "before": "a", "after": "b"}]}
    event = stored(
        Event.objects.record(EventKind.EDITED, by=cast["requester"], about=conn_request, detail=detail, reason=" so ")
    )
    assert (event.request, event.version, event.by) == (conn_request, conn_request.version, cast["requester"])
    assert (event.detail, event.reason, event.actor, event.about_kind) == (detail, "so", "", "")


def test_an_event_about_another_row_and_about_something_else(cast: dict[str, User]) -> None:
    group = Group.objects.get(name="Auditors")
    row = stored(Event.objects.record(EventKind.RIGHTS_CHANGED, by=cast["admin"], about=group, actor=Actor.OPERATOR))
    assert (row.request, row.about_kind, row.about_id, row.about_name) == (None, "group", str(group.pk), "Auditors")
    page = stored(Event.objects.record(EventKind.EXPORTED, by=cast["auditor"], about=About("page", "/history/")))
    assert (page.about_kind, page.about_id, page.about_name, page.version) == ("page", "/history/", "", 0)


def test_a_stranger_has_the_name_that_was_typed_as_far_as_it_can_be_stored(db: None) -> None:
    event = stored(
        Event.objects.record(EventKind.LOG_IN_REFUSED, by=AnonymousUser(), typed_name="a\0b\ud800" + "x" * 300)
    )
    assert event.by is None
    assert event.typed_name.startswith("a\N{REPLACEMENT CHARACTER}b?x")
    assert len(event.typed_name) == 254


def answered(view: Callable[[HttpRequest], HttpResponse], peer: str = "") -> None:
    remember_caller(view)(RequestFactory(REMOTE_ADDR=peer).get("/"))


def test_an_event_has_the_address_of_the_request_that_is_answered(db: None) -> None:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(Event.objects.record(EventKind.LOGGED_OUT, by=None))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answered(view, "::ffff:192.0.2.7")
    assert stored(seen[0]).address == "192.0.2.7"
    assert Event.objects.record(EventKind.LOGGED_OUT, by=None).address == ""  # outside of any
    with pytest.raises(ZeroDivisionError):
        answered(view)  # a Unix socket
    assert stored(seen[1]).address == ""


def test_the_person_calling_is_who_is_logged_in(cast: dict[str, User]) -> None:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(person_calling())
        request.user = cast["requester"]
        seen.append(person_calling())
        return HttpResponse()

    answered(view)
    assert [*seen, person_calling()] == [None, cast["requester"], None]


def test_a_verb_on_a_page_leaves_the_address(as_user: Callable[[str], Client], cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    reader = as_user("approver")
    reader.get("/requests/")
    reader.post(f"/requests/{conn_request.pk}/approve/", {"digest": conn_request.digest}, REMOTE_ADDR="192.0.2.9")
    conn_request = ConnectionRequest.objects.get(pk=conn_request.pk)
    assert conn_request.state is Status.APPROVED
    assert [event.address for event in conn_request.events.order_by("id")] == ["", "192.0.2.9"]
