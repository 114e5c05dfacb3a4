"""The reading part of the client: a method for each GET that the portal makes, and none that changes anything."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from .answers import Answer, envelope_of
from .calls import GET_BODY_CAP, MAX_PAGES, Caller, has_items
from .errors import FivetranError
from .transport import Reply, boottime

IDENTIFIER = re.compile(r"[A-Za-z0-9_]+")
IDENTIFIER_LENGTH = 255
MOST_SYNC_PAGES = 5  # a day of one sync a minute takes 3
SERVICE = re.compile(r"[a-z0-9_]+")
NETWORKS = ("private-links", "proxy", "hybrid-deployment-agents")
_NETWORK_ID = re.compile(r"[A-Za-z0-9_-]+")
CHECK = "/_sandbox/check"  # of the sandbox alone: what its POST /v1/connections would answer now


# What is given this and not the whole client cannot create, change or delete anything: its type has no method for it.
class FivetranReader(Caller):
    def find_connections(self, group_id: str, schema: str, *, most_pages: int = MAX_PAGES) -> list[dict[str, Any]]:
        if not group_id or not schema:
            raise ValueError("Without a group and a name the list would be that of all connections.")
        return self._items("/connections", {"group_id": group_id, "schema": schema}, most_pages=most_pages)

    def list_connections(self) -> list[dict[str, Any]]:
        """With their configuration or without: live answers have it, the OpenAPI file does not promise it."""
        return self._items("/connections")

    def get_connection(self, connection_id: str) -> Answer:
        """Refused with status 404 when the connection does not exist."""
        path = f"/connections/{checked_identifier(connection_id)}"
        return self._get(path, {}, lambda data: data.get("id") == connection_id)

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

    def list_fingerprints(self, connection_id: str) -> list[dict[str, Any]]:
        return self._items(f"/connections/{checked_identifier(connection_id)}/fingerprints")

    def list_webhooks(self) -> list[dict[str, Any]]:
        return self._items("/webhooks")

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

    def get_destination(self, destination_id: str) -> Answer:
        """With its configuration, whose secrets are masked."""
        return self._get(f"/destinations/{checked_identifier(destination_id)}", {}, _anything)

    def list_private_links(self) -> list[dict[str, Any]]:
        return self._items("/private-links")

    def list_proxies(self) -> list[dict[str, Any]]:
        return self._items("/proxy")

    def list_hybrid_agents(self) -> list[dict[str, Any]]:
        return self._items("/hybrid-deployment-agents")

    def get_network(self, path: str, item_id: str) -> Answer:
        """One of NETWORKS: a private link, a proxy agent or a hybrid deployment agent."""
        if path not in NETWORKS or len(item_id) > IDENTIFIER_LENGTH or not _NETWORK_ID.fullmatch(item_id):
            raise ValueError("Not an id of Fivetran's.")
        return self._get(f"/{path}/{item_id}", {}, _anything)

    def get_user(self, user_id: str) -> Answer:
        return self._get(f"/users/{checked_identifier(user_id)}", {}, _anything)

    def get_system_key(self, key_id: str) -> Answer:
        return self._get(f"/system-keys/{checked_identifier(key_id)}", {}, _anything)

    def list_connector_types(self) -> list[dict[str, Any]]:
        """Without their configuration."""
        return self._items("/metadata/connector-types")

    def get_connector_type(self, service: str) -> Answer:
        if not SERVICE.fullmatch(service):
            raise ValueError("Not the name of a service.")
        return self._get(f"/metadata/connector-types/{service}", {}, _anything)

    # --- the sandbox's own

    def would_create(self, body: Mapping[str, Any]) -> Answer:
        """`{status, body}` of what the sandbox would answer to the creation, which it does not make. Only where answers
        name it. Errors are those of this call itself.
        """
        request = requests.Request("POST", f"{self.base_url}{CHECK}", {"Content-Type": "application/json"})
        request.data = json.dumps(body, allow_nan=False).encode()
        wire, timing = self._wire("reading"), self._until(self._by(boottime() + self._quick.total))
        ending = self._ending(wire, request, _is_foretold, timing, GET_BODY_CAP, opened=_as_data)
        if isinstance(ending, FivetranError):
            raise ending
        return ending


def _as_data(reply: Reply) -> Reply:
    """The sandbox's own `{"status": 409, "body": {...}}` in the form of the API, whatever it foretells."""
    told, _ = envelope_of(reply)
    if reply.status != 200 or not _is_foretold(told):
        return reply
    return Reply(200, reply.headers, json.dumps({"code": "Success", "data": told}).encode())


def _is_foretold(told: Mapping[str, Any]) -> bool:
    return isinstance(told.get("status"), int) and "body" in told


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
