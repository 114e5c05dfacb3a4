"""What the sandbox delivers to webhooks: signed as Fivetran signs, to this machine only; and its pretended syncs."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connections.sandbox import deliveries
from tests.sandbox.api import Api, eventually

SECRET = "shared-with-fivetran"
EVENTS = [
    "create_connector",
    "edit_connector",
    "delete_connector",
    "pause_connector",
    "resume_connector",
    "connection_successful",
    "connection_failure",
]


@dataclass
class Receiver:
    """What came in: signature and body of each delivery."""

    url: str = ""
    got: list[tuple[str, bytes]] = field(default_factory=list)

    def events(self) -> list[str]:
        """The events in the order of their coming, but the trial's."""
        bodies = [json.loads(body) for _, body in self.got]
        return [body["event"] for body in bodies if body["connector_id"] != "_connection_1"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((self.headers.get("X-Fivetran-Signature-256", ""), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}/hook/"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield found
        server.shutdown()


def hook(api: Api, url: str, events: list[str], path: str = "account") -> str:
    body = {"url": url, "events": events, "secret": SECRET}
    return str(api.call("POST", f"/v1/webhooks/{path}", json=body).json()["data"]["id"])


def test_the_life_of_a_connection_is_told_and_signed(api: Api, receiver: Receiver) -> None:
    made = hook(api, receiver.url, EVENTS)
    assert len(receiver.got) == 1, "a trial comes at once"
    one = api.create("told", run_setup_tests=True).json()["data"]["id"]
    for paused in (True, False):
        api.call("PATCH", f"/v1/connections/{one}", json={"run_setup_tests": False, "paused": paused})
    api.call("POST", f"/v1/connections/{one}/test", json={})
    api.call("DELETE", f"/v1/connections/{one}")
    eventually(lambda: "delete_connector" in receiver.events())
    assert receiver.events() == [
        "create_connector",
        "connection_successful",
        "edit_connector",
        "pause_connector",
        "edit_connector",
        "resume_connector",
        "connection_successful",
        "delete_connector",
    ]
    for signature, sent in receiver.got:
        assert signature == hmac.new(SECRET.encode(), sent, hashlib.sha256).hexdigest().upper()
    told = json.loads(receiver.got[1][1])
    assert (told["connector_id"], told["connector_type"], told["connector_name"]) == (
        one,
        "google_sheets",
        "told.cells",
    )
    assert SECRET not in json.dumps(api.get(f"/v1/webhooks/{made}")) + json.dumps(api.get("/v1/webhooks"))


def test_a_check_beforehand_tells_nobody(api: Api, receiver: Receiver) -> None:
    hook(api, receiver.url, EVENTS)
    api.create("told", path="/_sandbox/check")
    assert api.create("told").status_code == 201
    eventually(lambda: "connection_successful" in receiver.events())
    assert receiver.events() == ["create_connector", "connection_successful"]


def test_only_wanted_events_of_active_webhooks_are_told(api: Api, receiver: Receiver) -> None:
    hook(api, receiver.url, ["delete_connector"])
    hook(api, receiver.url, EVENTS, "group/brisk_meadow")
    sleeping = hook(api, receiver.url, EVENTS)
    api.call("PATCH", f"/v1/webhooks/{sleeping}", json={"active": False})
    one = api.create("quiet", run_setup_tests=False).json()["data"]["id"]
    api.call("DELETE", f"/v1/connections/{one}")
    eventually(lambda: receiver.events())
    assert receiver.events() == ["delete_connector"]


@pytest.mark.parametrize(
    "url",
    [
        "https://portal.example.com/hook/",
        "http://10.0.0.1/",
        "http://127.0.0.1.example.com/",
        "file:///etc/passwd",
        "[",
    ],
)
def test_no_other_host_is_called(url: str) -> None:
    assert not deliveries.is_here(url)


def test_a_test_delivery_says_what_the_receiver_said(api: Api, receiver: Receiver) -> None:
    good = hook(api, receiver.url, EVENTS)
    nobody = hook(api, "http://127.0.0.1:9/", EVENTS)
    away = hook(api, "https://portal.example.com/hook/", EVENTS)
    answers = {
        one: api.call("POST", f"/v1/webhooks/{one}/test", json={"event": "sync_end"}).json()["data"]["succeed"]
        for one in (good, nobody, away)
    }
    assert answers == {good: True, nobody: False, away: True}


def test_the_first_sync_comes_some_time_after_the_set_up(api: Api, receiver: Receiver) -> None:
    hook(api, receiver.url, ["sync_end"])
    api.settings(first_sync_seconds=0.5)
    one = api.create("fed", run_setup_tests=True).json()["data"]["id"]
    paused = api.create("resting", run_setup_tests=True, paused=True).json()["data"]["id"]
    eventually(lambda: api.get(f"/v1/connections/{one}").get("succeeded_at"))
    shown = api.get(f"/v1/connections/{one}")
    assert shown["status"]["sync_state"] == "scheduled"
    assert not any(name.startswith("_") for name in shown)
    eventually(lambda: receiver.events())
    assert not api.get(f"/v1/connections/{paused}").get("succeeded_at")
    assert receiver.events() == ["sync_end"]


def test_without_the_setting_only_an_asked_for_sync_happens(api: Api, receiver: Receiver) -> None:
    hook(api, receiver.url, ["sync_end"])
    one = api.create("fed", run_setup_tests=True).json()["data"]["id"]
    assert not api.get(f"/v1/connections/{one}").get("succeeded_at")
    assert api.call("POST", f"/v1/connections/{one}/sync", json={}).status_code == 200
    assert api.get(f"/v1/connections/{one}")["succeeded_at"]
    eventually(lambda: receiver.events() == ["sync_end"])


def test_no_redirect_leads_a_delivery_elsewhere() -> None:
    went: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            went.append(f"POST {self.path}")
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(302)
            self.send_header("Location", f"http://{self.headers['Host']}/outside")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            went.append(f"GET {self.path}")
            self.send_error(404)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/hook/"
        assert deliveries.send({"url": url, "_secret": SECRET}, b"{}") == 302
        server.shutdown()
    assert went == ["POST /hook/"]
