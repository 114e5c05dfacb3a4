"""What posting the form takes, from the request to its answer, with a service of 37 settings and one of none.

It asks the product by its pages alone, so that an earlier commit can be measured with it.
"""

import io
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.bench.config import SERVICE, _tell
from tests.bench.form import _offer
from tests.bench.pages import cookie_of
from tests.bench.readings import DEPTHS, Reading, Site, deeper, milliseconds, percentile

TIMES = 12
TOKEN = "t" * 32


def by_the_form(site: Site) -> list[Reading]:
    """A whole submission, and one that is refused and drawn again with its errors."""
    from django.conf import settings

    if hasattr(settings, "SUBMISSIONS_PER_MINUTE"):
        settings.OPEN_REQUESTS = settings.SUBMISSIONS_PER_MINUTE = 0
    _offer()
    _tell()
    cookie = cookie_of("requester")
    few = {"service": "service_007", "group_id": "group_01", "reason": "Weekly report", "config__table": "orders"}
    many = {**few, "service": SERVICE, "config__host": "db", "config__user": "reader", "config__port": "22"}
    del many["config__table"]
    many["config__table_group_name"] = "orders"
    readings = []
    for what, fields, expected in (
        ("a submission", few, "302"),
        ("a submission with 37 settings", many, "302"),
        ("a refused submission", {**many, "config__port": "x"}, ""),
    ):
        names = iter(range(10_000))

        def act(fields: dict[str, str] = fields, what: str = what, expected: str = expected) -> None:
            name = f"bench_{what.replace(' ', '_')}_{next(names)}"  # noqa: B023  (called within this turn)
            status = _post("/requests/new/", cookie, {**fields, "config__schema": name})
            assert status.startswith(expected), f"{what}: {status}"

        for _ in range(5):
            act()
        took: list[float] = []
        used: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
        for _ in range(site.rounds * TIMES):
            for depth in DEPTHS:
                before = time.process_time()
                took.append(milliseconds(deeper(act, depth)))
                used[depth].append((time.process_time() - before) * 1000)
        # Processor time: what a busy neighbour cannot change.
        beside = f"by the clock p50 {percentile(took, 50):.0f} ms, p95 {percentile(took, 95):.0f} ms"
        best = min(percentile(ones, 50) for ones in used.values())
        readings.append(Reading(f"{what}, processor time", best, "ms", None, beside))
    return readings


def _post(path: str, cookie: str, fields: dict[str, str]) -> str:
    """Post a form through WSGI, without a socket; its status line."""
    from django.conf import settings

    from portal.wsgi import application

    body = urlencode({**fields, "csrfmiddlewaretoken": TOKEN}).encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": urlsplit(settings.PUBLIC_URL).netloc,
        "HTTP_COOKIE": f"{cookie}; csrftoken={TOKEN}",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    status: list[str] = []
    answer: Any = application(environ, lambda line, headers, *_: status.append(line) or (lambda data: None))
    b"".join(answer)
    answer.close()
    return status[0]
