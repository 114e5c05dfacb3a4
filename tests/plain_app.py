"""A WSGI application to try a server with: `/sleep?3`, `/large?1000000`, `/length` of what was posted."""

import time
from collections.abc import Callable, Iterable
from typing import Any

PIECE = 16 * 1024


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers by the path; the query string is its number."""
    number = int(environ["QUERY_STRING"] or 0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    match environ["PATH_INFO"]:
        case "/sleep":
            time.sleep(number)
            return [b"slept"]
        case "/large":
            return (b"x" * min(PIECE, number - start) for start in range(0, number, PIECE))
        case "/length":
            length = int(environ.get("CONTENT_LENGTH") or 0)
            return [str(len(environ["wsgi.input"].read(length))).encode()]
    return [b"ok"]
