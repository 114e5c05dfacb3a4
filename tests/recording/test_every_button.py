"""Whatever a button of the portal changes is on record, or it says here why it is not."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from connections import notifications
from connections.models import Event, Notice
from tests import factories
from tests.views.test_mass_assignment import DOES, forms
from tests.views.test_url_map import POSTS, World, address, world

__all__ = ["forms", "world"]  # the fixtures
pytestmark = pytest.mark.django_db

# What is posted here does something, except to these addresses.
NO_EVENT = {
    "review": "it shows what was typed",
    "config_fields": "it shows the controls of a service",
    "discard_draft": "a draft that was never shared",
    "handover": "it asks for the code, or shows the page to who has proved the address",
    "handover_code": "the page that it leads to says that the hand-over was opened",
    "handover_send_code": "a code is mailed, and opens nothing before it is typed",
    "password_reset": "a mail is sent; a password that is set is on record (test_rows.py)",
    # The world of this test has nothing for them, or no Fivetran: they are in the test that is named.
    "webhook": "Fivetran is asked sooner, and what it says is on record (worker/test_webhooks.py)",
    "handover_card": "a card that Fivetran gives out is on record (handover/test_card_and_return.py)",
    "adopt": "workflow/test_adoption.py and views/test_operations.py",
    "adopt_one": "workflow/test_adoption.py",
    "approve_trust": "workflow/test_trust.py",
    "reassign": "teams/test_continuing.py",
    "share_draft": "teams/test_continuing.py",
    "stop_sharing": "teams/test_continuing.py",
    "password_change": "test_rows.py",
    "resume": "below",
    "resume_kind": "below",
    "refresh_catalog": "below",
}


def test_every_button_writes_an_event(world: World, forms: dict[str, dict[str, Any]]) -> None:
    silent = set()
    for name, (kind, _form, _codes) in POSTS.items():
        mark, known = transaction.savepoint(), Event.objects.latest("pk").pk
        world.clients[DOES.get(name, "requester")].post(address(world, name, kind), forms[name])
        if not Event.objects.filter(pk__gt=known).exists():
            silent.add(name)
        transaction.savepoint_rollback(mark)
    assert silent == NO_EVENT.keys()


def test_operators_pause_and_resume_on_record(as_user: Callable[[str], Client], cast: dict[str, User]) -> None:
    operator = as_user("operator")
    for path in ("pause/", "pause/", "resume/", "resume/"):
        operator.post(f"/operations/{path}", {"decision_reason": "A flood of 500s"}, REMOTE_ADDR="192.0.2.8")
    for path in ("pause/", "pause/", "resume/", "resume/"):
        operator.post(f"/operations/work/notify/{path}", REMOTE_ADDR="192.0.2.8")
    found = Event.objects.filter(by=cast["operator"], address="192.0.2.8").order_by("pk")
    assert [(one.kind, one.reason, one.about_id) for one in found] == [
        ("sending_paused", "A flood of 500s", ""),
        ("sending_resumed", "", ""),
        ("work_paused", "", "notify"),
        ("work_resumed", "", "notify"),
    ]
    page = as_user("auditor").get("/audit/").content.decode()
    assert "Sending paused" in page and "A flood of 500s" in page and "Kind of work resumed" in page


def test_a_mail_that_is_tried_again_is_on_record(as_user: Callable[[str], Client], cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    notice = Notice.objects.filter(request=conn_request)[0]
    operator = as_user("operator")
    for tries in (notifications.TRIES, 0):  # the second time it is not in the list any more
        Notice.objects.filter(pk=notice.pk).update(tries=tries)
        operator.post(f"/operations/work/notify/{notice.pk}/again/")
    event = conn_request.events.get(kind="mail_tried_again")
    assert (event.by, event.detail) == (cast["operator"], {"why": "A request waits for approval."})


@pytest.mark.django_db(transaction=True)
def test_asking_for_the_catalog_anew_is_on_record(
    live_broker: str, as_user: Callable[[str], Client], cast: dict[str, User]
) -> None:
    operator = as_user("operator")
    for _ in range(2):  # the second time comes too soon
        operator.post("/catalog/refresh/")
    assert Event.objects.get(by=cast["operator"], kind="catalog_asked_for").actor == ""
