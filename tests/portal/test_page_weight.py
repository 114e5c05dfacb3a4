"""What a page weighs on a first visit: all bytes that come, as `make run` serves them, and from where."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.trial import READY, demo, environment

pytestmark = pytest.mark.slow
HEAVIEST = 160_000  # bytes
FIRST_REQUEST = "[data-request-id] a"
FIRST_IN_ADMIN = "#result_list tbody th a"
# who looks -> what at: an address, or an address and the link there that leads to the page
PAGES: dict[str, list[tuple[str, str]]] = {
    "": [("/accounts/login/", "")],
    "requester": [
        ("/", ""),
        ("/requests/new/", ""),
        ("/requests/new/?service=google_sheets", ""),
        ("/requests/new/?service=postgres", ""),
        ("/requests/batch/", ""),
        ("/requests/", FIRST_REQUEST),
        ("/catalog/", ""),
    ],
    "requester2": [("/", ""), ("/", "#main [data-request-id] a")],
    "approver": [("/approvals/", ""), ("/approvals/", FIRST_REQUEST)],
    "operator": [("/operations/", ""), ("/operations/adopt/", "")],
    "auditor": [("/requests/", "")],
    "admin": [
        ("/admin/", ""),
        ("/admin/connections/connectionrequest/", ""),
        ("/admin/connections/connectionrequest/", FIRST_IN_ADMIN),
    ],
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a portal with its demo data, whose static files are collected."""
    with demo(environment(tmp_path_factory.mktemp("trial"), EMPTY="")) as process:
        found = READY.search(process.log.read_text())
        assert found is not None
        yield found[1]


def logged_in(browser: Browser, address: str, username: str) -> Any:
    """The cookies of somebody who pressed a button of the log-in page."""
    page = browser.new_page(base_url=address)
    page.goto("/accounts/login/")
    if username:
        page.locator(f'form:has(input[value="{username}"]) button').click()
        page.wait_for_url(lambda url: "/accounts/login/" not in url)
    state = page.context.storage_state()
    page.context.close()
    return state


def led_to(page: Page, path: str, link: str) -> str:
    """The address behind the first such link of that page."""
    page.goto(path)
    page.locator(link).first.click()
    page.wait_for_load_state()
    return page.url


def loaded(page: Page, url: str) -> dict[str, int]:
    """The address of everything that the page loads -> the bytes that came for it, heads included."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    asked: dict[str, str] = {}
    sizes: dict[str, int] = {}
    network.on("Network.requestWillBeSent", lambda event: asked.update({event["requestId"]: event["request"]["url"]}))
    network.on(
        "Network.loadingFinished", lambda event: sizes.update({event["requestId"]: int(event["encodedDataLength"])})
    )
    answer = page.goto(url)
    assert answer is not None and answer.ok, url
    page.wait_for_load_state("networkidle")
    return {url: sizes.get(number, 0) for number, url in asked.items()}


@pytest.mark.parametrize("username", list(PAGES), ids=lambda name: name or "anonymous")
def test_a_page_is_light_with_a_cold_cache_and_asks_nobody_else(browser: Browser, address: str, username: str) -> None:
    state = logged_in(browser, address, username)
    for path, link in PAGES[username]:
        context = browser.new_context(base_url=address, storage_state=state)
        url = led_to(context.new_page(), path, link) if link else path
        context.close()
        context = browser.new_context(base_url=address, storage_state=state)  # with an empty cache
        found = loaded(context.new_page(), url)
        context.close()
        assert len(found) > 4, f"{url}: a page with its styles and scripts"
        foreign = {one for one in found if urlsplit(one).scheme != "data" and not one.startswith(f"{address}/")}
        assert foreign == set(), url
        heaviest = sorted(((size, one) for one, size in found.items()), reverse=True)[:5]
        assert sum(found.values()) <= HEAVIEST, (url, sum(found.values()), heaviest)


def test_pages_are_compressed_for_whoever_takes_that(browser: Browser, address: str) -> None:
    page = browser.new_page(base_url=address)
    answer = page.goto("/accounts/login/")
    assert answer is not None and answer.header_value("content-encoding") == "gzip"
    plain = page.request.get("/accounts/login/", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and "Accept-Encoding" in plain.headers["vary"]
    page.context.close()
