"""The sandbox as a whole: what it knows, and from a request to its answer."""

import base64
import binascii
import hmac
import json
import re
import time
import traceback
import uuid
from pathlib import Path
from typing import Any

from . import catalog, control, packages, routes
from .calls import ApiError, Call
from .collection import COLLECTIONS
from .deliveries import Deliveries
from .journal import Holds, Journal
from .limits import Limits
from .masking import masked
from .settings import Settings
from .state import State
from .stubs import Queue
from .wire import Answer

WITH_BODY = ("POST", "PATCH", "PUT")
OLD_SPELLING = re.compile(r"^(/v1(?:/groups/[^/]+)?)/connectors(?=/|$)")


class Sandbox:
    def __init__(
        self,
        *,
        state: Path | None = None,
        extra_catalog: Path | None = None,
        account: Path | None = None,
        settings: Settings | None = None,
    ):
        """`state`: file to keep everything in (memory without); `extra_catalog`: a file with further services;
        `account`: a file of which each part stands in place of that of `data/account.json`.
        """
        self.settings = settings or Settings()
        self.started_with = self.settings.public()
        self.catalog = catalog.load(extra_catalog)
        self.account: dict[str, Any] = json.loads((catalog.DATA / "account.json").read_text(encoding="utf-8"))
        if account:
            self.account |= json.loads(account.read_text(encoding="utf-8"))
        self.state = State(state, {each.kind: self.account.get(each.kind, []) for each in COLLECTIONS})
        self.journal = Journal()
        self.holds = Holds()
        self.canned = Queue()
        self.limits = Limits(self.settings)
        self.deliveries = Deliveries(self)
        self.root = ""  # http://127.0.0.1:<port>, known once the port is bound

    def start_over(self) -> None:
        """As at the first start, but for the key of the cards that are handed out and the numbers of the journal."""
        self.holds.release()
        self.canned.clear()
        self.settings.change(self.started_with)
        self.limits.clear()
        self.state.clear()
        self.journal.clear()

    def group(self, group_id: object) -> dict[str, Any] | None:
        return self.state.item("groups", group_id) if isinstance(group_id, str) else None

    def user_name(self) -> str:
        """Who the caller is, as people are named in answers."""
        user_id = self.account["account"]["user_id"]
        user = self.state.item("users", user_id) or {"given_name": user_id, "family_name": ""}
        return f"{user['given_name']} {user['family_name']}".strip()

    def answer(self, call: Call) -> Answer:
        """The answer to a call; also described in the journal entry of the call."""
        request_id = str(uuid.uuid4())
        self._describe(call, request_id)
        prepared = self.canned.take(call.method, call.path)
        if prepared is None:
            answer = self._usual(call)
        else:
            usual = self._usual(call) if prepared.effect or prepared.status is None else None
            call.entry.facts["fault"] = "queued"
            time.sleep(prepared.delay)  # a slow answer was ordered by the test or the person
            answer = prepared.answer(usual, self.settings.hold_seconds)
        answer.headers.setdefault("X-Request-Id", request_id)
        call.entry.facts |= {"status": answer.status, "code": _code(answer)}
        return answer

    def _usual(self, call: Call) -> Answer:
        is_api = call.path.startswith("/v1/")
        limit_headers = self.limits.headers() if is_api else {}
        try:
            # The key comes first: a caller without it learns nothing, not even which addresses exist.
            if is_api:
                self.check_key(call)
                limit_headers = self.limits.spend(creation=_runs_tests(call))
            # Pages that answer under any host, such as a Connect Card, load the style.
            if call.path.startswith("/_sandbox/") and call.path != "/_sandbox/sandbox.css":
                control.guard(call)
            path = OLD_SPELLING.sub(r"\1/connections", call.path)
            view, names = routes.find(call.method, path)
            if is_api:
                _check_media_types(call)
            answer = view(call, **names)
        except ApiError as error:
            answer = error.answer()
        except Exception:  # noqa: BLE001  (a client gets an answer whatever fails here)
            traceback.print_exc()
            answer = ApiError(500, "InternalServerError", "HTTP 500 Internal Server Error").answer()
        answer.headers = limit_headers | answer.headers
        return answer

    def check_key(self, call: Call) -> None:
        expected = f"{self.settings.key}:{self.settings.secret}".encode()
        scheme, _, token = (call.headers.get("Authorization") or "").partition(" ")
        try:
            given = base64.b64decode(token.strip(), validate=True)
        except (ValueError, binascii.Error):
            given = b""
        good = scheme.lower() == "basic" and hmac.compare_digest(given, expected)
        if not good or self.settings.reject_all:
            raise ApiError(401, "AuthFailed", "Invalid authorization credentials")

    def _describe(self, call: Call, request_id: str) -> None:
        headers = {name.lower(): value for name, value in call.headers.items()}
        if "authorization" in headers:
            headers["authorization"] = headers["authorization"].split(" ")[0] + " ******"
        query = {name: "******" if name == "auth" else value for name, value in call.query.items()}
        call.entry.facts |= {"method": call.method, "path": call.path, "query": query, "headers": headers}
        call.entry.facts |= {"request_id": request_id, "body": self._shown_body(call)}

    def _shown_body(self, call: Call) -> Any:
        if not call.raw:
            return None
        try:
            body = json.loads(call.raw)
        except (ValueError, RecursionError):
            return {"unreadable_bytes": len(call.raw)}
        service = body.get("service") if isinstance(body, dict) else None
        return masked(body, self.catalog.get(service) if isinstance(service, str) else None)


def _runs_tests(call: Call) -> bool:
    creates = call.path in ("/v1/connections", "/v1/connectors")
    return call.method == "POST" and (creates or call.path.endswith("/test"))


def _check_media_types(call: Call) -> None:
    accept = call.headers.get("Accept") or "*/*"
    wanted = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    if not wanted & {"*/*", "application/*", "application/json"}:
        raise ApiError(406, "NotAcceptable", "HTTP 406 Not Acceptable")
    kind = (call.headers.get("Content-Type") or "").split(";")[0].strip().lower()
    if call.raw and call.method in WITH_BODY and kind not in ("application/json", packages.UPLOAD):
        raise ApiError(415, "UnsupportedMediaType", "HTTP 415 Unsupported Media Type")


def _code(answer: Answer) -> str | None:
    try:
        code = json.loads(answer.body[:100_000]).get("code")
    except (ValueError, AttributeError, RecursionError):
        return None
    return code if isinstance(code, str) else None
