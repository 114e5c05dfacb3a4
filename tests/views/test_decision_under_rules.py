"""Where the access rules stand in the way of a decision, the page says so in the place of the button."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from connections import workflow
from connections.models import ChangeKind, ConnectionRequest
from connections.states import Status
from tests import factories

pytestmark = pytest.mark.django_db
PLACE = "projected_sickle"


@pytest.fixture
def people() -> dict[str, User]:
    mia = factories.person(username="mia", first_name="Mia", last_name="Brandt")
    found = {"mia": mia, "priya": factories.person("approver", "priya"), "root": factories.person("superuser", "root")}
    factories.rule(PLACE, ask=[mia, factories.person(username="leo")], approve=[found["priya"]])
    return found


def button(page: str, name: str) -> str:
    found = re.search(rf'<button[^>]*id="do-{name}"[^>]*>', page)
    assert found is not None, name
    return found.group()


def logged_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_what_its_requester_may_no_longer_ask_for_is_only_rejected(people: dict[str, User]) -> None:
    asked, priya = factories.submitted(people["mia"], group_id=PLACE), logged_in(people["priya"])
    address = reverse("connections:request", args=[asked.pk])
    assert "btn-primary" in button(priya.get(address).content.decode(), "approve")
    people["mia"].groups.clear()
    page = priya.get(address).content.decode()
    why = "Mia Brandt may no longer ask for connections into “Warehouse”, so it can only be rejected."
    assert why in page and "disabled" not in button(page, "reject")
    assert "disabled" in button(page, "approve") and "btn-primary" not in button(page, "approve")
    # A page that was open meanwhile: the answer stands on the request's page.
    answer = priya.post(reverse("connections:approve", args=[asked.pk]), {"digest": asked.digest}, follow=True)
    assert answer.redirect_chain and why in answer.content.decode()
    asked.refresh_from_db()
    assert asked.state is Status.PENDING
    workflow.reject(by=people["priya"], conn_request=asked, reason="No longer yours")


def test_the_admin_says_it_too(people: dict[str, User]) -> None:
    asked = factories.submitted(people["mia"], group_id=PLACE)
    people["mia"].groups.clear()
    admin = logged_in(people["priya"])
    page = admin.get(reverse("admin:connections_connectionrequest_change", args=[asked.pk])).content.decode()
    assert "Mia Brandt may no longer ask" in page and "button default" not in page
    data = {"action": "approve", "_selected_action": [asked.pk]}
    page = admin.post(reverse("admin:connections_connectionrequest_changelist"), data).content.decode()
    assert "Mia Brandt may no longer ask" in page


def test_a_change_which_its_requester_may_no_longer_ask_for_is_only_rejected(people: dict[str, User]) -> None:
    made: Any = factories.request_in(Status.CREATED, people["mia"], people["priya"], group_id=PLACE)
    change = workflow.ask_for_change(
        by=people["mia"], conn_request=made, kind=ChangeKind.PAUSE, reason="Holidays", values={}
    )
    people["mia"].groups.clear()
    priya, why = logged_in(people["priya"]), "Mia Brandt may no longer ask"
    page = priya.get(reverse("connections:change", args=[change.pk])).content.decode()
    assert why in page and "disabled" in button(page, "approve") and "btn-primary" not in button(page, "approve")
    assert "disabled" not in button(page, "reject")
    answer = priya.post(reverse("connections:change_approve", args=[change.pk]), {"digest": change.digest}, follow=True)
    assert answer.redirect_chain and why in answer.content.decode()


@pytest.mark.parametrize("view", ["connections:request", "admin:connections_connectionrequest_change"])
def test_a_superuser_who_is_shut_out_reads_why(people: dict[str, User], view: str) -> None:
    asked = factories.submitted(people["mia"], group_id=PLACE)
    root = logged_in(people["root"])
    page = root.get(reverse(view, args=[asked.pk])).content.decode()
    assert "The access rules do not let you approve connections into “Warehouse”." in page
    data = {"digest": asked.digest, "decision_reason": "Not so fast"}
    answer = root.post(reverse("connections:reject", args=[asked.pk]), data)
    assert answer.status_code == 403 and ConnectionRequest.objects.get(pk=asked.pk).state is Status.PENDING
