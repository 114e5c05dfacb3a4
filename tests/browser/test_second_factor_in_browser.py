"""An app and passkeys in a real browser, under the portal's own CSP: Chromium makes and proves the passkeys itself."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.accessibility import WIDTHS, Expected, finds_nothing, wait_for
from tests.browser.conftest import PASSWORD
from tests.browser.test_admin_accessibility import admin, is_fine
from tests.sign_on.second_factors import code_of

__all__ = ["admin"]  # the fixture
pytestmark = pytest.mark.django_db(transaction=True)
OVERVIEW = "/accounts/second-factor/"


def log_in(page: Page, name: str = "requester", path: str = "/") -> None:
    page.goto(path)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="Log in", exact=True).click()


def new_authenticator(page: Page) -> tuple[CDPSession, str]:
    """A security key that is plugged in, and touched whenever a page asks for it."""
    chromium = page.context.new_cdp_session(page)
    chromium.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": False,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = chromium.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return chromium, made["authenticatorId"]


def fits(page: Page, expected: Expected) -> None:
    finds_nothing(page, expected, widths=WIDTHS)


def add_passkey(page: Page, name: str = "The blue key", root: str = "") -> None:
    page.goto(f"{root}{OVERVIEW}passkeys/add/")
    page.get_by_label("A name for it").fill(name)
    page.get_by_role("button", name="Add the passkey").click()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_app_from_the_menu_to_the_next_log_in(
    live_server: Any, cast: dict[str, User], browse: Callable[..., Page], theme: str, tmp_path: Path
) -> None:
    page = browse(color_scheme=theme)
    log_in(page)
    page.locator(".user-menu > summary").click()
    page.get_by_role("link", name="Second factor").click()
    fits(page, "Second factor")
    page.get_by_role("link", name="Set up an app").click()
    wait_for(page, "Set up an authenticator app")
    assert page.locator(".factor-picture").evaluate("image => image.complete && image.naturalWidth > 0")
    page.get_by_text("It cannot be scanned").click()
    fits(page, page.locator(".factor-secret"))
    secret = page.locator(".factor-secret").inner_text().replace(" ", "")
    page.get_by_label("The code that the app shows").fill("12345")
    page.get_by_role("button", name="Set up the app").click()
    fits(page, page.get_by_text("This is not the code"))
    page.get_by_label("The code that the app shows").fill(code_of(secret, -1))
    page.get_by_role("button", name="Set up the app").click()
    fits(page, page.get_by_text("They are shown only now"))
    shown = page.locator(".recovery-codes code").all_inner_texts()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as text").click()
    download.value.save_as(tmp_path / "codes.txt")
    assert re.findall(r"^\d{4} \d{4}$", (tmp_path / "codes.txt").read_text(), re.MULTILINE) == shown
    assert download.value.suggested_filename == "recovery-codes.txt"
    page.get_by_role("link", name="I have kept them").click()
    fits(page, page.get_by_text("10 left"))
    page.get_by_role("link", name="Make new ones").click()
    fits(page, "Recovery codes")
    page.goto(OVERVIEW)
    page.get_by_role("link", name="Remove the app").click()
    fits(page, "Remove")

    page.context.clear_cookies()
    log_in(page, path="/requests/?q=x")
    fits(page, "Is it you?")
    page.get_by_label("Code of your app, or a recovery code").fill(code_of(secret))
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url("**/requests/?q=x")


def test_a_passkey_is_made_and_lets_in(live_server: Any, cast: dict[str, User], browse: Callable[..., Page]) -> None:
    page = browse()
    log_in(page)
    chromium, key = new_authenticator(page)
    fits(page, page.goto(f"{OVERVIEW}passkeys/add/"))
    add_passkey(page)
    expect(page.get_by_text("They are shown only now")).to_be_visible()
    page.goto(OVERVIEW)
    fits(page, page.get_by_text("The blue key").first)
    assert len(chromium.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]) == 1

    page.context.clear_cookies()
    log_in(page, path="/requests/?q=x")
    expect(page.get_by_label("Recovery code")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/requests/?q=x")
    assert Authenticator.objects.get(type="webauthn").last_used_at


# As when the person presses "Cancel" in the browser's own window.
CANCELS = """(verb) => {
    navigator.credentials[verb] = () => Promise.reject(new DOMException("", "NotAllowedError"));
}"""


def test_where_no_passkey_comes_it_says_why(live_server: Any, cast: dict[str, User], page: Page) -> None:
    def told(button: str) -> str:
        page.get_by_role("button", name=button).click()
        problem = page.locator("[data-passkey-problem]")
        expect(problem).to_be_visible()
        return problem.inner_text()

    log_in(page, path=f"{live_server.url}/accounts/login/")
    new_authenticator(page)
    add_passkey(page, root=live_server.url)
    expect(page.get_by_text("They are shown only now")).to_be_visible()
    page.goto(f"{live_server.url}{OVERVIEW}passkeys/add/")
    page.get_by_label("A name for it").fill("again")
    assert (
        told("Add the passkey")
        == "This device has a passkey here already. Use another device, or remove that passkey first."
    )
    page.evaluate(CANCELS, "create")
    assert told("Add the passkey") == "No passkey was made. Try again, or set up an authenticator app."
    cookies = page.context.cookies()
    page.context.clear_cookies()
    assert told("Add the passkey") == "Your session has ended. Log in again."
    page.context.add_cookies([one for one in cookies if one["name"] != "sessionid"])  # type: ignore[misc]
    assert told("Add the passkey") == "Your session has ended. Log in again."

    log_in(page, path=f"{live_server.url}/accounts/login/")
    page.evaluate(CANCELS, "get")
    assert told("Use a passkey") == "No passkey has answered. Try again, or type a code."
    page.context.set_offline(True)
    assert told("Use a passkey") == "The portal does not answer just now. Try again in a minute."
    page.context.set_offline(False)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.context.add_cookies([one for one in cookies if one["name"] != "sessionid"])  # type: ignore[misc]
    assert told("Use a passkey") == "Your log-in took too long. Begin again."


@pytest.mark.parametrize("script", [True, False])
def test_who_has_a_passkey_alone_reads_what_it_needs(
    live_server: Any, cast: dict[str, User], browse: Callable[..., Page], script: bool, settings: Any
) -> None:
    Authenticator.objects.create(user=cast["requester"], type="webauthn", data={"name": "key", "credential": {}})
    page = browse(java_script_enabled=script)
    log_in(page)
    expect(page.get_by_text("Your passkey needs JavaScript")).to_be_visible(visible=not script)
    expect(page.get_by_role("button", name="Use a passkey")).to_be_visible(visible=script)
    settings.PUBLIC_URL = live_server.url.replace("localhost", "127.0.0.1")
    log_in(page, path=f"{settings.PUBLIC_URL}/accounts/login/")
    expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)
    expect(page.get_by_text("Your passkey does not work here")).to_be_visible()
    if script:
        fits(page, page.get_by_text("Your passkey does not work here"))
    page.get_by_role("link", name="Log in at localhost:").click()
    page.wait_for_url(f"{live_server.url}/**")


def test_the_admin_s_door_asks_for_the_passkey_too(
    live_server: Any, cast: dict[str, User], browse: Callable[..., Page]
) -> None:
    page = browse()
    log_in(page, "admin")
    new_authenticator(page)
    add_passkey(page)
    expect(page.get_by_text("They are shown only now")).to_be_visible()
    page.context.clear_cookies()
    log_in(page, "admin", "/admin/login/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/admin/")


def test_an_administrator_is_asked_for_a_reason(admin: Page, live_server: Any, cast: dict[str, User]) -> None:
    Authenticator.objects.create(user=cast["requester2"], type="webauthn", data={"name": "key", "credential": {}})
    admin.goto(f"{live_server.url}/admin/auth/user/")
    admin.locator("tr", has_text="requester2").locator("input.action-select").check()
    admin.locator("select[name=action]").select_option("remove_second_factor")
    admin.locator("button[name=index]").click()
    is_fine(admin, "Remove the second factor of requester2?")
    admin.get_by_label("Reason:").fill("Lost the key, I saw him.")
    admin.get_by_role("button", name="Remove the second factor").click()
    expect(admin.get_by_text("requester2 sets up a second factor anew at the next log-in")).to_be_visible()
    assert not Authenticator.objects.exists()


def test_in_two_windows_each_passkey_is_asked_for_anew(
    live_server: Any, cast: dict[str, User], browse: Callable[..., Page]
) -> None:
    page = browse()
    log_in(page)
    new_authenticator(page)
    add_passkey(page)
    expect(page.get_by_text("They are shown only now")).to_be_visible()
    page.context.clear_cookies()
    log_in(page)
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    other = page.context.new_page()
    other.goto("/accounts/login/code/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("link", name="New request").first).to_be_visible()
    other.reload()
    expect(other.get_by_role("link", name="New request").first).to_be_visible()


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    """Without the watch over the console, which names each refusal."""
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def answers(page: Page, live_server: Any, cast: dict[str, User]) -> Iterator[Callable[[], str]]:
    """What the browser sends to prove its passkey, without sending it; the person is half-way."""
    log_in_at = f"{live_server.url}/accounts/login/"
    log_in(page, path=log_in_at)
    new_authenticator(page)
    add_passkey(page, root=live_server.url)
    expect(page.get_by_text("They are shown only now")).to_be_visible()

    def prove() -> str:
        page.context.clear_cookies()
        log_in(page, path=log_in_at)
        expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()
        page.evaluate(
            """() => {
                window.wouldSend = new Promise((resolve) => {
                    HTMLFormElement.prototype.submit = function () {
                        resolve(this.elements.credential.value);
                    };
                });
            }"""
        )
        page.get_by_role("button", name="Use a passkey").click()
        return str(page.evaluate("() => window.wouldSend"))

    yield prove


def test_an_answer_is_good_once_for_one_challenge_and_not_after_a_change(
    page: Page, answers: Callable[[], str]
) -> None:
    first = answers()
    second = answers()
    for wrong in (
        first,
        second.replace('"signature":"', '"signature":"AAAA'),
        "{}",
        "[]",
        "x",
        "null",
        '{"id": 1}',
        "[" * 9_999,
    ):
        assert send(page, wrong) == 403, wrong[:40]
        fetch_options(page)
    assert send(page, second) == 403, "its challenge was taken by the tries before"
    assert send(page, answers()) == 200


def test_a_key_that_counts_backwards_is_a_copy(page: Page, answers: Callable[[], str]) -> None:
    passkey = Authenticator.objects.get(type="webauthn")
    passkey.data["count"] = 1_000
    passkey.save()
    assert send(page, answers()) == 403


def send(page: Page, credential: str) -> int:
    """The code of the answer, redirects followed."""
    return int(
        page.evaluate(
            """async (credential) => {
                const form = document.querySelector("[data-passkey]");
                const body = new FormData(form);
                body.set("credential", credential);
                return (await fetch("/accounts/login/code/", { method: "POST", body })).status;
            }""",
            credential,
        )
    )


def fetch_options(page: Page) -> None:
    page.evaluate(
        """async () => {
            const form = document.querySelector("[data-passkey]");
            await fetch(form.dataset.passkey, { method: "POST", body: new FormData(form) });
        }"""
    )


def test_whoever_has_to_set_one_up_reads_why_and_nothing_else(
    live_server: Any, cast: dict[str, User], browse: Callable[..., Page], settings: Any
) -> None:
    settings.SECOND_FACTOR_GROUPS = ["*"]
    page = browse()
    log_in(page, path="/requests/")
    page.wait_for_url(f"**{OVERVIEW}")
    fits(page, "Second factor")
    new_authenticator(page)
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("A name for it").fill("key")
    page.get_by_role("button", name="Add the passkey").click()
    page.get_by_role("link", name="I have kept them").click()
    page.wait_for_url("**/requests/")  # where the log-in was to lead
    expect(page.get_by_role("link", name="New request").first).to_be_visible()


def test_without_javascript_the_app_and_the_codes_work(
    live_server: Any, cast: dict[str, User], browse: Callable[..., Page]
) -> None:
    page = browse(java_script_enabled=False)
    log_in(page)
    page.goto(f"{OVERVIEW}passkeys/add/")
    expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    page.goto(f"{OVERVIEW}app/")
    secret = page.locator(".factor-secret").text_content() or ""
    page.get_by_label("The code that the app shows").fill(code_of(secret.replace(" ", ""), -1))
    page.get_by_role("button", name="Set up the app").click()
    expect(page.get_by_text("They are shown only now")).to_be_visible()
    page.context.clear_cookies()
    log_in(page)
    page.get_by_label("Code of your app, or a recovery code").fill(code_of(secret.replace(" ", "")))
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("link", name="New request").first).to_be_visible()
