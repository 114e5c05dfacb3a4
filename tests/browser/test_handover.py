"""The credentials, from the form to Fivetran's card and back, as the people go it: each in a browser of their own."""

import re
import time
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from playwright.sync_api import Browser, Page, expect

from connections.models import Connection, ConnectionRequest, EventKind, Handover
from connections.people import display_name
from tests import factories
from tests.browser.conftest import PASSWORD
from tests.sandbox_client import Fivetran

Browse = Callable[..., Page]
pytestmark = pytest.mark.django_db(transaction=True)
OUTSIDE = "olga@elsewhere.example"


@pytest.fixture
def mailbox(tmp_path: Path, portal_environment: dict[str, str], live_server: Any) -> Callable[[str], str]:
    """`mailbox(text)` waits for a mail with `text` that the worker sent, and gives it. Comes before portal."""
    portal_environment |= {"EMAIL_URL": f"filemail:///{tmp_path}", "PUBLIC_URL": live_server.url}

    def wait(text: str) -> str:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for file in tmp_path.glob("*.log"):
                for raw in reversed(re.split(rb"^-{70,}$", file.read_bytes(), flags=re.MULTILINE)):
                    message = message_from_bytes(raw.strip())
                    if not message.is_multipart():
                        continue  # what stands behind the last separator
                    plain: Any = message.get_payload(0)  # the HTML comes after it
                    body = plain.get_payload(decode=True).decode()
                    if text in f"To: {message['To']}\n{body}":
                        return body
            time.sleep(0.2)  # another process writes the file
        raise AssertionError(f"no mail with {text!r}")

    return wait


def ask(page: Page, service: str, source_owner: str, **config: str) -> str:
    """Fill the form as it stands, with the hand-over that it proposes; returns the address of the request's page.

    For Google Sheets, which a service account can read, it proposes none: it is asked for.
    """
    page.goto("/requests/new/")
    page.locator("[name=service]").select_option(service)
    for name, text in config.items():
        page.locator(f"[name=config__{name}]").fill(text)
    page.locator("[name=group_id]").select_option(index=1)
    page.locator("[name=reason]").fill("Revenue report")
    page.locator("[name=source_owner]").fill(source_owner)
    page.locator("details", has=page.locator("[name=use_connect_card]")).evaluate("group => { group.open = true }")
    if service == "google_sheets":
        page.locator("[name=use_connect_card]").check()
    expect(page.locator("[name=use_connect_card]")).to_be_checked()
    expect(page.locator("[name=run_setup_tests]")).not_to_be_checked()
    page.get_by_role("button", name="Submit for approval").click()
    page.wait_for_url(re.compile(r"/requests/\d+/$"))
    return page.url


def approve(page: Page, url: str) -> None:
    """Decide, as an approver."""
    page.goto(url)
    page.get_by_role("button", name="Approve", exact=True).click()


def name_of(username: str) -> str:
    return display_name(User.objects.get(username=username))


def status(page: Page) -> Any:
    """The request's own status on its page."""
    return page.locator("[data-status]").first


def test_another_person_hands_over_and_the_open_page_says_connected(portal: Fivetran, browse: Browse) -> None:
    requester, approver = browse("requester"), browse("approver")
    url = ask(requester, "stripe", "requester2", schema="stripe_eu")
    approve(approver, url)
    expect(status(requester)).to_have_attribute("data-status", "created", timeout=15_000)
    expect(requester.locator("#handover [data-handover=waiting]")).to_be_visible()
    expect(requester.get_by_text(f"{name_of('requester2')}, the source owner")).to_be_visible()
    expect(requester.get_by_role("button", name="Open Connect Card")).to_have_count(0)
    # Another person, from the first page on; the request itself is not theirs to see.
    owner = browse("requester2")
    expect(owner.get_by_role("heading", name="Your credentials are needed")).to_be_visible()
    owner.locator("li[data-handover] a").click()
    expect(owner.get_by_text("The portal never sees what you enter.")).to_be_visible()
    expect(requester.locator("#handover [data-handover=open]")).to_be_visible()
    with owner.expect_navigation():
        owner.get_by_role("button", name="Open Connect Card").click()
    expect(requester.locator("#handover")).to_contain_text("valid until")
    assert owner.url.startswith(portal.url)
    owner.locator("[name=api_key]").fill("wrong")
    with owner.expect_navigation():
        owner.get_by_role("button", name="Save & Test").click()
    assert owner.url.startswith(portal.url)  # Fivetran keeps people until its tests have passed
    owner.locator("[name=api_key]").fill("sk_live_canary")
    owner.get_by_role("button", name="Save & Test").click()
    owner.wait_for_url(re.compile(r"/handover/[^/]+/$"))
    expect(owner.get_by_text("Connected.")).to_be_visible()
    expect(owner.locator("[data-test-status=PASSED]").first).to_be_visible()
    expect(owner.get_by_role("button", name="Open Connect Card")).to_be_hidden()  # nothing is left to do, it says
    # Nobody touched the requester's page.
    expect(requester.locator("[data-setup-state=connected]")).to_be_visible()
    expect(requester.locator("#results [data-test-status=PASSED]").first).to_be_visible()
    expect(requester.locator("#handover [data-handover=done]")).to_be_visible()
    expect(requester.locator("#timeline")).to_contain_text("Credentials handed over")
    expect(requester.locator("[hx-trigger^=every]")).to_have_count(1)  # until the first data
    Connection.objects.update(first_data_at=Now())
    expect(requester.locator("[hx-trigger^=every]")).to_have_count(0, timeout=15_000)
    requester.wait_for_load_state("networkidle")
    asked: list[str] = []
    requester.on("request", lambda request: asked.append(request.url))
    requester.wait_for_timeout(4_500)
    assert asked == []  # and it rests
    assert "sk_live_canary" not in requester.content() + owner.content()


def test_an_owner_without_an_account_by_the_link_and_the_code_of_two_mails(
    mailbox: Callable[[str], str], portal: Fivetran, browse: Browse, live_server: Any
) -> None:
    requester, approver = browse("requester"), browse("approver")
    approve(approver, ask(requester, "google_sheets", OUTSIDE, schema="sheets", table="orders"))
    [link] = re.findall(r"http\S+/handover/\S+/", mailbox(f"To: {OUTSIDE}"))
    owner = browse()
    owner.goto(link)
    owner.get_by_role("button", name="Send me a code").click()
    expect(owner.get_by_text("A code is on its way")).to_be_visible()
    owner.get_by_label("Code from the mail").fill("0000 0000")
    owner.get_by_role("button", name="Continue").click()
    expect(owner.locator("#id_code_error")).to_contain_text("You have 4 more tries")
    [code] = re.findall(r"^\s+(\d{4} \d{4})$", mailbox("asked for this code"), flags=re.MULTILINE)
    owner.get_by_label("Code from the mail").fill(code)
    owner.get_by_role("button", name="Continue").click()
    owner.get_by_role("button", name="Open Connect Card").click()
    owner.locator("[name=sheet_id]").fill("1-5GAk")
    owner.locator("[name=named_range]").fill("orders")
    owner.locator("[name='auth.authorized']").check()
    owner.get_by_role("button", name="Save & Test").click()
    expect(owner.get_by_text("Connected.")).to_be_visible(timeout=15_000)
    expect(requester.locator("[data-setup-state=connected]")).to_be_visible()
    expect(requester.locator("#timeline")).to_contain_text(OUTSIDE)
    assert code not in requester.content()


def test_given_to_somebody_else_while_the_first_owner_looks_on(portal: Fivetran, browse: Browse) -> None:
    requester, approver = browse("requester"), browse("approver")
    approve(approver, ask(requester, "stripe", "requester2", schema="passed_on"))
    expect(status(requester)).to_have_attribute("data-status", "created", timeout=15_000)
    owner = browse("requester2")
    owner.locator("li[data-handover] a").click()
    owner.get_by_text("Somebody else has the credentials?").click()
    owner.get_by_label("Username or e-mail address").fill("auditor")
    owner.get_by_role("button", name="Give it to somebody else").click()
    expect(owner.get_by_role("heading", name="Thank you")).to_be_visible()
    expect(requester.locator("#handover")).to_contain_text(name_of("auditor"))
    other = browse("auditor")
    expect(other.get_by_role("heading", name="Your credentials are needed")).to_be_visible()
    kinds = Handover.objects.get().request.events.values_list("kind", flat=True)
    assert EventKind.HANDOVER_PASSED_ON in kinds


def test_without_javascript_the_owners_way_is_the_same(portal: Fivetran, browser: Browser, live_server: Any) -> None:
    factories.person(username="olga").set_password(PASSWORD)
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill("requester")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(live_server.url + "/")
    page.goto("/requests/new/")
    page.locator("[name=service]").select_option("stripe")
    page.get_by_role("button", name="Show the fields of this service").click()
    group = page.locator("details", has=page.locator("[name=use_connect_card]")).first
    group.locator("summary").first.click()
    expect(page.locator("[name=use_connect_card]")).to_be_checked()
    page.locator("[name=config__schema]").fill("no_script")
    page.locator("[name=group_id]").select_option(index=1)
    page.locator("[name=reason]").fill("Revenue report")
    page.get_by_role("button", name="Submit for approval").click()
    page.wait_for_url(re.compile(r"/requests/\d+/$"))
    conn_request = ConnectionRequest.objects.get()
    assert conn_request.payload is not None and conn_request.payload["run_setup_tests"] is False
    context.close()
