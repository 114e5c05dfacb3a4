"""The client of Fivetran's REST API (https://fivetran.com/docs/rest-api), a method for each call the portal makes.
Every method returns a usable answer or raises one of the five errors of `errors.py`; ValueError and TypeError come
before anything is sent.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .answers import Answer
from .calls import Caller, has_items
from .transport import Timing, boottime

__all__ = ["Answer", "FivetranClient", "boottime"]

IDENTIFIER = re.compile(r"[A-Za-z0-9_]+")
IDENTIFIER_LENGTH = 255
MOST_SYNC_PAGES = 5  # a day of one sync a minute takes 3
SERVICE = re.compile(r"[a-z0-9_]+")


# Callers whose tracebacks are shown to somebody should be `sensitive_variables()`: arguments are in the frames.
class FivetranClient(Caller):
    # --- connections

    def create_connection(self, body: Mapping[str, Any], *, give_up_at: float | None = None) -> Answer:
        """Sent at most once; NotSent when `boottime()` is past `give_up_at` just before the first byte.

        The answer's `data["id"]` is a usable id; an answer without one is Unknown. Failed setup tests are an Answer
        like any other.
        """
        timing = Timing(self._slow.connect, self._slow.read, self._slow.total, give_up_at)
        return self._post("/connections", body, lambda data: is_identifier(data.get("id")), timing)

    def run_setup_tests(
        self, connection_id: str, *, trust_certificates: bool = False, trust_fingerprints: bool = False
    ) -> Answer:
        """Lasts as long as the tests do."""
        body = {"trust_certificates": bool(trust_certificates), "trust_fingerprints": bool(trust_fingerprints)}
        path = f"/connections/{checked_identifier(connection_id)}/test"
        return self._post(path, body, lambda data: data.get("id", connection_id) == connection_id, self._slow)

    def find_connections(self, group_id: str, schema: str) -> list[dict[str, Any]]:
        if not group_id or not schema:
            raise ValueError("Without a group and a name the list would be that of all connections.")
        return self._items("/connections", {"group_id": group_id, "schema": schema})

    def list_connections(self) -> list[dict[str, Any]]:
        """Without their configuration."""
        return self._items("/connections")

    def get_connection(self, connection_id: str) -> Answer:
        """Refused with status 404 when the connection does not exist."""
        path = f"/connections/{checked_identifier(connection_id)}"
        return self._get(path, {}, lambda data: data.get("id") == connection_id)

    def update_connection(
        self, connection_id: str, changes: Mapping[str, Any], *, give_up_at: float | None = None
    ) -> Answer:
        """Answers like `get_connection`; NotSent when `boottime()` is past `give_up_at`. The call is idempotent.

        Fivetran runs the setup tests unless `run_setup_tests` is false, and wants at least one lasting field.
        """
        timing = Timing(self._quick.connect, self._quick.read, self._quick.total, give_up_at)
        path = f"/connections/{checked_identifier(connection_id)}"
        return self._change("PATCH", path, changes, lambda data: data.get("id") == connection_id, timing)

    def delete_connection(self, connection_id: str, *, give_up_at: float | None = None) -> Answer:
        """The answer has no `data`. Refused with status 404 when the connection is deleted already."""
        timing = Timing(self._quick.connect, self._quick.read, self._quick.total, give_up_at)
        path = f"/connections/{checked_identifier(connection_id)}"
        return self._change("DELETE", path, None, _anything, timing)

    def mint_connect_card(
        self, connection_id: str, redirect_uri: str, hide_setup_guide: bool = False, *, all_fields: bool = False
    ) -> Answer:
        """`data["connect_card"]["uri"]` is a credential that lives one day."""
        config = {"redirect_uri": redirect_uri, "hide_setup_guide": bool(hide_setup_guide)}
        if all_fields:
            config["all_fields"] = True
        path = f"/connections/{checked_identifier(connection_id)}/connect-card"
        return self._post(path, {"connect_card_config": config}, has_card, self._quick)

    def list_syncs(self, connection_id: str, since: datetime | None = None) -> list[dict[str, Any]]:
        """Of one day at most, or since a moment. Refused with status 404 where the account has no such list."""
        path = f"/connections/{checked_identifier(connection_id)}/sync-history"
        end = datetime.now(UTC) + timedelta(minutes=1)  # without one it would be an hour after the start
        day, hour = end - timedelta(days=1), end - timedelta(hours=1)
        span = {"start_time": max(day, min(since or day, hour)), "end_time": end}
        times = {name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in span.items()}
        return self._items(path, times, most_pages=MOST_SYNC_PAGES)

    def list_certificates(self, connection_id: str) -> list[dict[str, Any]]:
        return self._items(f"/connections/{checked_identifier(connection_id)}/certificates")

    def approve_certificate(self, connection_id: str, hash: str, encoded_cert: str) -> Answer:
        """The two values are from the details of the failed setup test."""
        path = f"/connections/{checked_identifier(connection_id)}/certificates"
        return self._post(path, {"hash": hash, "encoded_cert": encoded_cert}, _anything, self._quick)

    def list_fingerprints(self, connection_id: str) -> list[dict[str, Any]]:
        return self._items(f"/connections/{checked_identifier(connection_id)}/fingerprints")

    def approve_fingerprint(self, connection_id: str, hash: str, public_key: str) -> Answer:
        """The two values are from the details of the failed setup test."""
        path = f"/connections/{checked_identifier(connection_id)}/fingerprints"
        return self._post(path, {"hash": hash, "public_key": public_key}, _anything, self._quick)

    # --- webhooks of the account

    def list_webhooks(self) -> list[dict[str, Any]]:
        return self._items("/webhooks")

    def create_account_webhook(self, url: str, events: Sequence[str], secret: str) -> Answer:
        """Fivetran sends a trial delivery to `url` at once. Not repeatable."""
        body = {"url": url, "events": list(events), "active": True, "secret": secret}
        return self._post("/webhooks/account", body, lambda data: bool(data.get("id")), self._quick)

    # --- the account and what it offers

    def get_account(self) -> Answer:
        return self._get("/account/info", {}, lambda data: bool(data.get("account_id")) and is_text(data["account_id"]))

    def probe(self) -> None:
        """GET one group, to learn whether Fivetran answers and accepts the key."""
        self._get("/groups", {"limit": "1"}, has_items)

    def list_groups(self) -> list[dict[str, Any]]:
        return self._items("/groups")

    def get_group_public_key(self, group_id: str) -> str:
        """The SSH key that the far end of a tunnel has to accept."""
        answer = self._get(
            f"/groups/{checked_identifier(group_id)}/public-key", {}, lambda d: is_text(d.get("public_key"))
        )
        return str(answer.data["public_key"])

    def get_group_service_account(self, group_id: str) -> str:
        """The address that a sheet or a bucket at Google is shared with."""
        path = f"/groups/{checked_identifier(group_id)}/service-account"
        answer = self._get(path, {}, lambda d: is_text(d.get("service_account")))
        return str(answer.data["service_account"])

    def list_destinations(self) -> list[dict[str, Any]]:
        return self._items("/destinations")

    def list_private_links(self) -> list[dict[str, Any]]:
        return self._items("/private-links")

    def list_proxies(self) -> list[dict[str, Any]]:
        return self._items("/proxy")

    def list_hybrid_agents(self) -> list[dict[str, Any]]:
        return self._items("/hybrid-deployment-agents")

    def list_connector_types(self) -> list[dict[str, Any]]:
        """Without their configuration."""
        return self._items("/metadata/connector-types")

    def get_connector_type(self, service: str) -> Answer:
        if not SERVICE.fullmatch(service):
            raise ValueError("Not the name of a service.")
        return self._get(f"/metadata/connector-types/{service}", {}, _anything)


def checked_identifier(value: str) -> str:
    if not is_identifier(value):
        raise ValueError("Not an id of Fivetran's.")
    return value


def is_identifier(value: object) -> bool:
    return isinstance(value, str) and len(value) <= IDENTIFIER_LENGTH and IDENTIFIER.fullmatch(value) is not None


def is_text(value: object) -> bool:
    return isinstance(value, str)


def _anything(data: Mapping[str, Any]) -> bool:
    return True


def has_card(data: Mapping[str, Any]) -> bool:
    card = data.get("connect_card")
    return isinstance(card, dict) and is_text(card.get("uri"))
