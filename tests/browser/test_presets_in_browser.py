"""Presets, drafts and links in a real browser: how many clicks they take, what is saved, what a lost network does."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Page, expect

from connections.models import ConnectionRequest, Event, Preset
from connections.states import Status
from tests import catalogs, factories
from tests.browser.accessibility import finds_nothing
from tests.browser.test_form import NEW, control, log_in
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)

# Counts what a person does, over all pages of a tab: clicks of a pointer or key, and controls that were filled.
COUNTER = """
(() => {
  const seen = JSON.parse(sessionStorage.getItem("effort") ?? '{"clicks": [], "fields": []}');
  const note = (kind, what) => {
    if (kind === "fields" && seen.fields.includes(what)) return;
    seen[kind].push(what);
    sessionStorage.setItem("effort", JSON.stringify(seen));
  };
  addEventListener("click", (e) => e.isTrusted && note("clicks", e.target.textContent.trim().slice(0, 40)), true);
  addEventListener("input", (e) => e.isTrusted && note("fields", e.target.name || e.target.id), true);
})();
"""


@pytest.fixture
def preset(db: None) -> Preset:
    """Sheets, hourly, into the warehouse: service and destination fixed."""
    catalogs.offered()
    return Preset.objects.create(
        name="Sheets, hourly",
        description="For reports of the sales team",
        service="google_sheets",
        group_id="projected_sickle",
        values={"sync_frequency": 60},
        fixed=["service", "group_id"],
        hidden=["trust_certificates", "trust_fingerprints", "paused"],
    )


@pytest.fixture
def home(page: Page, preset: Preset, as_user: Any, live_server: Any) -> Page:
    """The requester's browser at home, a preset on offer."""
    log_in(page, as_user, live_server)
    page.add_init_script(COUNTER)
    page.goto(live_server.url)
    return page


def effort(page: Page) -> dict[str, list[str]]:
    """What the person has clicked and filled since home."""
    found: dict[str, list[str]] = json.loads(page.evaluate("sessionStorage.getItem('effort')"))
    return found


def saved(page: Page) -> ConnectionRequest:
    """The one draft, once the page says that it is saved."""
    expect(page.locator("[data-draft-status]")).to_contain_text(re.compile(r"Draft saved \d"))
    return ConnectionRequest.objects.get()


# --- how much work it is ---------------------------------------------------------------------------------------------
def test_a_preset_takes_two_clicks_and_four_fields(home: Page) -> None:
    home.get_by_role("link", name="Sheets, hourly").click()
    for name, text in {"config__schema": "sales", "config__table": "orders", "reason": "Report"}.items():
        control(home, name).fill(text)
    home.get_by_role("button", name="Submit for approval").click()
    home.wait_for_url(re.compile(r"/requests/\d+/$"))
    done = effort(home)
    assert len(done["clicks"]) <= 2 and len(done["fields"]) <= 4, done
    assert ConnectionRequest.objects.get().state is Status.PENDING


def test_any_service_takes_four_clicks(home: Page) -> None:
    home.get_by_role("main").get_by_role("link", name="New request").click()
    # By its id: until the script has put it there, the plain select is the combobox of that name.
    home.locator("#id_service_search").press_sequentially("sheets")
    home.get_by_role("listbox").get_by_role("option").first.click()
    control(home, "group_id").select_option("projected_sickle")
    for name, text in {"config__schema": "sales", "config__table": "orders", "reason": "Report"}.items():
        control(home, name).fill(text)
    home.get_by_role("button", name="Submit for approval").click()
    home.wait_for_url(re.compile(r"/requests/\d+/$"))
    # A list that the driver sets is opened by a click of a person, which the driver does not make.
    done = effort(home)
    assert len(done["clicks"]) + 1 <= 4, done
    assert set(done["fields"]) <= {
        "config__schema",
        "config__table",
        "reason",
        "group_id",
        "service",
        "id_service_search",
    }


def test_any_service_takes_four_clicks_by_its_tile(home: Page) -> None:
    home.get_by_role("main").get_by_role("link", name="New request").click()
    home.get_by_role("link", name="Google Sheets", exact=True).click()
    expect(control(home, "config__table")).to_be_visible()
    control(home, "group_id").select_option("projected_sickle")
    for name, text in {"config__schema": "sales", "config__table": "orders", "reason": "Report"}.items():
        control(home, name).fill(text)
    home.get_by_role("button", name="Submit for approval").click()
    home.wait_for_url(re.compile(r"/requests/\d+/$"))
    done = effort(home)
    assert len(done["clicks"]) + 1 <= 4, done
    assert set(done["fields"]) <= {"config__schema", "config__table", "reason", "group_id"}


def test_a_clone_takes_two_clicks_and_one_field(home: Page, cast: dict[str, User], live_server: Any) -> None:
    held = factories.submitted(cast["requester"])
    home.goto(f"{live_server.url}/requests/{held.pk}/")
    home.get_by_role("button", name="Clone").click()
    expect(home.get_by_text("Nothing is stored until you type or submit.")).to_be_visible()
    control(home, "config__schema").fill("sales_again")
    home.get_by_role("button", name="Submit for approval").click()
    home.wait_for_url(re.compile(r"/requests/\d+/$"))
    done = effort(home)
    assert len(done["clicks"]) <= 2 and done["fields"] == ["config__schema"], done
    assert ConnectionRequest.objects.filter(cloned_from=held, status=Status.PENDING).exists()


# --- saved while typing ----------------------------------------------------------------------------------------------
def test_a_form_that_is_only_looked_at_stores_nothing(home: Page, preset: Preset, live_server: Any) -> None:
    asked: list[str] = []
    home.on("request", lambda request: asked.append(request.url) if "/new/draft/" in request.url else None)
    home.goto(f"{live_server.url}{NEW}?preset={preset.pk}")
    home.wait_for_timeout(2500)  # longer than the pause after which the script saves
    home.goto(live_server.url)
    assert asked == [] and not ConnectionRequest.objects.exists()


def test_what_is_typed_is_saved_listed_continued_and_submitted(home: Page, preset: Preset, live_server: Any) -> None:
    home.goto(f"{live_server.url}{NEW}?preset={preset.pk}")
    control(home, "reason").press_sequentially("Weekly report", delay=5)
    draft = saved(home)
    assert (draft.state, draft.reason, draft.preset) == (Status.DRAFT, "Weekly report", preset)
    home.goto(live_server.url)  # asks nothing: everything is saved
    home.get_by_role("link", name=f"Continue draft {draft.pk}").last.click()
    expect(control(home, "reason")).to_have_value("Weekly report")
    control(home, "config__schema").fill("sales")
    control(home, "config__table").fill("orders")
    saved(home)
    home.get_by_role("button", name="Submit for approval").click()
    home.wait_for_url(re.compile(r"/requests/\d+/$"))
    conn_request = ConnectionRequest.objects.get()
    assert conn_request.pk == draft.pk and conn_request.state is Status.PENDING
    assert Event.objects.filter(request=conn_request).count() == 2  # begun and submitted, however often it was saved


def test_a_submission_right_after_a_key_is_the_same_request(home: Page, preset: Preset, live_server: Any) -> None:
    home.goto(f"{live_server.url}{NEW}?preset={preset.pk}")
    for name, text in {"config__schema": "sales", "config__table": "orders"}.items():
        control(home, name).fill(text)
    with home.expect_request("**/requests/new/draft/"):
        control(home, "reason").fill("Report")
    home.get_by_role("button", name="Submit for approval").click()
    home.wait_for_url(re.compile(r"/requests/\d+/$"))
    assert ConnectionRequest.objects.get().state is Status.PENDING


def test_leaving_at_once_loses_nothing(home: Page, live_server: Any) -> None:
    home.on("dialog", lambda dialog: dialog.accept())
    home.goto(live_server.url + NEW)
    control(home, "reason").fill("in a hurry")
    home.goto(f"{live_server.url}/requests/")
    until(ConnectionRequest.objects.exists)  # the last words travel on while the next page is opened
    home.goto(live_server.url)
    expect(home.get_by_role("heading", name="Your drafts")).to_be_visible()
    assert ConnectionRequest.objects.get().reason == "in a hurry"


def test_a_lost_network_is_said_and_waited_for(browser: Any, preset: Preset, as_user: Any, live_server: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    log_in(page, as_user, live_server)
    page.goto(live_server.url + NEW)
    context.set_offline(True)
    control(page, "reason").fill("on a train")
    said = page.locator("[data-draft-status]")
    expect(said).to_contain_text("the portal does not answer. Trying again")
    assert not ConnectionRequest.objects.exists()
    context.set_offline(False)
    assert saved(page).reason == "on a train"
    context.close()


def test_what_is_thrown_away_is_deleted_on_the_server_too(home: Page, live_server: Any) -> None:
    home.goto(live_server.url + NEW)
    control(home, "reason").fill("never mind")
    saved(home)
    home.reload()
    home.get_by_role("button", name="Discard it").click()
    expect(control(home, "reason")).to_have_value("")
    assert ConnectionRequest.objects.get().state is Status.WITHDRAWN


def test_a_draft_is_deleted_at_home(home: Page, cast: dict[str, User]) -> None:
    draft = factories.draft(cast["requester"])
    home.reload()
    home.get_by_role("button", name=f"Delete draft {draft.pk}").click()
    expect(home.get_by_text(f"Draft {draft.pk} is deleted.")).to_be_visible()
    expect(home.get_by_role("heading", name="Your drafts")).to_have_count(0)


# --- links -----------------------------------------------------------------------------------------------------------
def test_the_link_follows_what_is_chosen(home: Page, preset: Preset, live_server: Any) -> None:
    home.goto(f"{live_server.url}{NEW}?preset={preset.pk}")
    home.get_by_text("A link to this form, filled in").click()
    control(home, "reason").fill("Report & more")
    address = home.locator("#prefilled-link")
    expect(address).to_contain_text("reason=Report+%26+more")
    expect(address).to_contain_text(f"preset={preset.pk}")
    home.get_by_role("button", name="Copy the link").click()
    expect(home.get_by_role("button", name=re.compile("Copied|Selected"))).to_be_visible()


# --- how it looks to everybody ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_it_is_accessible_and_nothing_scrolls_sideways(
    home: Page, preset: Preset, cast: dict[str, User], live_server: Any, scheme: Any, width: int
) -> None:
    group = Group.objects.create(name="Approvers of " + "x" * 60)
    User.objects.get(username="approver").groups.add(group)
    Preset.objects.create(name="W" * 100, description="ب" * 300, approvers=group)
    factories.draft(cast["requester"], config__schema="s" * 63)
    home.set_viewport_size({"width": width, "height": 800})
    home.emulate_media(color_scheme=scheme)
    for address in ("/", NEW, f"{NEW}?preset={preset.pk}"):
        answer = home.goto(live_server.url + address)
        for summary in home.locator("details:not([open]) > summary").all():
            if summary.is_visible():
                summary.click()
        finds_nothing(home, answer)
