"""Reading the environment, with errors that say what to do.

Every reader takes the name of one variable; a variable `NAME_FILE` that names a file wins over `NAME` (the
way of Docker secrets). All of them raise ImproperlyConfigured when the value cannot be used.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.FileAwareEnv()
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def text(name: str, default: str = "") -> str:
    """The value without surrounding white space (files end in a newline); `default` when it is absent or empty."""
    try:
        return env.str(name, default=default).strip() or default
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names a file that cannot be read ({error.strerror}: {error.filename}). "
            f"Correct the path or unset {name}_FILE."
        ) from error


def required(name: str, instruction: str) -> str:
    """The value of a variable without which nothing works; `instruction` says how to get one."""
    value = text(name)
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {instruction}")
    return value


def flag(name: str, default: bool) -> bool:
    """A switch: 1, true, yes, on or 0, false, no, off."""
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}. Set it to true or false.")


def whole(name: str, default: int, minimum: int = 0) -> int:
    """A whole number, at least `minimum`."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        number = minimum - 1
    if number < minimum:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to a whole number, {minimum} or more.")
    return number


def seconds(name: str, default: float) -> float:
    """A length of time in seconds, more than 0."""
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to a number of seconds above 0.")
    return number


def names(name: str, default: list[str] | None = None) -> list[str]:
    """A list written with commas."""
    return [item.strip() for item in text(name).split(",") if item.strip()] or list(default or [])


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine, by name (no look-up is made)."""
    return (urlsplit(url).hostname or "") in LOOPBACK_HOSTS


def web_address(name: str, default: str, *, https_unless_loopback: bool = False) -> str:
    """An http(s) URL without a trailing slash, query or fragment."""
    value = text(name, default).rstrip("/")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to an address such as {default}.")
    if https_unless_loopback and parts.scheme != "https" and not is_loopback(value):
        raise ImproperlyConfigured(
            f"{name} is {value!r}. Use https: plain http is accepted only for this machine (127.0.0.1)."
        )
    return value


def api_root(name: str, default: str) -> str:
    """Fivetran's API root: https, or http to loopback, without the `/v1` that the client adds."""
    value = web_address(name, default, https_unless_loopback=True)
    if urlsplit(value).path.endswith("/v1"):
        raise ImproperlyConfigured(f"{name} is {value!r}. Leave out /v1: the portal adds it.")
    return value


def proxy(name: str) -> str:
    """A proxy's address, or an empty text. It may hold a password, so an error does not repeat it."""
    value = text(name)
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if value and not usable:
        raise ImproperlyConfigured(
            f"{name} is no address of a proxy. Set it to one such as http://proxy.example.com:3128, or unset it to "
            "call Fivetran directly."
        )
    return value


def certificates(name: str) -> str:
    """The path of a file, or folder, of certificates that can be read, or an empty text."""
    value = text(name)
    if value and not os.access(value, os.R_OK):
        raise ImproperlyConfigured(
            f"{name} names a file that is not there or cannot be read: {value}. Correct the path, in a container also "
            "what is mounted there, or unset it to trust the usual authorities."
        )
    return value


def mail(name: str, default: str) -> dict[str, Any]:
    """Django's EMAIL_ settings for smtp://, smtp+tls:// or smtp+ssl://USER:PASSWORD@HOST:PORT, or consolemail://."""
    try:
        settings: dict[str, Any] = env.email_url_config(text(name, default))
    except (ImproperlyConfigured, ValueError) as error:
        raise ImproperlyConfigured(
            f"{name} is not usable. Set it to an address such as smtp+tls://USER:PASSWORD@HOST:587."
        ) from error
    return settings


def redis_urls(name: str, default: str, password_name: str) -> tuple[str, str]:
    """One Redis address in the two spellings its readers want, see `redis_spellings`.

    The password may stand in a variable of its own, which wins over one in the address.
    """
    try:
        return redis_spellings(text(name, default), text(password_name))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is not an address of Redis. Use redis://HOST:6379/0, rediss://HOST:6380/0 or unix:///PATH."
        ) from error


def redis_spellings(url: str, password: str = "") -> tuple[str, str]:
    """`url`, with `password` in it, for redis-py and Django's cache, and for Celery; raises ValueError.

    Accepts redis://, rediss:// and a socket as unix:///path?db=N or redis+socket:///path?virtual_host=N.
    Sources: redis-py `from_url`, kombu `transport/redis.py`.
    """
    parts = urlsplit(url)
    if parts.scheme in {"redis", "rediss"} and parts.hostname:
        if password:
            user = parts.username or ""
            server = parts.netloc.rpartition("@")[2]
            url = parts._replace(netloc=f"{user}:{quote(password, safe='')}@{server}").geturl()
        return url, url
    if parts.scheme in {"unix", "redis+socket"} and parts.path.startswith("/"):
        query = parse_qs(parts.query)
        number = (query.get("db") or query.get("virtual_host") or ["0"])[0]
        place = f"{_user_info(parts, query, password)}{parts.path}"
        return f"unix://{place}?db={number}", f"redis+socket://{place}?virtual_host={number}"
    raise ValueError(url)


def _user_info(parts: SplitResult, query: dict[str, list[str]], password: str) -> str:
    """`user:password@` of a socket's address, also from its query, where only redis-py looks for them."""
    if parts.netloc and not password:
        return parts.netloc
    user = parts.username or quote((query.get("username") or [""])[0], safe="")
    password = password or (query.get("password") or [""])[0]
    return f"{user}:{quote(password, safe='')}@" if password else ""


def fresh_pair(key_name: str, secret_name: str) -> Callable[[], tuple[str, str]]:
    """A function that reads both secrets anew at each call, so that a rotated file needs no restart."""

    def read() -> tuple[str, str]:
        pair = _read_now(key_name), _read_now(secret_name)
        if not all(pair):
            raise ImproperlyConfigured(
                f"{key_name} and {secret_name} are not set. Create a system key in Fivetran (Account Settings, API), "
                f"then set both, or {key_name}_FILE and {secret_name}_FILE to files that hold them. "
                "For a trial without an account: make run."
            )
        return pair

    return read


def _read_now(name: str) -> str:
    """A secret's present value, from its file when one is named."""
    path = env.ENVIRON.env.get(f"{name}_FILE")
    if not path:
        return str(env.ENVIRON.env.get(name, "")).strip()
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names a file that cannot be read: {path}. Correct the path."
        ) from error
