"""What `manage.py check --deploy` adds to Django's checks: settings that start well and fail people later."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from portal.check_connection import asked

_RIGHTS = """
    SELECT bool_or(pg_has_role(current_user, relowner, 'MEMBER')),
           bool_or(has_table_privilege(current_user, oid, 'TRUNCATE')),
           bool_or(has_table_privilege(current_user, oid, 'TRIGGER')),
           bool_or(
               relname IN ('connections_event', 'connections_eventseal')
               AND has_table_privilege(current_user, oid, 'UPDATE, DELETE')
           ),
           has_database_privilege(current_user, current_database(), 'TEMPORARY')
    FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
"""
_SHORT = 32  # characters; a shorter secret of a webhook is not a random one


@register(Tags.security, deploy=True)
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*check_credentials(), *check_addresses(), *check_mail_and_database(), *check_database_role()]


def check_credentials() -> Iterator[CheckMessage]:
    try:
        settings.FIVETRAN_CREDENTIALS()
    except ImproperlyConfigured as error:
        yield Error(str(error), id="connections.E001")
    if 0 < len(settings.FIVETRAN_WEBHOOK_SECRET) < _SHORT:
        yield Warning(
            "FIVETRAN_WEBHOOK_SECRET can be guessed: with it anybody makes the portal ask Fivetran on and on.",
            hint=f"Set it to a random text of {_SHORT} characters or more, and register the webhook anew.",
            id="connections.W005",
        )


def check_addresses() -> Iterator[CheckMessage]:
    if not settings.PUBLIC_URL.startswith("https://"):
        yield Warning(
            f"PUBLIC_URL is {settings.PUBLIC_URL}, so cookies and passwords travel in the clear.",
            hint="Put a proxy that ends TLS in front and set PUBLIC_URL to its https address.",
            id="connections.W001",
        )
    if settings.FIVETRAN_IS_LOCAL:
        yield Warning(
            f"FIVETRAN_BASE_URL is {settings.FIVETRAN_BASE_URL}, a stand-in on this machine.",
            hint="Unset it to use https://api.fivetran.com.",
            id="connections.W002",
        )


def check_mail_and_database() -> Iterator[CheckMessage]:
    # Both work on a laptop: the mails are on the screen, and the database needs no server.
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        yield Warning(
            "Mail is printed by the worker instead of sent.",
            hint="Set EMAIL_URL, for instance smtp+tls://user:password@mail.example.com:587.",
            id="connections.W003",
        )
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        yield Warning(
            "The database is an SQLite file, which one machine can use and nobody can fail over.",
            hint="Set DATABASE_URL to a PostgreSQL server.",
            id="connections.W004",
        )


def check_database_role() -> Iterator[CheckMessage]:
    """What the role of DATABASE_URL may do beyond reading and writing rows; nothing where no database answers."""
    if connection.vendor != "postgresql":
        return
    if found := asked(too_much):
        yield Warning(
            f"The database role of the portal may {', '.join(found)}, so that whoever gets hold of it can rewrite "
            "the history.",
            hint="Let one role own the tables and migrate, and another one run: docs/postgresql-roles.sql, and then "
            "docs/postgresql-record.sql.",
            id="connections.W006",
        )


def too_much(cursor: Any) -> list[str]:
    """What PostgreSQL lets the role of `cursor` do to the tables that a portal never does, in words."""
    cursor.execute(_RIGHTS)
    words = (
        "change and drop tables and switch off their triggers",
        "empty tables (TRUNCATE)",
        "add triggers",
        "change and delete rows of the record",
        "make temporary tables",
    )
    return [text for text, may in zip(words, cursor.fetchone(), strict=True) if may]
