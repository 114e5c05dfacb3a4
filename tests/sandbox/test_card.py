"""The Connect Card: minted, opened, filled in, used up."""

import html
import re
from typing import Any

import pytest
import requests

from connections.sandbox import tokens
from tests.sandbox.api import Api

BACK = "https://portal.example.com/handover/return/?state=abc"
CARD = {"connect_card_config": {"redirect_uri": BACK, "hide_setup_guide": True}}


def made(api: Api, service: str = "postgres", **fields: Any) -> tuple[str, str]:
    """(connection id, card address) of a new connection created with a card."""
    data = api.create("orders", service, run_setup_tests=False, **(CARD | fields)).json()["data"]
    return data["id"], data["connect_card"]["uri"]


def submitted(uri: str, **values: str) -> requests.Response:
    """The card's form, posted to where its page says."""
    page = requests.get(uri, timeout=20)
    assert page.status_code == 200, page.text
    found = re.search(r'<form method="post" action="([^"]+)"', page.text)
    assert found
    target = requests.compat.urljoin(uri, html.unescape(found[1]))
    return requests.post(target, data=values, allow_redirects=False, timeout=20)


def test_filled_in_it_connects_and_leads_back(api: Api) -> None:
    connection, uri = made(api)
    assert api.get(f"/v1/connections/{connection}")["status"]["setup_state"] == "incomplete"
    answer = submitted(uri, host="db.example.com", port="5432", user="fivetran", password="canary")
    assert (answer.status_code, answer.headers["Location"]) == (303, BACK)
    data = api.get(f"/v1/connections/{connection}")
    assert data["status"]["setup_state"] == "connected"
    assert data["config"]["password"] == "******"
    assert data["config"]["port"] == 5432
    assert "canary" not in str(api.control("GET", "journal"))


def test_a_wrong_password_stays_on_the_page_and_says_so(api: Api) -> None:
    connection, uri = made(api)
    answer = submitted(uri, host="db.example.com", user="fivetran", password="wrong")
    assert answer.status_code == 200
    assert "Invalid login credentials" in answer.text
    assert api.get(f"/v1/connections/{connection}")["status"]["setup_state"] == "incomplete"
    assert submitted(uri, host="db.example.com", user="fivetran", password="right").status_code == 303


def test_services_one_signs_in_at(api: Api) -> None:
    body = {
        "group_id": "amber_harbor",
        "service": "salesforce",
        "config": {"schema": "sales"},
        "run_setup_tests": False,
    }
    data = api.call("POST", "/v1/connections", json=body | CARD).json()["data"]
    assert submitted(data["connect_card"]["uri"]).status_code == 200
    assert submitted(data["connect_card"]["uri"], **{"auth.authorized": "true"}).status_code == 303
    assert api.get(f"/v1/connections/{data['id']}")["status"]["setup_state"] == "connected"


def test_minted_later_by_its_own_call(api: Api) -> None:
    connection = api.create("orders").json()["data"]["id"]
    path = f"/v1/connections/{connection}/connect-card"
    answer = api.call("POST", path, json=CARD)
    data = answer.json()["data"]
    assert (answer.status_code, data["connector_id"]) == (200, connection)
    assert data["connect_card"]["token"] in data["connect_card"]["uri"]
    assert requests.get(data["connect_card"]["uri"], timeout=20).status_code == 200
    assert api.call("POST", path, json={}).status_code == 400
    assert api.call("POST", "/v1/connections/no_such/connect-card", json=CARD).status_code == 404


def test_used_once_only(api: Api) -> None:
    _, uri = made(api)
    submitted(uri, host="db.example.com", user="fivetran", password="right")
    assert requests.get(uri, timeout=20).status_code == 403
    assert requests.post(uri, data={}, timeout=20).status_code == 403


def test_expired(api: Api) -> None:
    api.settings(card_seconds=0)
    _, uri = made(api)
    answer = requests.get(uri, timeout=20)
    assert answer.status_code == 403
    assert "expired" in answer.text


@pytest.mark.parametrize("change", ["signature", "claims", "none", "return"])
def test_changed_addresses_are_refused(api: Api, change: str) -> None:
    _, uri = made(api)
    head, body, signature = re.findall(r"auth=([^&]+)", uri)[0].split(".")
    changed = {
        "signature": uri.replace(signature, signature[::-1]),
        "claims": uri.replace(body, tokens.sign({"sub": "x", "exp": 9e9}, b"other").split(".")[1]),
        "none": re.sub(r"auth=[^&]+", "auth=", uri),
        "return": uri.replace("portal.example.com", "evil.example.com"),
    }[change]
    assert changed != uri
    assert requests.get(changed, timeout=20).status_code == 403


def test_of_a_deleted_connection(api: Api) -> None:
    connection, uri = made(api)
    api.call("DELETE", f"/v1/connections/{connection}")
    assert requests.get(uri, timeout=20).status_code == 404


def test_no_frame_no_script_no_cache(api: Api) -> None:
    _, uri = made(api, config={"database": '"><script>alert(1)</script>'})
    page = requests.get(uri, timeout=20)
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert "<script" not in page.text
    assert "Setup guide" not in page.text
    styles = re.findall(r'href="([^"]+\.css)"', page.text)
    assert [requests.get(api.root + path, timeout=20).status_code for path in styles] == [200]


def test_the_address_is_not_in_the_journal(api: Api) -> None:
    _, uri = made(api)
    token = re.findall(r"auth=([^&]+)", uri)[0]
    requests.get(uri, timeout=20)
    entries = api.control("GET", "journal", path="/connect-card/*")
    assert len(entries) == 1
    assert token not in str(entries)
