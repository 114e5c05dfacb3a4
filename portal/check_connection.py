"""What a check of `manage.py check --deploy` asks the database."""

from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection


def asked(question: Callable[[Any], list[str]]) -> list[str]:
    """The answer to `question`, which gets a cursor; nothing where no database answers, or none was migrated."""
    alone = connection.copy()
    alone.settings_dict["OPTIONS"].pop("pool", None)  # its threads would outlive the command
    try:
        with alone.cursor() as cursor:
            return question(cursor)
    except DatabaseError:
        return []
    finally:
        alone.close()
