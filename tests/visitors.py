"""People at a real web process, over HTTP, each from an address of its own; and what floods do there."""

import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from connections.demo.management.commands.seed_demo import PASSWORD

HOST = "portal.example.com"  # as in docs/nginx.conf


class _From(HTTPAdapter):
    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__(pool_maxsize=50)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._source, 0), **kwargs)


class Visitor:
    """A browser, as far as pages, cookies and forms go."""

    def __init__(self, address: str, source: str = "127.0.0.1", ca: str = "") -> None:
        self.address = address
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.mount(address, _From(source))
        if ca:  # behind the proxy, which serves one name
            self.http.verify = ca
            self.http.headers.update({"Host": HOST, "Referer": f"https://{HOST}/"})

    def get(self, path: str) -> requests.Response:
        """The answer, whatever it is."""
        return self.http.get(self.address + path, timeout=60, allow_redirects=False)

    def post(self, path: str, fields: dict[str, str]) -> requests.Response:
        """The answer to a form with the token of this browser."""
        token = next((cookie.value for cookie in self.http.cookies if cookie.name.endswith("csrftoken")), "")
        data = {"csrfmiddlewaretoken": token or "", **fields}
        return self.http.post(self.address + path, data, timeout=60, allow_redirects=False)

    def log_in(self, username: str) -> "Visitor":
        """Log in with the demo's password; what is away for the moment is asked for again, as people do."""
        for _ in range(20):
            self.get("/accounts/login/")
            if self.post("/accounts/login/", {"username": username, "password": PASSWORD}).status_code == 302:
                return self
            time.sleep(0.5)
        raise AssertionError(f"{username} could not log in")

    def file(self, name: str) -> str:
        """The address of a new request, or AssertionError."""
        page = self.get("/requests/new/?service=google_sheets").text
        token = re.search(r'name="form_token" value="([^"]+)"', page)
        assert token, page[:2000]
        answer = self.post("/requests/new/", complete(name) | {"form_token": token[1]})
        assert answer.status_code == 302, (answer.status_code, answer.text[:2000])
        return answer.headers["Location"]

    def approve(self, path: str) -> None:
        """Approve the request at `path`."""
        digest = re.search(r'name="digest" value="([^"]+)"', self.get(path).text)
        assert digest
        assert self.post(f"{path}approve/", {"digest": digest[1]}).status_code == 302
        assert 'data-status="pending"' not in self.get(path).text


def complete(name: str) -> dict[str, str]:
    """A filled form for a destination of this name."""
    return {
        "service": "google_sheets",
        "group_id": "projected_sickle",
        "config__schema": name,
        "config__table": "orders",
        "reason": "Weekly sales report",
        "action": "submit",
    }


@contextmanager
def flood(threads: int, once: Callable[[], requests.Response]) -> Iterator[Counter[int]]:
    """`once` over and over in so many threads; yields how often each status was answered.

    The pause is for this machine, which has to do the asking too.
    """
    over, seen, lock = threading.Event(), Counter[int](), threading.Lock()

    def run() -> None:
        while not over.wait(0.1):
            try:
                status = once().status_code
            except requests.RequestException:
                status = 0
            with lock:
                seen[status] += 1

    running = [threading.Thread(target=run) for _ in range(threads)]
    for one in running:
        one.start()
    try:
        yield seen
    finally:
        over.set()
        for one in running:
            one.join()


def of_one_employee(*browsers: Visitor) -> Callable[[], requests.Response]:
    """Submissions of new requests by one person who is logged in, in one browser or in several."""
    turns = count()

    def once() -> requests.Response:
        form = complete(f"flood_{uuid.uuid4().hex[:12]}")
        return browsers[next(turns) % len(browsers)].post("/requests/new/", form | {"form_token": str(uuid.uuid4())})

    return once
