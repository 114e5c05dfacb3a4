"""DATABASE_URL as Django's settings: each of its options is used, or refused with a sentence."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

IDLE_TIMEOUT = 60  # seconds
# What libpq takes in the query beside its options, and Django as settings of their own.
_PLACES = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
_NUMBERS = ("port", "connect_timeout", "tcp_user_timeout", "keepalives")
# Those whose values are words, which libpq would look at only when a connection is made.
_WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "gssencmode": ("disable", "prefer", "require"),
    "channel_binding": ("disable", "prefer", "require"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
_NEITHER = {"client_encoding", "fallback_application_name", "replication"}  # Django sets the first; the last is no SQL
_DEFAULTS = {
    "connect_timeout": 5,
    # A server whose host is gone says nothing: TCP would let a thread wait for a quarter of an hour, or two.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": IDLE_TIMEOUT * 1000,  # ms
}
# Django's own pool, because the worker's pool is threads: without it each task opens a new session. psycopg doubles the
# pause between two tries to connect until `reconnect_timeout` is over, and begins anew with the next one who asks: so
# nobody waits longer than that for a server that is back.
_POOL = {"min_size": 1, "max_size": 20, "timeout": 5, "reconnect_timeout": 5}


def limits(statement_timeout: int, lock_timeout: int) -> dict[str, str]:
    """The limits of a connection; none where `statement_timeout` (seconds) is 0, as for migrations."""
    if not statement_timeout:
        return {}
    return {
        "statement_timeout": f"{statement_timeout}s",
        "lock_timeout": f"{lock_timeout}s",
        # The locks of a client whose host is gone: no transaction here waits for anything but the database.
        "idle_in_transaction_session_timeout": f"{IDLE_TIMEOUT}s",
    }


def settings(url: str, parsed: dict[str, Any], password: str) -> dict[str, Any]:
    """Django's settings for the database at `url`, which is `parsed` without its query; `password` wins over its own.

    Raises ImproperlyConfigured.
    """
    _address, query = split(url)
    match parsed.get("ENGINE"):
        case "django.db.backends.sqlite3":
            if query:
                raise ImproperlyConfigured(
                    f"DATABASE_URL has the option {query[0][0]!r}. SQLite takes none: leave it out."
                )
            # IMMEDIATE: a transaction that reads first and writes later cannot be refused half-way (SQLITE_BUSY).
            options: dict[str, Any] = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
            return {**parsed, "PASSWORD": password, "OPTIONS": options, "CONN_MAX_AGE": 0}
        case "django.db.backends.postgresql":
            from portal.postgresql import LimitedConnection  # here: with SQLite nothing of psycopg is loaded

            places, given = libpq_options(query)
            options = {
                **_DEFAULTS,
                **given,
                # The server takes values beside the text, which costs a worker less than writing them into it. Nothing
                # is prepared by name, which a pooler in between would forget.
                "server_side_binding": True,
                "pool": {**_POOL, "connection_class": LimitedConnection},
            }
            found = {**parsed, **socket_folder(url), **places, "OPTIONS": options}
            found["PASSWORD"] = password or found.get("PASSWORD", "")
            return {**found, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    raise ValueError(parsed.get("ENGINE"))


def split(url: str) -> tuple[str, list[tuple[str, str]]]:
    """The address, and the options after its question mark."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, []
    if not parts.path or not parts.query:  # a question mark in a password that is not quoted starts no query
        return url, []
    return url.partition("?")[0], parse_qsl(parts.query, keep_blank_values=True)


def libpq_options(query: list[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()} - _NEITHER
    places, options = {}, {}
    for name, value in query:
        if name not in known:
            raise ImproperlyConfigured(
                f"DATABASE_URL has the option {name!r}, which the portal cannot honour. Leave it out: options are "
                "those of libpq, such as sslmode; the pool and its checks are the portal's own."
            )
        if name.startswith(_NUMBERS) and not value.isdecimal():
            raise ImproperlyConfigured(f"DATABASE_URL has {name}={value!r}. Set it to a whole number.")
        if name in _WORDS and value not in _WORDS[name]:
            raise ImproperlyConfigured(
                f"DATABASE_URL has {name}={value!r}. Set it to one of: {', '.join(_WORDS[name])}."
            )
        if name in options:
            raise ImproperlyConfigured(f"DATABASE_URL has the option {name!r} more than once. Leave one.")
        if name in _PLACES:
            places[_PLACES[name]] = value
        else:
            options[name] = value
    return places, options


def socket_folder(url: str) -> dict[str, str]:
    # The folder of a socket is quoted, as in postgresql://me@%2Fvar%2Frun/name.
    server = urlsplit(url).netloc.rpartition("@")[2]
    if not server.lower().startswith("%2f"):
        return {}
    folder, _, port = server.partition(":")
    return {"HOST": unquote(folder), "PORT": port}
