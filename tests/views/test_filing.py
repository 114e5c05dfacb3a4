"""Drafts, edits and copies: what is kept, what is said when something happened meanwhile, and what never fails."""

import html
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connections import catalog, workflow
from connections.forms.typed_text import trimmed
from connections.models import CatalogEntry, ConnectionRequest
from connections.spec.fields import FIELDS, NAMING, Type
from connections.states import Status
from tests import catalogs, factories
from tests.forms.test_request_form import COMPLETE, NEW, error_of, page, stored, value_of

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form that knows what Fivetran offers."""
    catalogs.offered()
    return as_user("requester")


def banner(text: str) -> str:
    """The words above the form."""
    found = re.search(r"data-banner[^>]*>(.*?)</div>", text, re.S)
    return html.unescape(found[1]).strip() if found else ""


def hidden(text: str, name: str) -> str:
    """The value of a hidden input."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', text)
    return found[1] if found else ""


def edit_form(client: Client, conn_request: ConnectionRequest) -> dict[str, str]:
    """What the edit page would post if nothing was changed: its hidden inputs, and the complete values."""
    text = page(client.get(f"/requests/{conn_request.pk}/edit/"))
    return {**COMPLETE, **{name: hidden(text, name) for name in ("form_token", "keep", "version", "edited")}}


# --- drafts ----------------------------------------------------------------------------------------------------------
def test_a_draft_keeps_anything_typed(client: Client) -> None:
    typed = {
        "reason": "not yet",
        "data_delay_sensitivity": "CUSTOM",
        "data_delay_threshold": "soon",
        "sync_frequency": "7",
        "service": "google_sheets",
        "config__schema": "Not A Name",
    }
    response = client.post(NEW, {**typed, "action": "draft"})
    assert response["Location"] == f"/requests/{stored().pk}/edit/"
    assert stored().state is Status.DRAFT
    text = page(client.get(response["Location"]))
    for name, value in typed.items():
        assert value_of(text, name) == value
    assert error_of(text, "data_delay_threshold").startswith("Enter the threshold")
    assert error_of(text, "sync_frequency").startswith("Choose one of")
    assert not error_of(text, "group_id"), "what is missing is no error in a draft"


def test_an_empty_draft_is_fine(client: Client) -> None:
    assert client.post(NEW, {"action": "draft"}).status_code == 302
    assert page(client.get(f"/requests/{stored().pk}/edit/"))


def test_a_draft_may_be_longer_than_any_column(client: Client) -> None:
    long = dict.fromkeys(("service", "group_id", "source_owner", "config__schema_prefix", "reason"), "x" * 5000)
    assert client.post(NEW, {**long, "action": "draft"}).status_code == 302
    text = page(client.get(f"/requests/{stored().pk}/edit/"))
    for name, value in long.items():
        assert value_of(text, name) == value, name


def test_a_draft_becomes_the_request(client: Client) -> None:
    client.post(NEW, {"reason": "later", "action": "draft"})
    draft = stored()
    assert client.post(f"/requests/{draft.pk}/edit/", edit_form(client, draft)).status_code == 302
    assert stored().pk == draft.pk and stored().state is Status.PENDING


def test_back_and_save_again_changes_the_same_draft(client: Client) -> None:
    token = str(uuid.uuid4())
    for reason in ("first", "second"):
        client.post(NEW, {"form_token": token, "reason": reason, "action": "draft"})
    assert stored().reason == "second"


# --- once ------------------------------------------------------------------------------------------------------------
def test_the_same_form_twice_is_one_request(client: Client) -> None:
    once = {**COMPLETE, "form_token": str(uuid.uuid4())}
    first, second = client.post(NEW, once), client.post(NEW, once)
    assert first["Location"] == second["Location"] == f"/requests/{stored().pk}/"


def test_what_was_changed_after_submitting_is_not_lost(client: Client) -> None:
    once = {**COMPLETE, "form_token": str(uuid.uuid4())}
    client.post(NEW, once)
    text = page(client.post(NEW, {**once, "reason": "A better reason"}))
    assert banner(text).startswith(f"This form was already submitted as request {stored().pk}")
    assert value_of(text, "reason") == "A better reason" and f'action="/requests/{stored().pk}/edit/"' in text
    again = {**once, "reason": "A better reason", "version": hidden(text, "version")}
    client.post(f"/requests/{stored().pk}/edit/", again)
    assert stored().reason == "A better reason"


def test_save_draft_after_submitting_says_that_it_was_submitted(client: Client) -> None:
    once = {**COMPLETE, "form_token": str(uuid.uuid4())}
    client.post(NEW, once)
    answer = client.post(NEW, {**once, "action": "draft"}, follow=True)
    assert answer.redirect_chain[-1][0] == f"/requests/{stored().pk}/" and stored().state is Status.PENDING
    assert f"already submitted as request {stored().pk}" in page(answer) and "was saved" not in page(answer)


@pytest.mark.parametrize("token", ["", "rubbish", "0" * 500, "\0"])
def test_a_token_that_is_none_is_replaced(client: Client, token: str) -> None:
    assert client.post(NEW, {**COMPLETE, "form_token": token}).status_code == 302


# --- edits -----------------------------------------------------------------------------------------------------------
def test_editing_a_pending_request_says_what_that_means(client: Client, cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    text = page(client.get(f"/requests/{conn_request.pk}/edit/"))
    assert "approvers have to look at it anew" in text and "Save draft" not in text
    before = conn_request.digest
    client.post(f"/requests/{conn_request.pk}/edit/", {**edit_form(client, conn_request), "config__schema": "other"})
    assert stored().state is Status.PENDING and stored().digest != before


def test_an_edit_from_an_old_window_is_shown_not_stored(client: Client, cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    old = edit_form(client, conn_request)
    workflow.submit(by=cast["requester"], filing=factories.filing(reason="newer"), conn_request=conn_request)
    text = page(client.post(f"/requests/{conn_request.pk}/edit/", {**old, "reason": "older"}))
    assert "changed in another window" in banner(text) and value_of(text, "reason") == "older"
    assert stored().reason == "newer"
    client.post(f"/requests/{conn_request.pk}/edit/", {**old, "reason": "older", "version": hidden(text, "version")})
    assert stored().reason == "older"


def test_an_edit_of_what_was_decided_meanwhile_keeps_the_text(client: Client, cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    old = edit_form(client, conn_request)
    workflow.approve(by=cast["approver"], conn_request=conn_request, digest=conn_request.digest)
    text = page(client.post(f"/requests/{conn_request.pk}/edit/", {**old, "reason": "too late"}))
    assert banner(text) and value_of(text, "reason") == "too late"
    assert stored().state is Status.APPROVED


def test_changes_that_were_asked_for_stand_above_the_form(client: Client, cast: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.CHANGES_REQUESTED, by=cast["requester"])
    assert "Use the other destination" in page(client.get(f"/requests/{conn_request.pk}/edit/"))


def test_other_peoples_requests(client: Client, as_user: Any, cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester2"])
    for verb in ("edit", "clone"):
        for method in (client.get, client.post):
            assert method(f"/requests/{conn_request.pk}/{verb}/").status_code == 404
    assert as_user("approver").get(f"/requests/{conn_request.pk}/edit/").status_code == 403
    assert client.get("/requests/999999/edit/").status_code == 404


# --- copies ----------------------------------------------------------------------------------------------------------
def test_a_copy_begins_with_the_values_and_stores_nothing(client: Client, cast: dict[str, User]) -> None:
    origin = factories.submitted(cast["requester"], sync_frequency=1440, daily_sync_time="05:00", paused=True)
    text = page(client.get(f"/requests/{origin.pk}/clone/"))
    assert ConnectionRequest.objects.count() == 1
    assert (value_of(text, "sync_frequency"), value_of(text, "daily_sync_time")) == ("1440", "05:00")
    assert value_of(text, "config__schema") == "", "the name is permanent: a copy needs its own"
    client.post(f"/requests/{origin.pk}/clone/", COMPLETE)
    assert ConnectionRequest.objects.latest("id").cloned_from == origin


def test_a_corrected_copy_keeps_the_names(client: Client, cast: dict[str, User]) -> None:
    origin = factories.request_in(Status.FAILED, by=cast["requester"])
    text = page(client.get(f"/requests/{origin.pk}/clone/"))
    assert value_of(text, "config__schema") == origin.values["config.schema"]


@pytest.mark.parametrize("page_of", ["edit", "clone"])
def test_stored_settings_without_a_control_are_said(client: Client, page_of: str) -> None:
    """The weekly metadata lost them: they cannot be kept, but nobody loses them without a word."""
    catalogs.tell("salesforce", {"a_setting": {"type": "string"}, "pass_code": {"type": "string"}})
    told = {"config__a_setting": "x\u202e", "config__pass_code": "canary-8472"}
    client.post(NEW, {**COMPLETE, **told, "service": "salesforce", "action": "submit"})
    address = f"/requests/{stored().pk}/{page_of}/"
    assert banner(page(client.get(address))) == ""
    catalogs.tell("salesforce", {"pass_code": {"type": "string", "format": "password"}})
    words = banner(page(client.get(address)))
    assert "Fivetran no longer lists these settings of the service, so they are left out here" in words
    assert "config.a_setting (“x”)" in words and "config.pass_code" in words and "canary" not in words
    CatalogEntry.objects.filter(fivetran_id="salesforce").update(detail=None)
    assert "Fivetran has not told the settings of this service" in banner(page(client.get(address)))


# --- people ----------------------------------------------------------------------------------------------------------
def test_nobody_to_approve_is_said_before_and_after(client: Client) -> None:
    User.objects.exclude(username="requester").update(is_active=False)
    assert "ask an administrator to add an approver" in banner(page(client.get(NEW)))
    text = page(client.post(NEW, COMPLETE))
    assert "ask an administrator" in banner(text) and value_of(text, "reason") == COMPLETE["reason"]


def test_a_log_in_comes_first(db: None, client: Client) -> None:
    client.logout()
    assert client.get(f"{NEW}?service=s3")["Location"] == "/accounts/login/?next=/requests/new/%3Fservice%3Ds3"


# --- against a server ------------------------------------------------------------------------------------------------
def test_what_the_server_offers_can_be_asked_for(sandbox: Any, as_user: Any) -> None:
    assert not any(catalog.refresh_all().values())
    client, asked = as_user("requester"), 0
    group = catalog.destinations()[0].id
    for option in catalog.services():
        keys = catalog.naming_keys(option.id)
        assert keys, option
        text = page(client.get(NEW, {"service": option.id, "group_id": group}))
        assert value_of(text, "service") == option.id
        assert all(value_of(text, f"config__{key}") == "" for key in keys), option
        names = {f"config__{key}": f"{option.id}_{key}" for key in keys}
        filled = {"service": option.id, "group_id": group, "reason": "Trial", **names}
        assert client.post(NEW, filled).status_code == 302, option
        asked += 1
    assert asked >= 25
    assert ConnectionRequest.objects.filter(status=Status.PENDING).count() == asked


@pytest.mark.django_db(transaction=True)
def test_the_same_form_sent_eight_times_at_once_is_one_request(as_user: Any) -> None:
    catalogs.offered()
    clients = [as_user("requester") for _ in range(8)]
    for action in ("draft", "submit"):
        once = {**COMPLETE, "form_token": str(uuid.uuid4()), "action": action, "config__schema": action}
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda client, post=once: _posted(client, post), clients))
        assert len(set(answers)) == 1, answers
    assert ConnectionRequest.objects.count() == 2


def _posted(client: Client, post: dict[str, str]) -> str:
    try:
        return client.post(NEW, post)["Location"]
    finally:
        connections.close_all()


# --- the review ------------------------------------------------------------------------------------------------------
def body_of(text: str) -> Any:
    """The JSON of the review panel."""
    found = re.search(r"<pre[^>]*data-review[^>]*>(.*?)</pre>", text, re.S)
    assert found
    return json.loads(html.unescape(found[1]))


def test_the_review_shows_the_body_that_is_then_stored(client: Client) -> None:
    more = {**COMPLETE, "sync_frequency": "1440", "daily_sync_time": "05:00", "private_link_id": "left over"}
    text = page(client.post("/requests/new/review/", more))
    assert not ConnectionRequest.objects.exists() and "<html" not in text
    assert "Google Sheets into Warehouse as sales.orders" in text and "daily at 05:00 UTC" in text
    client.post(NEW, more)
    assert body_of(text) == stored().payload


def test_the_review_says_what_is_missing_and_what_is_taken(client: Client, cast: dict[str, User]) -> None:
    text = page(client.post("/requests/new/review/", {"service": "google_sheets"}))
    assert all(f'href="#id_{name}"' in text for name in ("group_id", "reason", "config__schema", "config__table"))
    held = factories.submitted(cast["requester"], config__schema="sales", config__table="orders")
    assert "is taken in this destination" in page(client.post("/requests/new/review/", COMPLETE))
    own = {**COMPLETE, "edited": str(held.pk)}
    assert "is taken" not in page(client.post("/requests/new/review/", own))


@pytest.mark.parametrize("edited", ["", "x", "-1", "9" * 40, "١"])
def test_the_review_bears_any_number(client: Client, edited: str) -> None:
    assert page(client.post("/requests/new/review/", {**COMPLETE, "edited": edited}))


# --- anything at all -------------------------------------------------------------------------------------------------
NAMES = [field.name for field in (*FIELDS, *NAMING.values()) if not field.constant]
TYPED = [f.name for f in FIELDS if f.type is not Type.BOOLEAN and not f.constant]
texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.sampled_from([str(value) for field in FIELDS for value, _ in field.choices]),
    st.sampled_from([*catalogs.SHAPES, catalogs.UNTOLD, "on", "true", "link_one", "sales", "<b>", "\0", "{{ x }}"]),
)
posts = st.dictionaries(st.sampled_from([*NAMES, "form_token", "version", "edited", "action", "config__zzz"]), texts)
ANYTHING = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def shown_as(text: str) -> str:
    """What stands on the page for a posted text: a NUL as a sign, nothing unseen at the ends, one kind of line end."""
    return trimmed(text.replace("\0", "␀"))


@ANYTHING
@given(posts)
@example({"service": "\0", "group_id": "\0", "action": "draft"})
@example({**COMPLETE, "config__schema": "\0"})
def test_no_post_fails_or_loses_a_text(client: Client, post: dict[str, str]) -> None:
    response = client.post(NEW, post)
    assert response.status_code in (200, 302)
    if response.status_code == 302:
        if post.get("action") == "draft":
            response = client.get(response["Location"])
        else:
            return
    text = page(response)
    for name in TYPED:
        if name in post and shown_as(post[name]):
            assert value_of(text, name) == shown_as(post[name]), name


@ANYTHING
@given(posts)
def test_no_link_and_no_fragment_fails(client: Client, post: dict[str, str]) -> None:
    for response in (client.get(NEW, post), client.get("/requests/new/config/", post)):
        assert page(response)
    review = client.post("/requests/new/review/", post)
    assert review.status_code == 200 or (review.status_code == 404 and post["edited"])  # a number of no request
    text = page(client.get(NEW, post))
    for name in TYPED:
        if name in post and shown_as(post[name]):
            assert value_of(text, name) == shown_as(post[name]), name
