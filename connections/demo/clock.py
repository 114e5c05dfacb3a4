"""The clock of the seed: the database's own, some time back, so that a verb writes a row as it would have weeks ago."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now
from django.db.models.signals import pre_save

from connections.models import Notice

# How Django spells the database's clock (`Now`) -> the same, {} seconds back.
_SPELLED = {
    "sqlite": ("'NOW')", "'NOW', '-{} seconds')"),
    "postgresql": ("STATEMENT_TIMESTAMP()", "(STATEMENT_TIMESTAMP() - INTERVAL '{} seconds')"),
}


class Clock:
    """`behind` is what separates it from the true clock."""

    def __init__(self) -> None:
        self.behind = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) - self.behind

    def set(self, moment: datetime) -> None:
        self.behind = max(timedelta(), datetime.now(UTC) - moment)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Django's wrapper of every statement (`connection.execute_wrapper`)."""
        now, earlier = _SPELLED[connection.vendor]
        seconds = f"{self.behind.total_seconds():.3f}"
        return execute(sql.replace(now, earlier.format(seconds)), params, many, context)


_present: ContextVar[Clock | None] = ContextVar("the seed's clock", default=None)


@contextmanager
def put_back() -> Iterator[Clock]:
    """The clock by which this thread's statements are written, until the block ends."""
    clock = Clock()
    before = _present.set(clock)
    pre_save.connect(_by_statement)
    try:
        with connection.execute_wrapper(clock):
            yield clock
    finally:
        pre_save.disconnect(_by_statement)
        _present.reset(before)


def is_put_back() -> bool:
    return _present.get() is not None


def now() -> datetime:
    clock = _present.get()
    return clock.now if clock else datetime.now(UTC)


def _by_statement(sender: type[models.Model], instance: models.Model, **_signal: Any) -> None:
    # PostgreSQL fills a column that the statement leaves to its default by the true clock.
    for field in sender._meta.concrete_fields:
        if isinstance(field, models.DateTimeField) and isinstance(getattr(instance, field.attname), DatabaseDefault):
            setattr(instance, field.attname, Now())


def date_notices() -> None:
    """Give the notices of this moment its time: they are inserted in bulk, without a signal."""
    Notice.objects.filter(created_at__gt=Now()).update(created_at=Now(), next_try_at=Now())
