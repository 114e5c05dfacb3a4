"""The record as a page and as files: who reads it, what it shows and finds, and that taking it is on record."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connections import worker, workflow
from connections.models import About, CatalogEntry, Event, EventKind, Kind, PortalPolicy, Preset
from connections.models.search import Edge
from connections.views.audit.filters import MOST_PEOPLE
from connections.views.audit.stretches import count_of, newest_key, rows_of
from connections.views.history.filters import cursor
from tests import factories
from tests.record import write

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def auditor(as_user: Callable[[str], Client]) -> Client:
    """The auditor's browser."""
    return as_user("auditor")


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()


def ids(page: str) -> list[int]:
    return [int(part.partition('"')[0]) for part in page.split('data-event="')[1:]]


def following(page: str) -> str:
    """The address of the next page; nothing after the last one."""
    before, link, _ = page.partition('rel="next"')
    query = before.rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    return f"/audit/{query}" if link else ""


def test_auditors_and_superusers_read_the_record_and_others_are_told_why_not(as_user: Callable[[str], Client]) -> None:
    for name in ("auditor", "admin"):
        assert 'href="/audit/"' in text(as_user(name).get("/audit/"))
    for name in ("requester", "approver", "operator"):
        browser = as_user(name)
        for path in ("/audit/", "/audit/export.csv", "/audit/export.json"):
            answer = browser.get(path)
            assert answer.status_code == 403 and "Only auditors can read the record." in answer.content.decode()
        assert 'href="/audit/"' not in text(browser.get("/"))


def test_an_auditor_sees_who_let_it_in_what_was_seen_and_what_changed_since(
    auditor: Client, cast: dict[str, User]
) -> None:
    conn_request = factories.submitted(cast["requester"])
    seen = conn_request.digest
    workflow.request_changes(by=cast["approver"], conn_request=conn_request, reason="Another table", digest=seen)
    edited = workflow.Filing(values=conn_request.values | {"config.table": "returns"})
    workflow.submit(by=cast["requester"], conn_request=conn_request, filing=edited)
    page = text(auditor.get(f"/audit/?request={conn_request.pk}"))
    for words in (seen, "holds another body: it was edited since", "1 field changed", "returns", "Another table"):
        assert words in page, words
    since = f"/audit/?request={conn_request.pk}&kind=edited"
    assert since.replace("&", "&amp;") in page
    [edit] = ids(text(auditor.get(since)))
    assert Event.objects.get(pk=edit).detail["changed"][0]["after"] == "returns"
    workflow.approve(by=cast["approver"], conn_request=conn_request, digest=conn_request.digest)
    approved = text(auditor.get(f"/audit/?request={conn_request.pk}&kind=moved:approved"))
    assert "holds this body" in approved and f'href="/requests/{conn_request.pk}/export/"' in approved
    own = text(auditor.get(f"/requests/{conn_request.pk}/"))
    assert f'href="/audit/?request={conn_request.pk}"' in own and "data-changed" in own


def test_people_are_found_by_their_real_names(auditor: Client, cast: dict[str, User]) -> None:
    mine, other = factories.submitted(cast["requester"]), factories.submitted(cast["requester2"])
    for query, expected in {
        "person=Mara+Lindqvist": mine,
        "person=lindqvist": mine,
        "person=Mara+Weber": None,
        "q=Mara+Lindqvist": mine,
        "q=Jonas+google": other,
        "q=Jonas+Lindqvist": None,
    }.items():
        found = ids(text(auditor.get(f"/audit/?kind=moved:pending&{query}")))
        assert found == ([event.pk for event in expected.events.all()] if expected else []), query


def test_of_many_people_with_a_name_the_last_one_is_found_too(auditor: Client, cast: dict[str, User]) -> None:
    names = [("Anna", f"Meyer {number}") for number in range(MOST_PEOPLE)] + [("Anna", "Schmidt")]
    people = [User(username=f"a{at}", first_name=first, last_name=last) for at, (first, last) in enumerate(names)]
    last = User.objects.bulk_create(people)[-1]
    [event] = write(1, by=last)
    for query in ("person=anna+schmidt", "q=anna+schmidt"):
        assert ids(text(auditor.get(f"/audit/?{query}"))) == [event.pk], query
        assert len(json.loads(text(auditor.get(f"/audit/export.json?{query}")))) == 1, query
    too_many = auditor.get("/audit/?person=anna")
    assert too_many.status_code == 400 and "more than 500 people have this name" in too_many.content.decode()
    assert event.pk in ids(text(auditor.get("/audit/?q=anna")))


def test_fields_have_the_labels_of_their_form_and_destinations_their_names(
    auditor: Client, cast: dict[str, User]
) -> None:
    CatalogEntry.objects.create(kind=Kind.GROUP, fivetran_id="calm_lantern", name="Finance", data={})
    PortalPolicy.objects.create(pk=1, only_listed_services=True)
    Preset.objects.create(name="Hourly", group_id="calm_lantern", values={"config.host": "a", "sync_frequency": 60})
    rule = factories.rule("calm_lantern", ask=[cast["requester"]])
    told = {"changed": [{"field": "requesters", "before": "", "after": "Sales"}]}
    Event.objects.record(EventKind.RULE_CHANGED, by=cast["admin"], about=rule, detail=told)
    page = text(auditor.get("/audit/"))
    for words in (
        "Offer listed services only",
        "Groups that may ask",
        "Finance (calm_lantern)",
        "Values: Sync frequency",
        f"Access rule {rule}",
    ):
        assert words in page, words
    for words in ("only_listed_services", "group id", "Accessrule", "requesters"):
        assert words not in page, words


def test_filters(auditor: Client, cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    other = factories.submitted(cast["requester2"], group_id="another_place")
    record = Event.objects.record
    refused = record(EventKind.LOG_IN_REFUSED, by=None, about=cast["requester"], typed_name="requester")
    far = record(EventKind.RULE_CHANGED, by=cast["admin"], about=About("servicerule", "1", "stripe"), reason="Kept")
    found = {
        query: ids(text(auditor.get(f"/audit/?{query}")))
        for query in (
            "person=requester&kind=log_in_refused",
            "kind=moved:pending&person=requester",
            f"request=%23{conn_request.pk}",
            "destination=another_place",
            "q=stripe+kept",
            "kind=rule_changed&before=2001-01-01",
            "address=192.0.2.200",
            "person=nobody-of-this-name",
        )
    }
    first = [event.pk for event in conn_request.events.all()]
    assert list(found.values()) == [
        [refused.pk],
        first,
        first,
        [one.pk for one in other.events.all()],
        [far.pk],
        [],
        [],
        [],
    ]


@pytest.mark.parametrize("query", ["request=x", "request=" + "9" * 30, "kind=no", "after=x", "cursor=x", "q=%00"])
def test_a_filter_that_cannot_be_used_is_a_sentence(auditor: Client, query: str) -> None:
    answer = auditor.get(f"/audit/?{query}")
    assert answer.status_code == 400 and 'href="/audit/"' in answer.content.decode()


def test_pages_neither_skip_nor_repeat(auditor: Client, cast: dict[str, User]) -> None:
    for number in range(120):
        Event.objects.record(EventKind.EXPORTED, by=cast["admin"], about=About("page", str(number)))
    path, seen = "/audit/?kind=exported", []
    for _ in range(3):
        page = text(auditor.get(path))
        seen += ids(page)
        path = following(page)
    assert seen == list(Event.objects.filter(kind=EventKind.EXPORTED).values_list("pk", flat=True)[:120])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        auditor.get("/audit/")
    assert len(queries) <= 6, [one["sql"] for one in queries]


def test_a_search_looks_at_a_stretch_of_the_record_and_says_how_far(auditor: Client, cast: dict[str, User]) -> None:
    [old] = write(pk=1_000_000, reason="zebra", kind=EventKind.POLICY_CHANGED)
    [young] = write(pk=1_300_000)
    path, pages = "/audit/?q=zebra", []
    while path:
        page = text(auditor.get(path))
        pages.append((ids(page), "data-searched-until" in page))
        path = following(page)
    assert pages == [([], True), ([old.pk], True), ([], False)]  # where no event is, nothing is looked through
    newest = text(auditor.get(f"/audit/?q=zebra&cursor={cursor(Edge(1, newer=True))}"))
    assert ids(newest) == [] and "Search newer events" in newest
    # What an index finds is found at once.
    assert ids(text(auditor.get("/audit/?kind=policy_changed&address=192.0.2.1"))) == [old.pk]
    for form in ("csv", "json"):
        assert "zebra" in text(auditor.get(f"/audit/export.{form}?q=zebra"))
        assert Event.objects.filter(kind=EventKind.EXPORTED).latest("pk").detail["rows"] == 1
    assert young.pk in ids(text(auditor.get("/audit/")))


def test_the_highest_key_of_all_ends_neither_a_search_nor_an_export(auditor: Client, cast: dict[str, User]) -> None:
    [old] = write(pk=1_000, reason="zebra")
    [last] = write(pk=2**63 - 1)
    assert ids(text(auditor.get("/audit/")))[0] == last.pk
    second = following(text(auditor.get("/audit/?q=zebra")))
    assert ids(text(auditor.get(second))) == [old.pk]
    assert ids(text(auditor.get(f"/audit/?q=zebra&cursor={cursor(Edge(1, newer=True))}"))) == [old.pk]
    found = list(rows_of(Event.objects.filter(reason="zebra"), ["pk"], newest_key(), 1))
    assert found == [[(old.pk,)]] and count_of(Event.objects.filter(reason="zebra"), newest_key()) == 1


READ = 'SELECT "connections_event"."id"'


def test_the_filters_of_the_record_have_indexes(auditor: Client, cast: dict[str, User]) -> None:
    queries = {
        "kind=policy_changed": "event_by_kind",
        "person=nobody-at-all": "event_by_kind",
        "address=192.0.2.200": "event_by_address",
        "person=requester": "event_about_person",
    }
    for query, index in queries.items():
        with CaptureQueriesContext(connection) as found:
            auditor.get(f"/audit/?{query}")
        [statement] = [one["sql"] for one in found if one["sql"].startswith(READ)]
        assert index in plan_of(statement), query


def plan_of(statement: str) -> str:
    """How the database would read it, where walking the table was out of the question."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for way in ("seqscan", "indexscan"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
            cursor.execute(f"EXPLAIN {statement}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        return str(cursor.fetchall())


def test_drafts_are_not_on_the_record(auditor: Client, cast: dict[str, User]) -> None:
    draft = factories.draft(cast["requester"], reason="A private thought")
    assert ids(text(auditor.get(f"/audit/?request={draft.pk}"))) == []
    exported = text(auditor.get("/audit/export.json"))
    assert all(one["request"] != draft.pk for one in json.loads(exported))


def test_what_was_typed_is_text(auditor: Client, cast: dict[str, User]) -> None:
    bad = "<script>alert(1)</script>"
    detail = {
        "changed": [{"field": bad, "before": bad, "after": [bad]}, "no row"],
        "seen": {"digest": bad},
        "rows": bad,
    }
    Event.objects.record(EventKind.POLICY_CHANGED, by=None, about=About(bad, bad, bad), detail=detail, reason=bad)
    broken: dict[str, Any]
    for broken in ({"changed": 5, "seen": 5}, {"changed": [{}]}):
        Event.objects.record(EventKind.EDITED, by=None, detail=broken)
    page = text(auditor.get("/audit/"))
    assert bad not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_of_any_size_is_an_event_itself(auditor: Client, cast: dict[str, User], form: str) -> None:
    for number in range(1100):
        Event.objects.record(EventKind.LOGGED_OUT, by=cast["admin"], about=About("n", str(number)), reason="=1+1")
    answer = auditor.get(f"/audit/export.{form}?kind=logged_out&person=admin", REMOTE_ADDR="192.0.2.8")
    taken = Event.objects.get(kind=EventKind.EXPORTED)
    assert answer.streaming
    content = text(answer)
    rows = json.loads(content) if form == "json" else list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"))))
    assert [row["about_id"] for row in rows] == [str(number) for number in reversed(range(1100))]
    assert {row["reason"] for row in rows} == {"=1+1" if form == "json" else "'=1+1"}
    assert (taken.by, taken.address, taken.about_id) == (cast["auditor"], "192.0.2.8", f"/audit/export.{form}")
    assert taken.detail == {"format": form, "rows": 1100, "filters": "?person=admin&kind=logged_out"}


def test_how_far_the_record_is_sealed_and_operators_are_told_when_it_is_late(
    auditor: Client, as_user: Callable[[str], Client]
) -> None:
    operator = as_user("operator")
    worker.run("seal")
    page = sealed_line(auditor)
    assert f"Sealed up to event {Event.objects.latest('pk').pk}, " in page and "wait" not in page
    write(1)
    assert "1 event waits for its seal. " in sealed_line(auditor)
    assert "The record is not sealed" not in text(operator.get("/operations/"))
    write(1200, at=timezone.now() - timedelta(minutes=3))
    late = "1,000+ events wait for their seal, longer than two minutes: no worker seals them."
    assert late in sealed_line(auditor)
    page = text(operator.get("/operations/"))
    assert late in page and "The record is not sealed" in page


def sealed_line(auditor: Client) -> str:
    line = text(auditor.get("/audit/")).partition("data-sealed>")[2].partition("</p>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", line).split()) + " "


def test_in_the_admin_too_only_readers_of_the_record_see_what_concerns_no_request(
    auditor: Client, as_user: Callable[[str], Client], cast: dict[str, User]
) -> None:
    User.objects.filter(pk__in=[cast["auditor"].pk, cast["operator"].pk]).update(is_staff=True)
    event = Event.objects.record(EventKind.LOGGED_IN, by=cast["requester"], about=cast["requester"])
    own = f"/admin/connections/event/{event.pk}/change/"
    admin, operator = as_user("admin"), as_user("operator")
    for browser in (auditor, admin):
        assert own in text(browser.get("/admin/connections/event/"))
        page = text(browser.get(own))
        assert "logged_in" in page.lower().replace(" ", "_") and 'name="_save"' not in page
        assert browser.post(own, {"reason": "better"}).status_code == 403
    assert own not in text(operator.get("/admin/connections/event/"))
    assert operator.get(own).status_code == 302
