"""Test request on the form and in the admin: the draft is kept first, and the panel shows where one is."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections.models import ConnectionRequest, DryRun, Preset
from connections.states import Status
from tests import catalogs, factories
from tests.views.test_dry_run import ended

pytestmark = pytest.mark.django_db
NEW = "/requests/new/"
TYPED = {"service": "google_sheets", "group_id": "projected_sickle", "config__schema": "sales", "action": "test"}
ADMIN = "/admin/connections/connectionrequest/{}/change/"


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form that knows what Fivetran offers."""
    catalogs.offered()
    return as_user("requester")


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def typed(**more: str) -> dict[str, str]:
    """What the form posts when somebody presses Test request."""
    return {**TYPED, "form_token": str(uuid.uuid4()), **more}


def test_without_a_script_the_draft_is_kept_and_its_page_shows_the_test(client: Client) -> None:
    answer = client.post(NEW, typed())
    draft = ConnectionRequest.objects.get()
    assert draft.state is Status.DRAFT and draft.values["config.schema"] == "sales"
    assert answer["Location"] == f"/requests/{draft.pk}/edit/#dry-run"
    assert DryRun.objects.get().request == draft
    page = text(client.get(f"/requests/{draft.pk}/edit/"))
    assert f"Draft {draft.pk} was saved, and is being tested." in page
    assert "data-checks" in page and "Look again" in page and 'value="sales"' in page
    assert f'hx-get="/requests/{draft.pk}/test-request/"' in page


def test_a_draft_that_is_edited_is_tested_with_what_was_typed(client: Client, cast: dict[str, User]) -> None:
    draft = factories.draft(cast["requester"])
    answer = client.post(f"/requests/{draft.pk}/edit/", typed(config__schema="typed_since"))
    assert answer["Location"] == f"/requests/{draft.pk}/edit/#dry-run"
    draft.refresh_from_db()
    assert draft.values["config.schema"] == "typed_since" and DryRun.objects.get().request == draft


def test_a_copy_is_kept_and_tested_too(client: Client, cast: dict[str, User]) -> None:
    origin = factories.submitted(cast["requester"])
    assert client.post(f"/requests/{origin.pk}/clone/", typed()).status_code == 302
    assert DryRun.objects.get().request.cloned_from == origin


def test_the_same_form_twice_is_one_draft(client: Client) -> None:
    sent = typed()
    assert client.post(NEW, sent)["Location"] == client.post(NEW, sent)["Location"]
    assert ConnectionRequest.objects.count() == DryRun.objects.count() == 1


def test_a_secret_is_refused_in_words_and_nothing_is_kept_or_tested(client: Client) -> None:
    page = text(client.post(NEW, typed(service="postgres", config__password="hunter2")))
    assert "the source owner enters secrets in Fivetran’s Connect Card, never here" in page
    assert "hunter2" not in page
    assert not ConnectionRequest.objects.exists() and not DryRun.objects.exists()


def test_the_seventh_in_a_minute_is_kept_and_not_tested(client: Client) -> None:
    codes = [client.post(NEW, typed(config__schema=f"sales_{n}")).status_code for n in range(7)]
    assert codes == [302] * 7 and ConnectionRequest.objects.count() == 7 and DryRun.objects.count() == 6
    last = ConnectionRequest.objects.latest("pk")
    page = text(client.get(f"/requests/{last.pk}/edit/"))
    assert f"Draft {last.pk} was saved, and is not tested. You tested requests 6 times within a minute" in page


def test_what_was_submitted_meanwhile_is_not_tested_as_a_draft(client: Client, cast: dict[str, User]) -> None:
    sent = typed(config__table="orders", reason="Report", action="submit")
    assert client.post(NEW, sent).status_code == 302
    pk = ConnectionRequest.objects.get().pk
    assert client.post(NEW, {**sent, "action": "test"})["Location"] == f"/requests/{pk}/"
    assert not DryRun.objects.exists()


def test_the_button_stands_beside_save_draft_and_not_where_there_is_no_draft(
    client: Client, cast: dict[str, User]
) -> None:
    button = 'name="action" value="test"'
    pending = factories.submitted(cast["requester"])
    assert button in text(client.get(NEW))
    assert button in text(client.get(f"/requests/{pending.pk}/clone/"))
    page = text(client.get(f"/requests/{pending.pk}/edit/"))
    assert button not in page and "What is stored is tested." in page
    assert f'<a href="/requests/{pending.pk}/#dry-run">Test request {pending.pk} as it is stored now</a>' in page


def test_the_page_of_a_draft_that_was_never_tested_hides_the_panel(client: Client, cast: dict[str, User]) -> None:
    page = text(client.get(f"/requests/{factories.draft(cast['requester']).pk}/edit/"))
    panel = page.partition('<section id="dry-run"')[2].partition(">")[0]
    assert panel.endswith("hidden") and "data-checks" not in page


def test_a_draft_that_is_saved_with_no_change_is_tested_still(client: Client, cast: dict[str, User]) -> None:
    sent = typed()
    client.post(NEW, sent)
    where = f"/requests/{ConnectionRequest.objects.get().pk}/edit/"
    ended(ConnectionRequest.objects.get(), cast["requester"])
    DryRun.objects.update(due_at=None)
    assert client.post(where, {**sent, "action": "draft"}).status_code == 302
    page = text(client.get(where))
    assert "data-checks" in page and "data-stale" not in page
    client.post(where, {**sent, "action": "draft", "config__schema": "another"})
    assert "data-stale" in text(client.get(where))
    # Another window has changed it since this form was opened.
    stale = {**sent, "action": "draft", "config__schema": "another", "version": "1"}
    assert "It was changed in another window" in text(client.post(where, stale))


def test_what_is_posted_to_a_request_that_waits_is_neither_stored_nor_submitted_nor_tested(
    client: Client, cast: dict[str, User]
) -> None:
    pending = factories.submitted(cast["requester"])
    before = ConnectionRequest.objects.values().get()
    page = text(client.post(f"/requests/{pending.pk}/edit/", typed()))
    assert "It was submitted already: submit the changes, or leave it as it is." in page and 'value="sales"' in page
    assert ConnectionRequest.objects.values().get() == before and not DryRun.objects.exists()


def test_a_form_of_a_preset_is_kept_and_tested_with_it(client: Client) -> None:
    preset = Preset.objects.create(name="Sheets", service="google_sheets", values={"service": "google_sheets"})
    client.post(NEW, typed(preset=str(preset.pk)))
    run = DryRun.objects.get()
    assert run.request.preset == preset and run.request.state is Status.DRAFT and run.is_running


def test_a_refused_submission_shows_the_test_of_its_draft(client: Client) -> None:
    sent = typed()
    client.post(NEW, sent)
    page = text(client.post(NEW, {**sent, "action": "submit"}))
    assert "data-error-summary" in page and "data-checks" in page
    assert "data-typed-since hidden" in page
    page = text(client.post(NEW, {**sent, "action": "submit", "config__schema": "another"}))
    assert "data-checks" in page and "data-typed-since >" in page


def test_the_review_and_autosave_do_not_read_what_was_found(
    client: Client, cast: dict[str, User], django_assert_max_num_queries: Any
) -> None:
    draft = factories.draft(cast["requester"])
    ended(draft, cast["requester"])
    asked = typed(edited=str(draft.pk), user=str(cast["requester"].pk))
    for where in ("/requests/new/review/", "/requests/new/draft/"):
        with django_assert_max_num_queries(40) as captured:
            assert client.post(where, asked).status_code == 200
        assert not [one["sql"] for one in captured.captured_queries if "dryrun" in one["sql"]]


# --- in place ---------------------------------------------------------------------------------------------------------
def test_who_asks_in_place_gets_the_panel_alone(client: Client, cast: dict[str, User]) -> None:
    draft = factories.draft(cast["requester"])
    where, in_place = f"/requests/{draft.pk}/test-request/", {"HX-Request": "true"}
    answer = client.post(where, headers=in_place)
    assert answer.status_code == 200 and text(answer).startswith('<div id="dry-run-live"')
    assert text(answer).count('data-check-state="running"') == 10
    codes = [client.post(where, headers=in_place).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]
    refused = client.post(where, headers=in_place)
    assert "You tested requests 6 times within a minute" in text(refused) and "data-refused" in text(refused)
    assert text(refused).startswith('<div id="dry-run-live"')


# --- in the admin ----------------------------------------------------------------------------------------------------
def test_the_admins_page_has_the_button_and_comes_back(as_user: Any, cast: dict[str, User]) -> None:
    row = factories.submitted(cast["requester"])
    staff = as_user("approver")
    page = text(staff.get(ADMIN.format(row.pk)))
    assert page.count('id="do-test-request"') == 1 and "data-checks" not in page
    answer = staff.post(f"/requests/{row.pk}/test-request/", {"page": "admin"})
    assert answer["Location"] == f"{ADMIN.format(row.pk)}#dry-run"
    page = text(staff.get(ADMIN.format(row.pk)))
    assert page.count('data-check-state="running"') == 10
    assert f'hx-get="/requests/{row.pk}/test-request/"' in page and "connections/dry_run.js" in page


def test_the_limit_is_said_in_the_admin(as_user: Any, cast: dict[str, User]) -> None:
    row, staff = factories.submitted(cast["requester"]), as_user("approver")
    for _ in range(7):
        answer = staff.post(f"/requests/{row.pk}/test-request/", {"page": "admin"})
        assert answer["Location"] == f"{ADMIN.format(row.pk)}#dry-run"
    assert "You tested requests 6 times within a minute" in text(staff.get(ADMIN.format(row.pk)))


def test_a_draft_of_somebody_else_is_not_in_the_admin(as_user: Any, cast: dict[str, User]) -> None:
    draft = factories.draft(cast["requester"])
    staff = as_user("admin")
    assert staff.get(ADMIN.format(draft.pk)).status_code in (302, 404)
    assert staff.post(f"/requests/{draft.pk}/test-request/", {"page": "admin"}).status_code == 404
