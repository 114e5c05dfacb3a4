"""The page for somebody who was not let in by the company."""

from typing import Any

import pytest
from django.test import Client

from tests.sign_on.providers import Mock, configure
from tests.sign_on.test_oidc import MIA, LogIn, local, refused, state_of

pytestmark = pytest.mark.sql


def test_the_way_back_leads_on_to_the_page_that_was_wanted(provider: Mock, log_in: LogIn, settings: Any) -> None:
    back = 'href="/accounts/login/?next=%2Frequests%2F%3Fq%3Da%26b"'
    provider.has("s-mia", **MIA | {"email_verified": False})
    local("mia", email="mia.meyer@example.com")
    answer = log_in(Client(), "s-mia", wanted="/requests/?q=a&b")
    assert answer.status_code == 403 and back in answer.content.decode(), "the account is not joined"
    client = Client()
    state = state_of(client.get("/accounts/oidc/login/", {"next": "/requests/?q=a&b"})["Location"])
    answer = client.get("/accounts/oidc/callback/", {"state": state, "error": "access_denied"})
    assert answer.status_code == 403 and back in answer.content.decode(), "it was left"
    configure(settings, "http://127.0.0.1:9")
    answer = Client().get("/accounts/oidc/login/", {"next": "/requests/?q=a&b"})
    assert answer.status_code == 503 and back in answer.content.decode()


def test_a_refusal_without_a_reason_is_a_sentence_and_a_line_in_the_log(
    provider: Mock, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client()
    state = state_of(client.get("/accounts/oidc/login/")["Location"])
    answer = client.get("/accounts/oidc/callback/", {"state": state, "error": "server_error\r\nFORGED"})
    refused(answer, "Your company’s log-in refused", client)
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("portal.sign_on")]
    assert "server_error" in line and "\n" not in line
