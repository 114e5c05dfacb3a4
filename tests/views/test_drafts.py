"""Drafts that are saved while somebody types: one a form, quiet, and never in the way of the submission."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from connections.models import ConnectionRequest, Event, Notice, Preset
from connections.states import Status
from tests import catalogs, factories
from tests.forms.test_request_form import COMPLETE, NEW, page, stored, value_of
from tests.views.test_filing import hidden

pytestmark = [pytest.mark.django_db, pytest.mark.sql]

SAVE = "/requests/new/draft/"


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form that knows what Fivetran offers."""
    catalogs.offered()
    return as_user("requester")


@pytest.fixture
def typed(cast: dict[str, User]) -> dict[str, str]:
    """What the script posts of a new form in which a reason was typed."""
    return {"form_token": str(uuid.uuid4()), "reason": "not yet", "user": str(cast["requester"].pk)}


def test_what_is_typed_is_one_draft_without_a_stir(client: Client, typed: dict[str, str]) -> None:
    first = client.post(SAVE, typed).json()
    second = client.post(SAVE, {**typed, "reason": "not yet sure", "version": str(first["version"])}).json()
    assert second["id"] == first["id"] == stored().pk and second["version"] > first["version"]
    assert stored().reason == "not yet sure" and stored().state is Status.DRAFT and stored().saved_at is not None
    assert Event.objects.exclude(request=None).count() == 1 and not Notice.objects.exists()


def test_the_same_text_again_writes_nothing(client: Client, typed: dict[str, str]) -> None:
    first, again = client.post(SAVE, typed).json(), client.post(SAVE, typed).json()
    assert first == again


def test_a_submission_turns_that_draft_into_the_request(client: Client, typed: dict[str, str]) -> None:
    draft = client.post(SAVE, typed).json()["id"]
    answer = client.post(NEW, {**COMPLETE, **typed, "action": "submit"})
    assert answer["Location"] == f"/requests/{draft}/"
    assert stored().state is Status.PENDING and stored().reason == "not yet"
    late = client.post(SAVE, {**typed, "reason": "too late"})
    assert late.status_code == 409 and f"already submitted as request {draft}" in late.json()["words"]
    assert stored().reason == "not yet"


def test_a_draft_that_is_edited_goes_on_in_itself(client: Client, typed: dict[str, str]) -> None:
    draft = client.post(SAVE, typed).json()["id"]
    text = page(client.get(f"/requests/{draft}/edit/"))
    fields = {name: hidden(text, name) for name in ("form_token", "keep", "edited", "version")}
    kept = client.post(SAVE, {**typed, **fields, "reason": "sure"})
    assert kept.json()["id"] == draft and stored().reason == "sure"
    sent = {**COMPLETE, **fields, "version": str(kept.json()["version"])}
    assert client.post(f"/requests/{draft}/edit/", sent).status_code == 302
    assert stored().state is Status.PENDING


def test_another_window_is_not_overwritten(client: Client, typed: dict[str, str]) -> None:
    old = client.post(SAVE, typed).json()["version"]
    client.post(SAVE, {**typed, "reason": "newer", "version": str(old)})
    refused = client.post(SAVE, {**typed, "reason": "older", "version": str(old)})
    assert refused.status_code == 409 and "another window" in refused.json()["words"]
    assert stored().reason == "newer"


def test_a_pending_request_is_never_changed_by_typing(client: Client, cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    text = page(client.get(f"/requests/{conn_request.pk}/edit/"))
    assert "data-autosave" not in text
    fields = {name: hidden(text, name) for name in ("form_token", "edited", "version")}
    answer = client.post(SAVE, {**COMPLETE, **fields, "user": str(cast["requester"].pk)})
    assert answer.status_code == 409 and stored().digest == conn_request.digest


def test_somebody_elses_words_become_nobodys_draft(as_user: Any, typed: dict[str, str]) -> None:
    answer = as_user("requester2").post(SAVE, typed)
    assert answer.status_code == 409 and not ConnectionRequest.objects.exists()


def test_other_peoples_drafts_are_out_of_reach(client: Client, cast: dict[str, User], typed: dict[str, str]) -> None:
    other = factories.draft(cast["requester2"], reason="mine")
    client.post(SAVE, {**typed, "edited": str(other.pk)})
    other.refresh_from_db()
    assert other.reason == "mine"
    assert client.post(f"/requests/{other.pk}/delete/").status_code == 404


def test_a_secret_is_not_kept(client: Client, typed: dict[str, str]) -> None:
    answer = client.post(SAVE, {**typed, "service": "postgres", "config__password": "hunter2"})
    assert answer.status_code == 409 and not ConnectionRequest.objects.exists()


def test_a_draft_keeps_its_preset_and_its_origin(client: Client, cast: dict[str, User], typed: dict[str, str]) -> None:
    preset = Preset.objects.create(name="Hourly", values={"sync_frequency": 60}, fixed=["sync_frequency"])
    origin = factories.submitted(cast["requester"])
    more = {"preset": str(preset.pk), "origin": str(origin.pk), "sync_frequency": "1"}
    draft = ConnectionRequest.objects.get(pk=client.post(SAVE, {**typed, **more}).json()["id"])
    assert (draft.preset, draft.cloned_from, draft.values["sync_frequency"]) == (preset, origin, 60)


def test_home_lists_drafts_to_continue_and_to_delete(client: Client, typed: dict[str, str]) -> None:
    draft = client.post(SAVE, {**typed, "service": "google_sheets"}).json()["id"]
    text = page(client.get("/"))
    assert f'href="/requests/{draft}/edit/"' in text and f'action="/requests/{draft}/delete/"' in text
    assert value_of(page(client.get(f"/requests/{draft}/edit/")), "reason") == "not yet"
    gone = page(client.post(f"/requests/{draft}/delete/", follow=True))
    assert f"Draft {draft} is deleted" in gone and "drafts-heading" not in gone
    assert stored().state is Status.WITHDRAWN
    assert client.post(f"/requests/{draft}/delete/").status_code == 404


def test_what_is_thrown_away_is_no_draft_any_longer(client: Client, typed: dict[str, str]) -> None:
    client.post(SAVE, typed)
    assert client.post("/requests/new/discard/", typed).status_code == 204
    assert stored().state is Status.WITHDRAWN
    assert client.post("/requests/new/discard/", {"form_token": str(uuid.uuid4())}).status_code == 204


def test_an_old_text_neither_replaces_nor_deletes_a_draft_that_was_changed_since(
    client: Client, typed: dict[str, str]
) -> None:
    old = {**typed, "version": str(client.post(SAVE, typed).json()["version"])}
    client.post(SAVE, {**typed, "reason": "newer"})
    assert client.post("/requests/new/discard/", old).status_code == 204
    assert client.post(SAVE, old).status_code == 409
    assert (stored().state, stored().reason) == (Status.DRAFT, "newer")


def test_it_takes_a_log_in_and_a_post(client: Client) -> None:
    assert client.get(SAVE).status_code == 405
    client.logout()
    assert client.post(SAVE).status_code == 302


@pytest.mark.parametrize("rubbish", ["", "x", "-1", "9" * 40, "١", "\0"])
def test_it_bears_any_number(client: Client, typed: dict[str, str], rubbish: str) -> None:
    names = ("edited", "version", "origin", "preset", "form_token")
    assert client.post(SAVE, {**typed, **dict.fromkeys(names, rubbish)}).status_code in (200, 409)


@pytest.mark.django_db(transaction=True)
def test_saves_and_a_submission_at_once_are_one_request(as_user: Any, cast: dict[str, User]) -> None:
    catalogs.offered()
    clients = [as_user("requester") for _ in range(6)]
    once = {**COMPLETE, "form_token": str(uuid.uuid4()), "user": str(cast["requester"].pk)}

    def post(number: int) -> int:
        try:
            address, more = (NEW, {}) if number == 3 else (SAVE, {"reason": f"reason {number}"})
            return clients[number].post(address, {**once, **more}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(post, range(6)))
    assert answers[3] == 302 and set(answers) <= {200, 302, 409}, answers
    assert stored().state is Status.PENDING and stored().reason == COMPLETE["reason"]
