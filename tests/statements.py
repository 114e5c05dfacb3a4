"""What befalls the database in the middle of our work, by Django's instrumentation of this thread's connection."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.db import OperationalError, connection, transaction


@contextmanager
def before(
    pattern: str, act: Callable[[], object], *, times: int = 1, when: Callable[[], bool] = lambda: True
) -> Iterator[list[str]]:
    """Do `act` before each of the first `times` statements in which `pattern` is found, once `when` holds.

    Yields the statements that were found, the later ones and not those of `act` included.
    """
    found: list[str] = []
    acting = False

    def watch(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        nonlocal acting
        if not acting and re.search(pattern, sql) and when():
            found.append(sql)
            if len(found) <= times:
                acting = True
                try:
                    act()
                finally:
                    acting = False
        return execute(sql, *arguments)

    with connection.execute_wrapper(watch):
        yield found


def away() -> NoReturn:
    """What Django raises for a statement while the database is away."""
    raise OperationalError("the server closed the connection unexpectedly")


def lose_the_answer_to_commit() -> None:
    """The transaction that is open now is committed, and whoever commits it does not hear of that."""
    transaction.on_commit(away)
