"""Connections to PostgreSQL with time limits that a pooler in between does not take away."""

from typing import Any, Self

import psycopg
from django.conf import settings


class LimitedConnection(psycopg.Connection[Any]):
    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        connection = super().connect(conninfo, **options)
        limits = dict(settings.DATABASE_LIMITS)
        # What the operator set in DATABASE_URL's `options` stands.
        limits = {name: value for name, value in limits.items() if name not in str(options.get("options", ""))}
        if limits:
            # Not by the startup parameter `options`, which PgBouncer refuses, or drops together with every limit.
            calls = ", ".join("set_config(%s, %s, false)" for _ in limits)
            try:
                connection.execute(f"SELECT {calls}", [part for limit in limits.items() for part in limit])
                if not connection.autocommit:
                    connection.commit()
            except BaseException:
                connection.close()
                raise
        return connection
