"""Pages of the portal, asked for in this process through WSGI, or of a web process over HTTP."""

import http.client
import io
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from connections.demo.management.commands.seed_demo import PASSWORD


def cookie_of(username: str) -> str:
    """A Cookie header of somebody who is logged in, on this process's database."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(username=username))
    return f"sessionid={client.cookies['sessionid'].value}"


def in_process(path: str, cookie: str) -> Callable[[], bytes]:
    """A call that answers the page's body, without a socket. Raises AssertionError unless the status is 200."""
    from django.conf import settings

    from portal.wsgi import application

    bare, _, query = path.partition("?")

    def page() -> bytes:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": bare,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": urlsplit(settings.PUBLIC_URL).netloc,
            "HTTP_COOKIE": cookie,
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        status: list[str] = []
        answer: Any = application(environ, lambda line, headers, *_: status.append(line) or (lambda data: None))
        body = b"".join(answer)
        answer.close()
        assert status[0].startswith("200"), f"{path}: {status[0]}"
        return body

    return page


class Visitor:
    """Somebody logged in at a web process; one kept connection."""

    def __init__(self, address: str, username: str) -> None:
        self._where = urlsplit(address)
        self._http = self._connect()
        self._cookies: dict[str, str] = {}
        token = self.token(self.get("/accounts/login/"))
        self.post("/accounts/login/", {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token}, 302)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._where.hostname or "", self._where.port, timeout=30)

    @staticmethod
    def token(page: str) -> str:
        """The CSRF token of a form on the page."""
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found, page[:500]
        return found[1]

    def get(self, path: str) -> str:
        """The page; AssertionError unless 200."""
        return self._ask("GET", path, None, 200)

    def post(self, path: str, fields: dict[str, str], expected: int) -> str:
        """Send a form; AssertionError unless the answer's status is as expected."""
        return self._ask("POST", path, urlencode(fields), expected)

    def _ask(self, method: str, path: str, body: str | None, expected: int) -> str:
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self._cookies.items())}
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Referer": self._where.geturl() + path}
        try:
            self._http.request(method, path, body, headers)
            answer = self._http.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            if method != "GET":
                raise
            self._http.close()  # kept too long: the server closes idle connections
            self._http.request(method, path, body, headers)
            answer = self._http.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        assert answer.status == expected, f"{method} {path}: {answer.status} {text[:500]}"
        return text
