"""Typing names into *Source owner* or "give it to somebody else" does not tell which of them are users."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connections.models import ConnectionRequest, Handover
from tests import catalogs, factories
from tests.forms.test_request_form import COMPLETE, NEW, page
from tests.handover import handed_over, logged_in, page_of, proved
from tests.handover.test_leading_on import broken

pytestmark = pytest.mark.django_db
CARD = {"use_connect_card": "on", "run_setup_tests": "false"}
NAMES = ("requester2", "nobody_here", "unmailed", "left_us")


@pytest.fixture(autouse=True)
def people(cast: dict[str, User]) -> None:
    """A name that can be mailed, one that cannot, and one of somebody who left; of `nobody_here` there is none."""
    factories.person(username="unmailed", email="")
    factories.person(username="left_us", is_active=False)


def test_the_form_answers_every_name_alike_and_looks_none_up(as_user: Any) -> None:
    catalogs.offered()
    client = as_user("requester")
    found = set()
    client.post("/requests/new/review/", {**COMPLETE, **CARD})  # what is asked once a process is asked here
    for name in NAMES:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            answer = client.post("/requests/new/review/", {**COMPLETE, **CARD, "source_owner": name})
        assert not [q for q in asked.captured_queries if name in q["sql"]]
        text = page(answer).replace(name, "NAME")
        found.add((answer.status_code, text, len(asked.captured_queries)))
    assert len(found) == 1
    codes = {
        client.post(NEW, {**COMPLETE, **CARD, "source_owner": name, "config__schema": f"s{n}"}).status_code
        for n, name in enumerate(NAMES)
    }
    assert codes == {302} and ConnectionRequest.objects.count() == len(NAMES)


def test_the_approver_is_told_what_the_requester_may_not_know(as_user: Any, cast: dict[str, User]) -> None:
    for name in NAMES:
        conn_request = factories.submitted(cast["requester"], source_owner=name)
        said = "the requester is asked for the credentials instead"
        assert (said in page(as_user("approver").get(f"/requests/{conn_request.pk}/"))) == (name != "requester2"), name
        assert said not in page(as_user("requester").get(f"/requests/{conn_request.pk}/"))


@pytest.mark.parametrize("name", NAMES)
def test_whom_nobody_can_mail_the_requester_stands_in_for(cast: dict[str, User], name: str) -> None:
    row = handed_over(cast["requester"], name)
    assert str(row.owner) == ("requester2" if name == "requester2" else "requester")


def test_passing_on_answers_every_name_alike(cast: dict[str, User]) -> None:
    pages, banners = set(), set()
    for name in NAMES:
        row = handed_over(cast["requester"], "olga@elsewhere.example")
        answer = proved(row).post(page_of(row, "pass-on/"), {"to": name})
        pages.add((answer.status_code, answer.content.decode().replace(name, "NAME")))
        mine = handed_over(cast["requester"], "olga@elsewhere.example")
        url = f"/requests/{mine.request_id}/handover/pass-on/"
        text = logged_in(cast["requester"]).post(url, {"to": name}, follow=True).content.decode()
        banners.add(text.partition('role="status">')[2].partition("</div>")[0].replace(name, "NAME"))
        now = Handover.objects.get(pk=row.pk)
        assert str(now.owner) == ("requester2" if name == "requester2" else "requester")
    assert len(pages) == len(banners) == 1 and "NAME gets the link by mail" in banners.pop()


@pytest.mark.parametrize("name", [*NAMES, "requester2@example.com", "ada@elsewhere.example"])
def test_the_page_that_leads_on_shows_its_requester_what_was_typed(cast: dict[str, User], name: str) -> None:
    """And not the real name behind it, which only a user has."""
    conn_request = broken(cast["requester"], source_owner=name)
    text = page(logged_in(cast["requester"]).get(f"/requests/{conn_request.pk}/"))
    assert f"The credentials are entered at Fivetran, by <bdi>{name}</bdi>" in text
    assert cast["requester2"].get_full_name() not in text
    known = cast["requester2"].get_full_name() if name.startswith("requester2") else name
    if name not in NAMES[1:]:  # nobody can be mailed under these: an approver types another one
        assert f"by <bdi>{known}</bdi>" in page(logged_in(cast["approver"]).get(f"/requests/{conn_request.pk}/"))
