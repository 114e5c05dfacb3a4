"""Connections to PostgreSQL with limits of time, which a pooler in between does not take away."""

from typing import Any, Self

import psycopg
from django.conf import settings


class LimitedConnection(psycopg.Connection[Any]):
    """A connection with the limits of settings.DATABASE_LIMITS.

    Set by a statement and not by the startup parameter `options`, which PgBouncer refuses, or drops with every limit.
    """

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """A fresh connection, once the server took the limits."""
        connection = super().connect(conninfo, **options)
        limits = dict(settings.DATABASE_LIMITS)
        # What the operator set in DATABASE_URL's `options` stands.
        limits = {name: value for name, value in limits.items() if name not in str(options.get("options", ""))}
        if limits:
            calls = ", ".join("set_config(%s, %s, false)" for _ in limits)
            try:
                connection.execute(f"SELECT {calls}", [part for limit in limits.items() for part in limit])
                if not connection.autocommit:
                    connection.commit()
            except BaseException:
                connection.close()
                raise
        return connection
