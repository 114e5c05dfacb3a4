"""The admin in a browser: it works under the Content-Security-Policy; an approval takes two looks and a click."""

from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect

from connections.models import ConnectionRequest
from connections.states import Status
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(page: Any, live_server: Any, user: Any) -> None:
    client = Client()
    client.force_login(user)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
    page.context.add_cookies([cookie])


def test_an_approver_approves_from_the_list(page: Any, live_server: Any) -> None:
    conn_request, approver = factories.submitted(), factories.person("approver")
    log_in(page, live_server, approver)
    page.goto(f"{live_server.url}/admin/connections/connectionrequest/")
    page.get_by_role("checkbox", name="Select all").check()
    page.get_by_label("Action:").select_option("approve")
    with page.expect_navigation():
        page.get_by_role("button", name="Run").or_(page.get_by_role("button", name="Go")).click()
    assert conn_request.digest in page.locator("body").inner_text()
    page.get_by_role("button", name="Approve").click()
    page.get_by_text(f"Request #{conn_request.pk} is approved.").wait_for()
    assert ConnectionRequest.objects.get(pk=conn_request.pk).approved_by == approver


def test_an_approver_approves_from_the_list_with_two_clicks(page: Any, live_server: Any) -> None:
    conn_request, approver = factories.submitted(trust_certificates=True), factories.person("approver")
    log_in(page, live_server, approver)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{live_server.url}/admin/connections/connectionrequest/")
    page.get_by_role("link", name=f"#{conn_request.pk}", exact=True).click()
    expect(page.get_by_text("Trusts any TLS certificate without review")).to_be_visible()
    for name in ("Approve", "Reject", "Request changes"):  # at the top of the page, and at its end
        expect(page.get_by_role("button", name=name, exact=True)).to_be_in_viewport()
    page.keyboard.press("End")
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_in_viewport()
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_text(f"Request #{conn_request.pk} is approved. Nothing is left to decide.").wait_for()
    assert ConnectionRequest.objects.get(pk=conn_request.pk).approved_by == approver


@pytest.mark.parametrize("path", ["", "{pk}/change/"])
def test_no_column_is_cut_off(page: Any, live_server: Any, path: str) -> None:
    long = "a_very_long_destination_schema_name_that_somebody"
    pk = factories.request_in(Status.CREATED, config__schema=long).pk
    factories.submitted(trust_certificates=True)
    log_in(page, live_server, factories.person("superuser"))
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{live_server.url}/admin/connections/connectionrequest/{path.format(pk=pk)}")
        wide = "[document.documentElement, ...document.querySelectorAll('.results, .records')]"
        assert page.evaluate(f"{wide}.every(one => one.scrollWidth <= one.clientWidth)"), width


def test_the_pages_with_scripts_of_their_own_keep_to_the_policy(page: Any, live_server: Any) -> None:
    root = factories.person("superuser")
    log_in(page, live_server, root)
    person = f"/admin/auth/user/{root.pk}"
    for path in (
        "/admin/",
        f"{person}/change/",
        f"{person}/password/",
        "/admin/auth/user/add/",
        "/admin/auth/group/add/",
    ):
        page.goto(live_server.url + path)
        page.wait_for_load_state("networkidle")
    # The widget that Django's own script builds: it did run.
    page.get_by_role("heading", name="Chosen permissions").or_(page.get_by_text("Chosen permissions")).first.wait_for()
