"""The client of Fivetran's REST API (https://fivetran.com/docs/rest-api), a method for each call the portal makes.
Every method returns a usable answer or raises one of the five errors of `errors.py`; ValueError and TypeError come
before anything is sent.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .answers import Answer
from .reader import MOST_SYNC_PAGES, FivetranReader, checked_identifier, is_identifier, is_text
from .transport import Timing, boottime

__all__ = ["MOST_SYNC_PAGES", "Answer", "FivetranClient", "boottime", "is_identifier"]


# Callers whose tracebacks are shown to somebody should be `sensitive_variables()`: arguments are in the frames.
class FivetranClient(FivetranReader):
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

    def approve_certificate(self, connection_id: str, hash: str, encoded_cert: str) -> Answer:
        """The two values are from the details of the failed setup test."""
        path = f"/connections/{checked_identifier(connection_id)}/certificates"
        return self._post(path, {"hash": hash, "encoded_cert": encoded_cert}, _anything, self._quick)

    def approve_fingerprint(self, connection_id: str, hash: str, public_key: str) -> Answer:
        """The two values are from the details of the failed setup test."""
        path = f"/connections/{checked_identifier(connection_id)}/fingerprints"
        return self._post(path, {"hash": hash, "public_key": public_key}, _anything, self._quick)

    def create_account_webhook(self, url: str, events: Sequence[str], secret: str) -> Answer:
        """Fivetran sends a trial delivery to `url` at once. Not repeatable."""
        body = {"url": url, "events": list(events), "active": True, "secret": secret}
        return self._post("/webhooks/account", body, lambda data: bool(data.get("id")), self._quick)


def _anything(data: Mapping[str, Any]) -> bool:
    return True


def has_card(data: Mapping[str, Any]) -> bool:
    card = data.get("connect_card")
    return isinstance(card, dict) and is_text(card.get("uri"))
