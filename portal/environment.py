"""Reading the environment; all readers raise ImproperlyConfigured, which says what to do. A variable `NAME_FILE` that
names a file wins over `NAME` (the way of Docker secrets).
"""

import json
import os
import re
from collections.abc import Callable
from email.utils import parseaddr
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from portal import database
from portal.host_names import ascii_host, own_host

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
    value = text(name)
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {instruction}")
    return value


def flag(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}. Set it to true or false.")


def whole(name: str, default: int, minimum: int = 0) -> int:
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
    return [item.strip() for item in text(name).split(",") if item.strip()] or list(default or [])


def hosts(name: str) -> list[str]:
    """A list of host names written with commas, international ones in their ASCII form."""
    return [own_host(name, item) for item in names(name)]


def allowed_hosts(name: str) -> list[str]:
    """As Django's ALLOWED_HOSTS: also * for every name, and .example.com for a name with all below it."""
    found = []
    for item in names(name):
        point = "." if item.startswith(".") else ""
        host = item if item == "*" else own_host(name, item.removeprefix("."))
        found.append(f"[{host}]" if ":" in host else f"{point}{host}")
    return found


def origins(name: str, default: list[str]) -> list[str]:
    """A list of addresses without paths, each as browsers write an origin."""
    return [site(name, item) for item in names(name, default)]


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine, by name, without a DNS query."""
    return (urlsplit(url).hostname or "") in LOOPBACK_HOSTS


def choice(name: str, default: str, known: tuple[str, ...]) -> str:
    value = text(name, default).upper()
    if value not in known:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to one of: {', '.join(known)}.")
    return value


def web_address(name: str, value: str, example: str, *, https_unless_loopback: bool = False) -> str:
    """`value` as an http(s) URL without a trailing slash, query or fragment."""
    value = value.rstrip("/")
    parts = web_parts(value)
    if parts is None or parts.query or parts.fragment or parts.username:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to an address such as {example}.")
    if https_unless_loopback and parts.scheme != "https" and not is_loopback(value):
        raise ImproperlyConfigured(
            f"{name} is {value!r}. Use https: plain http is accepted only for this machine (127.0.0.1)."
        )
    # As a browser's Origin has it: without the scheme's own port.
    host = ascii_host(name, str(parts.hostname))
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, {"http": 80, "https": 443}[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def web_parts(value: str) -> SplitResult | None:
    """None where `value` is no http(s) URL."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def public_url(name: str, default: str) -> str:
    return site(name, text(name, default), default)


def site(name: str, value: str, example: str = "https://portal.example.com") -> str:
    """The root of a host, in one of the names under which the portal can answer."""
    found = urlsplit(web_address(name, value, example))
    if found.path:
        raise ImproperlyConfigured(
            f"{name} is {value!r}. Leave the path out: the portal answers at the root of a host, and pages are trusted "
            "by their host."
        )
    host = str(found.hostname)
    known = own_host(name, host)
    return found.geturl() if known == host else f"{found.scheme}://{found.netloc.replace(host, known, 1)}"


def api_root(name: str, default: str) -> str:
    """Fivetran's API root: https, or http to loopback, without the `/v1` that the client adds."""
    value = web_address(name, text(name, default), default, https_unless_loopback=True)
    if urlsplit(value).path.endswith("/v1"):
        raise ImproperlyConfigured(f"{name} is {value!r}. Leave out /v1: the portal adds it.")
    return value


def proxy(name: str) -> str:
    value = text(name)
    if value and not web_parts(value):  # the address may hold a password, so the error does not repeat it
        raise ImproperlyConfigured(
            f"{name} is no address of a proxy. Set it to one such as http://proxy.example.com:3128, or unset it to "
            "go without one."
        )
    return value


def certificates(name: str) -> str:
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
    # An option would be left out in silence: with ?tls=true the password would go over the net in plain text.
    if options := settings.get("OPTIONS"):
        raise ImproperlyConfigured(
            f"{name} has the option {min(options).lower()!r}, which the portal cannot honour. Leave it out: "
            "smtp+tls:// and smtp+ssl:// say how mails are encrypted."
        )
    writes_files = settings["EMAIL_BACKEND"].endswith("filebased.EmailBackend")
    if settings["EMAIL_FILE_PATH"] and (settings["EMAIL_HOST"] or not writes_files):
        raise ImproperlyConfigured(
            f"{name} has a path where none can be. A folder for mails is filemail:////FOLDER, with four slashes."
        )
    return settings


def sender(name: str, default: str) -> str:
    """An address of mail, with or without a name before it."""
    # An IPv6 address is no domain of mail.
    value = text(name, "portal@localhost" if default.count(":") > 1 else default)
    address = parseaddr(value)[1]
    person, _, domain = address.rpartition("@")
    if not person or re.search(r"\s", address) or not value.isprintable():
        raise ImproperlyConfigured(
            f"{name} is {value!r}. Set it to an address such as portal@example.com or "
            '"Connection portal" <portal@example.com>.'
        )
    return value.replace(address, f"{person}@{own_host(name, domain)}")


def database_url(name: str, default: str, password_name: str) -> dict[str, Any]:
    """Django's settings of one database; the password may be in a variable of its own, which wins."""
    url = text(name, default)
    try:
        parsed: dict[str, Any] = env.db_url_config(database.split(url)[0])
        return database.settings(url, parsed, text(password_name))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is not usable. Set it to postgresql://USER:PASSWORD@HOST:5432/NAME, "
            "or unset it for an SQLite file."
        ) from error


def redis_urls(name: str, default: str, password_name: str) -> tuple[str, str]:
    """`redis_spellings` of the variable; the password may be in a variable of its own, which wins."""
    url = text(name, default)
    try:
        unknown = set(parse_qs(urlsplit(url).query, keep_blank_values=True)) - _REDIS_OPTIONS
        if not unknown:
            return redis_spellings(url, text(password_name))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is not an address of Redis. Use redis://HOST:6379/0, rediss://HOST:6380/0 or unix:///PATH."
        ) from error
    raise ImproperlyConfigured(
        f"{name} has the option {min(unknown)!r}, which the portal cannot honour. Leave it out: time-outs and the "
        "check of certificates are the portal's own, and user, password and number have their places in the address."
    )


_REDIS_OPTIONS = {"db", "virtual_host", "username", "password"}


def redis_spellings(url: str, password: str = "") -> tuple[str, str]:
    """`url`, with `password` in it, for redis-py and Django's cache, and for Celery; raises ValueError.

    Accepts redis://, rediss:// and a socket as unix:///path?db=N or redis+socket:///path?virtual_host=N. Sources:
    redis-py `from_url`, kombu `transport/redis.py`.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    chosen = (query.get("db") or query.get("virtual_host") or [""])[0]
    if parts.fragment or not (chosen or "0").isdecimal():
        raise ValueError(url)
    if parts.scheme in {"redis", "rediss"} and parts.hostname and parts.port != 0:
        number = chosen or parts.path.strip("/")
        if not (number or "0").isdecimal():
            raise ValueError(url)
        server = parts.netloc.rpartition("@")[2]
        place = f"{parts.scheme}://{_user_info(parts, query, password)}{server}"
        url = f"{place}/{number}" if number or parts.path else place
        return url, url
    if parts.scheme in {"unix", "redis+socket"} and parts.path.startswith("/"):
        place = f"{_user_info(parts, query, password)}{parts.path}"
        return f"unix://{place}?db={chosen or 0}", f"redis+socket://{place}?virtual_host={chosen or 0}"
    raise ValueError(url)


def _user_info(parts: SplitResult, query: dict[str, list[str]], password: str) -> str:
    # Only redis-py takes them as options; kombu knows none of those, so they move into the address.
    user = parts.username or quote((query.get("username") or [""])[0], safe="")
    password = quote(password or (query.get("password") or [""])[0], safe="") or parts.password or ""
    if not password:
        return f"{user}@" if user else ""
    return f"{user}:{password}@"


def fresh_pair(key_name: str, secret_name: str) -> Callable[[], tuple[str, str]]:
    """A function that reads both secrets anew at each call, so that a rotated file needs no restart."""

    def read() -> tuple[str, str]:
        pair = read_now(key_name), read_now(secret_name)
        if not all(pair):
            raise ImproperlyConfigured(
                f"{key_name} and {secret_name} are not set. Create a system key in Fivetran (Account Settings, API), "
                f"then set both, or {key_name}_FILE and {secret_name}_FILE to files that hold them. "
                "For a trial without an account: make run."
            )
        return pair

    return read


def read_now(name: str) -> str:
    path = env.ENVIRON.env.get(f"{name}_FILE")
    if not path:
        return str(env.ENVIRON.env.get(name, "")).strip()
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names a file that cannot be read: {path}. Correct the path."
        ) from error


def issuer(name: str) -> str:
    """The issuer of OpenID Connect as it names itself, to the last character; https, or http to this machine."""
    value = text(name)
    if value:
        web_address(name, value, "https://login.example.com", https_unless_loopback=True)
    return value


def document_url(name: str) -> str:
    """Where a document lies that says whom to trust: https, or http to this machine; it may have a query."""
    value = text(name)
    parts = web_parts(value)
    if not value:
        return ""
    if parts is None or parts.username or (parts.scheme != "https" and not is_loopback(value)):
        raise ImproperlyConfigured(
            f"{name} is {value!r}. Set it to an address with https, such as https://login.example.com/metadata."
        )
    return value


def directory_url(name: str) -> str:
    """A directory's address: ldaps, or ldap, which then has to change to TLS (StartTLS) unless it is this machine."""
    value = text(name)
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"ldap", "ldaps"} and parts.hostname and parts.port != 0
        usable = usable and not (parts.path.strip("/") or parts.query)
    except ValueError:
        usable = False
    if value and not usable:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to an address such as ldaps://ldap.example.com.")
    return value


def directory_filter(name: str, default: str, places: tuple[str, ...] = ()) -> str:
    """A filter of LDAP (RFC 4515); with `places`, of which one stands in it, for what is known of a person."""
    value = text(name, default)
    # Each part in its brackets becomes a NUL, which no variable holds; of a whole filter one is left.
    rest, part = value, _COMPARISON
    while part.search(rest):
        rest, part = part.sub("\0", rest), _COMBINATION
    unknown = set(re.findall(r"\{[^{}]*\}", value)) - set(places) if places else set()
    if rest == "\0" and not unknown and (not places or any(place in value for place in places)):
        return value
    needed = f", with {' or '.join(places)} in it" if places else ""
    raise ImproperlyConfigured(
        f"{name} is {value!r}. Set it to one whole filter of LDAP in brackets{needed}, such as {default}."
    )


_COMPARISON = re.compile(r"\([^()&|!=\\\0]+=(?:[^()\\\0]|\\[0-9a-fA-F]{2})*\)")
_COMBINATION = re.compile(r"\(\s*(?:[&|](?:\s*\0)+|!\s*\0)\s*\)")


def start_tls(name: str, *, directory: str) -> bool:
    """Whether a connection by ldap:// changes to TLS, before a password is sent."""
    wanted = flag(name, default=True)
    if directory.startswith("ldap:") and not wanted and not is_loopback(directory):
        raise ImproperlyConfigured(
            f"{name} is off, so that passwords would go over the net in plain text. Leave it on, or use ldaps://."
        )
    return wanted and directory.startswith("ldap:")


def reader_of(dn_name: str, password_name: str, *, directory: str) -> tuple[str, str]:
    """DN and password by which the portal reads in the directory; nothing without one."""
    if not directory:
        return "", ""
    instruction = "Make an account for the portal in your directory that may read people and groups, and nothing else."
    return required(dn_name, instruction), required(password_name, instruction)


def base_of(name: str, *, directory: str) -> str:
    if not directory:
        return ""
    return required(name, "Set it to the entry below which people are, such as ou=people,dc=example,dc=com.")


def with_packages(name: str, packages: tuple[str, ...], requirements: str) -> bool:
    """Whether the variable `name`, if any, is set; raises where a package that it needs is not installed."""
    if name and (absent := [package for package in packages if find_spec(package) is None]):
        raise ImproperlyConfigured(
            f"{name} is set, and the package {absent[0]!r} is not installed. Install what it needs: "
            f"pip install --require-hashes -r {requirements}, or unset {name}."
        )
    return bool(name)


def client_of(id_name: str, secret_name: str, *, needed: bool) -> tuple[str, str]:
    """Id and secret of the client that the provider knows the portal as; nothing without a provider."""
    if not needed:
        return "", ""
    instruction = "Register the portal at your provider as a web application, and copy what it shows."
    return required(id_name, instruction), required(secret_name, instruction)


def group_roles(name: str) -> dict[str, list[str]]:
    """JSON: a group of the directory -> groups of the portal."""
    value = text(name, "{}")
    try:
        found = json.loads(value)
        if all(isinstance(roles, list) and all(isinstance(role, str) for role in roles) for roles in found.values()):
            return dict(found)
    except (ValueError, AttributeError):
        pass
    raise ImproperlyConfigured(
        f'{name} is not usable. Set it to JSON such as {{"data-approvers": ["Approvers"]}}: a group of your directory, '
        "and the groups of the portal that its members are in."
    )
