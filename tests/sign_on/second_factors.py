"""An authenticator app of our own, and people who log in with it."""

import base64
import hashlib
import hmac
import re
import struct
import time
from typing import Any

from django.test import Client

from connections.demo.management.commands.seed_demo import PASSWORD

CODE_PAGE = "/accounts/login/code/"
OVERVIEW = "/accounts/second-factor/"
SECRET = re.compile(r'<code class="factor-secret">([A-Z2-7 ]+)</code>')
CODE = re.compile(r"<code>(\d{4} \d{4})</code>")


def code_of(secret: str, steps: int = 0) -> str:
    """What the app shows now (RFC 6238), or that many steps later."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def type_password(client: Client, name: str = "requester", *, password: str = PASSWORD, **more: Any) -> Any:
    """The answer to name and password; `door` and `next` as they are given."""
    door = more.pop("door", "/accounts/login/")
    wanted = {"next": more.pop("next")} if "next" in more else {}
    return client.post(door, {"username": name, "password": password, **wanted}, **more)


def type_code(client: Client, code: str, **more: Any) -> Any:
    return client.post("/accounts/login/code/", {"code": code}, **more)


def set_up(client: Client) -> tuple[str, list[str]]:
    """Set up an app with a client that logged in by the password just now: its secret, and the recovery codes."""
    page = client.get("/accounts/second-factor/app/").content.decode()
    secret = SECRET.findall(page)[0].replace(" ", "")
    # By the code of a moment ago, so that the one of now is still good for a log-in.
    answer = client.post("/accounts/second-factor/app/", {"code": code_of(secret, -1)}, follow=True)
    assert answer.redirect_chain == [("/accounts/second-factor/recovery-codes/", 302)], answer.content.decode()
    return secret, CODE.findall(answer.content.decode())


def with_app(name: str = "requester") -> tuple[str, list[str]]:
    """The secret and the recovery codes of somebody who has set up an app."""
    client = Client()
    assert type_password(client, name).status_code == 302
    return set_up(client)


def is_in(client: Client) -> bool:
    return client.get("/requests/").status_code == 200


def half_way(name: str = "requester", **more: Any) -> Client:
    """The browser of somebody who typed the right password and no code yet."""
    client = Client()
    answer = type_password(client, name, **more)
    assert (answer.status_code, answer["Location"]) == (302, CODE_PAGE), answer.content.decode()
    return client


def wrong_code(secret: str) -> str:
    return next(text for text in ("000000", "111111", "222222", "333333") if text not in _shown_about_now(secret))


def _shown_about_now(secret: str) -> set[str]:
    return {code_of(secret, steps) for steps in range(-3, 4)}
