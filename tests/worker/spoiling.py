"""Between the portal and the sandbox: one answer of the next call of a kind is spoilt, the same for the same number."""

import copy
import json
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.escaping import ATTACKS

HOSTILE = (
    *ATTACKS,
    "\x00",
    "a\x00b",
    "\ud800",
    "\u202e",
    "x" * 70_000,
    "../../account/info",
    "a/b?c#d",
    " ",
    "",
    "😀" * 300,
)
WRONG: tuple[Any, ...] = (None, True, -1, 10**400, 1.5, "", "text", [], {}, [[[]]], [None, 7, {}], {"a": {"b": []}})
PAGE = "<!doctype html><title>Sign in</title><injected><script>injected()</script>"


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


Spoil = Callable[[random.Random, Answer], Answer]


def _json(change: Callable[[random.Random, Any], Any]) -> Spoil:
    """Of the usual answer as JSON."""

    def spoil(by: random.Random, usual: Answer) -> Answer:
        said = json.loads(usual.body or b"{}")
        return Answer(usual.status, json.dumps(change(by, copy.deepcopy(said))).encode())

    return spoil


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container in it, with a key."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _places(inner)


def _some(by: random.Random, said: Any, most: int) -> list[tuple[Any, Any]]:
    places = list(_places(said))
    return by.sample(places, min(len(places), by.randint(1, most)))


def _without_keys(by: random.Random, said: Any) -> Any:
    for container, key in _some(by, said, 3):
        if isinstance(container, dict):
            container.pop(key, None)
    return said


def _wrong_types(by: random.Random, said: Any) -> Any:
    for container, key in _some(by, said, 4):
        if isinstance(container, list) and key >= len(container):
            continue
        container[key] = by.choice(WRONG)
    return said


def _hostile_texts(by: random.Random, said: Any) -> Any:
    """Each text but the code; the ids only now and then, since without them an answer is soon refused."""
    ids = by.random() < 0.3
    for container, key in list(_places(said)):
        named = key in {"id", "schema", "service", "group_id", "code"}
        if isinstance(container[key], str) and (ids or not named):
            container[key] = by.choice(HOSTILE)
    return said


def _hostile_keys(by: random.Random, said: Any) -> Any:
    for container, _ in _some(by, said, 3):
        if isinstance(container, dict):
            container[by.choice(HOSTILE)] = by.choice(HOSTILE)
    return said


def _hostile_tests(by: random.Random, said: Any) -> Any:
    """Setup tests of every shape."""
    tests = [
        {
            "title": by.choice(HOSTILE),
            "status": by.choice(("FAILED", "PASSED", "WARNING", *HOSTILE[:9])),
            "message": by.choice(HOSTILE),
        },
        {
            "title": "Fingerprint",
            "status": "FAILED",
            "details": by.choice(
                [*WRONG, {"fingerprints": [{"hash": by.choice(HOSTILE), "public_key": by.choice(HOSTILE)}]}]
            ),
        },
        {
            "title": "Certificate",
            "status": "FAILED",
            "details": {
                "certificates": [
                    {
                        "hash": by.choice(HOSTILE),
                        "name": by.choice(HOSTILE),
                        "encoded_cert": by.choice(HOSTILE),
                        "validity": by.choice(WRONG),
                    }
                ]
            },
        },
        *(by.choice(WRONG) for _ in range(3)),
    ]
    if isinstance(said.get("data"), dict):
        said["data"]["setup_tests"] = tests * by.choice((1, 40))
        said["data"]["status"] = {"setup_state": by.choice(("broken", *HOSTILE[:6])), "warnings": tests, "tasks": tests}
    return said


def _many(by: random.Random, said: Any) -> Any:
    data = said.get("data")
    if isinstance(data, dict) and isinstance(data.get("items"), list):
        data["items"] = (data["items"] or [{"id": "a"}]) * 2000
    elif isinstance(data, dict):
        data["filler"] = ["x" * 1000] * 3000
    return said


def _instead(*bodies: bytes) -> Spoil:
    return lambda by, usual: Answer(usual.status, by.choice(bodies))


def _refusal(by: random.Random, _usual: Answer) -> Answer:
    status = by.choice((400, 402, 403, 404, 405, 409, 413, 418, 422, 429, 500, 502, 503, 504, 529, 599))
    code, message = by.choice(HOSTILE), by.choice(HOSTILE)
    body = by.choice(
        ({"code": code, "message": message}, {"code": [code], "message": {"a": message}}, {"error": message})
    )
    pause = by.choice(("", "0", "-1", "soon", "1e9", "Wed, 21 Oct 2015 07:28:00 GMT"))
    return Answer(
        status,
        json.dumps(body).encode(),
        {"Content-Type": "application/json"} | ({"Retry-After": pause} if pause else {}),
    )


def _strange_bytes(by: random.Random, usual: Answer) -> Answer:
    text = usual.body.decode()
    body = by.choice(
        (text.encode("utf-16"), b"\xef\xbb\xbf" + usual.body, usual.body[: len(usual.body) // 2], usual.body + b"\x00")
    )
    return Answer(
        usual.status, body, {"Content-Type": by.choice(("text/html", "application/json; charset=utf-7", "x"))}
    )


SPOILS: tuple[Spoil, ...] = (
    _instead(PAGE.encode(), b"", b"\x00" * 100, b"\xff\xfe<injected>"),
    _instead(
        b"[]", b'"injected"', b"null", b"7", b"true", b"{}", b'{"data": null}', b'{"data": "x"}', b'{"data": [1]}'
    ),
    _instead(
        b"[" * 50_000,
        b'{"data":' * 3_000,
        b'{"a":1,' + b'"data":{"id":"a"},' * 9 + b'"b":NaN}',
        b'{"data": {"id": Infinity}}',
    ),
    _instead(
        b'{"code":"Success","data":{"id":"' + b"i" * 10_000 + b'"}}', b'{"code":"Success","data":{"id":"\\ud800"}}'
    ),
    _json(_without_keys),
    _json(_wrong_types),
    _json(_hostile_texts),
    _json(_hostile_keys),
    _json(_hostile_tests),
    _json(_many),
    _refusal,
    _strange_bytes,
)


class Spoiler:
    """Hands each call on; `spoil` is done to the answer of the first `times` calls that `of` is true for."""

    def __init__(self, sandbox: str) -> None:
        self.sandbox = sandbox
        self.spoilt = 0
        self._spoil: Callable[[Answer], Answer] | None = None
        self._of: Callable[[str, str], bool] = lambda method, path: False
        self._times = 0

    def next(self, number: int, of: Callable[[str, str], bool], times: int = 1) -> None:
        """`number` says what is done to it."""
        spoil, by = SPOILS[number % len(SPOILS)], random.Random(number)
        self._spoil, self._of, self._times, self.spoilt = (lambda usual: spoil(by, usual)), of, times, 0

    def rest(self) -> None:
        """Until then every answer is as usual."""
        self._spoil = None

    def answer(self, method: str, path: str, usual: Answer) -> Answer:
        if self._spoil is None or not self._times or not self._of(method, path) or usual.status >= 400:
            return usual
        self._times -= 1
        self.spoilt += 1
        return self._spoil(usual)


@contextmanager
def spoiling(sandbox: str) -> Iterator[tuple[str, Spoiler]]:
    """The address to call instead of the sandbox's."""
    spoiler = Spoiler(sandbox)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {
                name: self.headers[name] for name in ("Authorization", "Content-Type", "Accept") if name in self.headers
            }
            call = urllib.request.Request(f"{sandbox}{self.path}", body or None, headers, method=self.command)
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(call, timeout=10) as said:
                    usual = Answer(said.status, said.read())
            except urllib.error.HTTPError as refused:
                usual = Answer(refused.code, refused.read())
            answer = spoiler.answer(self.command, self.path, usual)
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", spoiler
        finally:
            server.shutdown()
            thread.join()
