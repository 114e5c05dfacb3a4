"""What browsers say about who asks: pages of other sites may link to the portal, and do no more."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections.models import ConnectionRequest
from connections.states import Status
from tests import factories
from tests.worker.test_webhooks import SECRET, body_of, deliver, signature

AsUser = Callable[..., Client]
pytestmark = pytest.mark.django_db


def sent_by(site: str, mode: str = "navigate", dest: str = "document") -> dict[str, str]:
    """The headers of a browser, without those that say nothing."""
    said = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    return {name: value for name, value in said.items() if value}


@pytest.mark.parametrize("site", ["cross-site", "same-site", "a-word-of-tomorrow"])
def test_a_form_of_another_site_changes_nothing_and_says_so(cast: dict[str, User], as_user: AsUser, site: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    client = as_user("requester")
    answer = client.post(f"/requests/{conn_request.pk}/withdraw/", headers=sent_by(site))
    assert answer.status_code == 403
    assert "This was sent by another site" in answer.content.decode()
    assert "Nothing was changed" in answer.content.decode()
    assert ConnectionRequest.objects.get(pk=conn_request.pk).state is Status.PENDING
    assert client.post("/accounts/logout/", headers=sent_by(site)).status_code == 403
    assert client.get("/requests/").status_code == 200, "still logged in"


@pytest.mark.parametrize("site", ["same-origin", "none", ""])
def test_a_form_of_the_portal_and_of_an_old_browser_is_taken(cast: dict[str, User], as_user: AsUser, site: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    assert as_user("requester").post(f"/requests/{conn_request.pk}/withdraw/", headers=sent_by(site)).status_code == 302
    assert ConnectionRequest.objects.get(pk=conn_request.pk).state is Status.WITHDRAWN


def test_a_site_that_the_company_trusts_still_needs_the_token(as_user: AsUser, settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://intranet.example.com"]
    trusted = {"Origin": "https://intranet.example.com", **sent_by("same-site")}
    foreign = {"Origin": "https://other.example.com", **sent_by("same-site")}
    assert as_user("requester").post("/accounts/logout/", headers=foreign).status_code == 403
    untold = as_user("requester", enforce_csrf_checks=True).post("/accounts/logout/", headers=trusted)
    assert "Please send it again" in untold.content.decode()
    assert as_user("requester").post("/accounts/logout/", headers=trusted).status_code == 302


def test_it_is_refused_before_the_body_is_read(as_user: AsUser) -> None:
    """A body of any size: read, it would be a 400."""
    far_too_much = {"reason": "x" * 1_900_000}
    answer = as_user("requester").post("/requests/new/", far_too_much, headers=sent_by("cross-site"))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("mode", "dest", "status"),
    [
        ("navigate", "document", 200),
        ("navigate", "", 200),
        ("navigate", "iframe", 403),
        ("navigate", "frame", 403),
        ("navigate", "object", 403),
        ("navigate", "embed", 403),
        ("no-cors", "script", 403),
        ("no-cors", "image", 403),
        ("cors", "empty", 403),
        ("", "", 403),
    ],
)
@pytest.mark.parametrize("path", ["/requests/", "/requests/new/services.json", "/requests/export.json"])
def test_another_site_may_link_to_a_page_but_not_take_it_into_its_own(
    as_user: AsUser, path: str, mode: str, dest: str, status: int
) -> None:
    assert as_user("requester").get(path, headers=sent_by("cross-site", mode, dest)).status_code == status
    assert as_user("requester").get(path, headers=sent_by("same-site", mode, dest)).status_code == status
    assert as_user("requester").get(path, headers=sent_by("same-origin", mode, dest)).status_code == 200


def test_the_way_back_from_fivetran_is_a_link_of_another_site(client: Client) -> None:
    assert client.get("/handover/return/", headers=sent_by("cross-site")).status_code == 200


def test_a_machine_is_known_by_its_signature_alone(settings: Any) -> None:
    settings.FIVETRAN_WEBHOOK_SECRET = SECRET
    body = body_of(None)
    assert deliver(body, signature(body), **sent_by("cross-site")) == 200
    assert deliver(body, signature(body, "another"), **sent_by("cross-site")) == 403


@pytest.mark.parametrize("path", ["/", "/nothing", "/healthz", "/static/connections/portal.css", "/admin/login/"])
def test_no_answer_can_be_read_into_a_page_of_another_site(client: Client, path: str) -> None:
    answer = client.get(path)
    answer.close()
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    if not path.startswith("/static/"):
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
