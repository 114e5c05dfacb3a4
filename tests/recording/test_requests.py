"""Edits with their fields, what a decision was about, and what left the portal."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from connections import workflow
from connections.models import ChangeKind, Event, EventKind, Team
from connections.spec.differences import changed_fields
from connections.states import Status
from tests import factories
from tests.views.test_request_page import poll_url

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def body(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def test_an_edit_tells_the_fields_before_and_after(cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    edited = conn_request.values | {"config.table": "returns", "reason": "Other"}
    workflow.submit(by=cast["requester"], conn_request=conn_request, filing=workflow.Filing(values=edited))
    detail = conn_request.events.latest("pk").detail
    assert sorted(detail["changed"], key=lambda one: str(one["field"])) == [
        {"field": "config.table", "before": "orders", "after": "returns"},
        {"field": "reason", "before": "Weekly sales report", "after": "Other"},
    ]


def test_a_first_submission_changed_nothing(cast: dict[str, User]) -> None:
    draft = factories.draft(cast["requester"])
    workflow.submit(by=cast["requester"], conn_request=draft, filing=workflow.Filing(values=draft.values))
    assert all("changed" not in event.detail for event in draft.events.all())


def test_a_draft_tells_who_changed_what_once_it_is_shared(cast: dict[str, User]) -> None:
    team = Group.objects.create(name="Sales")
    Team.objects.create(group=team)
    people = [User.objects.get(pk=cast[name].pk) for name in ("requester", "requester2")]
    for person in people:
        person.groups.add(team)
    people = [User.objects.get(pk=person.pk) for person in people]
    draft = factories.draft(people[0])
    draft = workflow.save_draft(by=people[0], conn_request=draft, filing=factories.filing(reason="Mine alone"))
    assert not draft.events.filter(kind=EventKind.EDITED).exists()
    workflow.share_draft(by=people[0], conn_request=draft)
    filing = workflow.Filing(values=draft.values | {"reason": "Ours"})
    workflow.save_draft(by=people[1], conn_request=draft, filing=filing)
    event = draft.events.get(kind=EventKind.EDITED)
    assert event.by == people[1]
    assert event.detail == {"changed": [{"field": "reason", "before": "Mine alone", "after": "Ours"}]}


def test_a_decision_tells_what_was_seen(cast: dict[str, User]) -> None:
    approved = factories.submitted(cast["requester"])
    workflow.approve(by=cast["approver"], conn_request=approved, digest=approved.digest)
    rejected = factories.submitted(cast["requester"])
    workflow.reject(by=cast["approver"], conn_request=rejected, reason="No")
    for conn_request in (approved, rejected):
        seen = conn_request.events.latest("pk").detail["seen"]
        assert seen == {"digest": conn_request.digest, "version": conn_request.version - 1}


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_a_change_tells_its_fields_and_what_its_approver_saw(cast: dict[str, User], verb: str) -> None:
    conn_request = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    change = workflow.ask_for_change(
        by=cast["requester"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Holidays"
    )
    asked = conn_request.events.get(kind=EventKind.CHANGE_ASKED).detail["changed"]
    assert asked == [{"field": "paused", "before": False, "after": True}]
    if verb == "approve":
        workflow.approve_change(by=cast["approver"], change=change, digest=change.digest)
    else:
        workflow.reject_change(by=cast["approver"], change=change, reason="No")
    seen = conn_request.events.latest("pk").detail["seen"]
    assert seen == {"digest": change.digest, "version": change.version - 1}


def test_each_export_is_an_event_with_filters_and_rows(as_user: Callable[[str], Client], cast: dict[str, User]) -> None:
    for _ in range(3):
        conn_request = factories.submitted(cast["requester"])
    auditor = as_user("auditor")
    found = {}
    for form, query in (("csv", "?status=pending&service=google_sheets"), ("json", f"?id={conn_request.pk}")):
        answer = auditor.get(f"/requests/export.{form}{query}")
        event = Event.objects.get(kind=EventKind.EXPORTED, about_id=f"/requests/export.{form}")
        body(answer)
        found[form] = event.detail
        assert event.by == cast["auditor"]
    assert found["csv"] == {"format": "csv", "rows": 3, "filters": "?status=pending&service=google_sheets"}
    assert found["json"] == {"format": "json", "rows": 1, "filters": f"?id={conn_request.pk}"}
    for path, form in (("export/", "page"), ("connection.tf", "tf")):
        assert auditor.get(f"/requests/{conn_request.pk}/{path}").status_code == 200
        assert conn_request.events.latest("pk").detail == {"format": form, "rows": 1}


def test_looking_at_a_copy_is_for_the_record_alone(as_user: Callable[[str], Client], cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    page = f"/requests/{conn_request.pk}/"
    reader, auditor = as_user("requester"), as_user("auditor")

    def seen() -> tuple[str | None, str]:
        text = body_of_page(reader.get(page))
        return poll_url(text), text.partition('id="timeline-heading"')[2].partition("</ol>")[0]

    before = seen()
    for path in ("export/", "export/", "connection.json"):
        assert auditor.get(page + path).status_code == 200
    assert seen() == before and "Submitted for approval" in before[1]
    told = body_of_page(auditor.get(f"/audit/?request={conn_request.pk}&kind=exported"))
    assert told.count("data-event=") == 3


def body_of_page(answer: Any) -> str:
    return str(answer.content.decode())


def test_asking_for_the_head_of_an_export_is_no_export(as_user: Callable[[str], Client], cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    auditor = as_user("auditor")
    own = f"/requests/{conn_request.pk}"
    for path in (f"{own}/export/", f"{own}/connection.sh", "/requests/export.csv", "/requests/export.json"):
        assert auditor.head(path).status_code == 200
    for path in ("/audit/export.csv", "/audit/export.json"):
        assert auditor.head(path).status_code == 200
    assert not Event.objects.filter(kind=EventKind.EXPORTED).exists()


def test_a_refused_export_is_none(as_user: Callable[[str], Client]) -> None:
    assert as_user("auditor").get("/requests/export.csv?status=nonsense").status_code == 400
    assert not Event.objects.filter(kind=EventKind.EXPORTED).exists()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": ""}, {}, []),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, [("a.c", 2, "")]),
        ({"a": ["x", "y"]}, {"a": ["x"]}, [("a", "x, y", "x")]),
        ({"config.token": "t1"}, {"config.token": "t2"}, [("config.token", "******", "******")]),
        (
            {},
            {"config.x": [{"name": "a", "password": "hunter2"}, {"b": [{"api_key": "k"}]}]},
            [("config.x", "", '[{"name": "a", "password": "******"}, {"b": [{"api_key": "******"}]}]')],
        ),
        ({}, {"a": [["x", "y"], 1]}, [("a", "", '[["x", "y"], 1]')]),
        (  # no name of a secret, but Fivetran says that it is one for this service
            {"service": "auth0", "config.audience": "1", "values": {"config.audience": "1"}},
            {"service": "auth0", "config.audience": "2", "values": {"config.audience": "2"}},
            [("config.audience", "******", "******"), ("values.config.audience", "******", "******")],
        ),
        ({"a": "x" * 600}, {"a": ""}, [("a", "x" * 499 + "…", "")]),
    ],
)
def test_fields_that_changed(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, Any, Any]]
) -> None:
    assert [(one["field"], one["before"], one["after"]) for one in changed_fields(before, after)] == expected
