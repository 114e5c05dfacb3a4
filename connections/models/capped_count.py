"""Counts that end early: COUNT alone reads every row."""

from collections.abc import Callable
from copy import copy
from typing import Any

from django.contrib.auth.models import User
from django.db import connections as databases
from django.db.models import IntegerField, QuerySet, Subquery

_SOMEBODY = -(2**31) + 1  # an id that no account has


class CappedCount(Subquery):
    """How many `rows` there are, as a part of another query; `most` + 1 means that there are more."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"

    def __init__(self, rows: QuerySet[Any, Any], most: int) -> None:
        ids = rows if rows.query.combinator else rows.order_by().values("pk")  # a union is one of ids already
        super().__init__(ids[: most + 1], output_field=IntegerField())


class CountsForReader:
    """The sizes of several lists of one reader, in one query.

    Django takes ten times as long to build that statement as the database to answer it. So it is built once for each
    set of rights, which is all that it depends on besides the reader's id.
    """

    def __init__(self, lists: Callable[[User], list[QuerySet[Any, Any]]], most: int) -> None:
        self.lists, self.most = lists, most
        self.statements: dict[tuple[str, ...], tuple[str, tuple[Any, ...]]] = {}

    def of(self, reader: User, rights: tuple[bool, ...]) -> list[int]:
        database = databases[User.objects.db]
        key = (database.vendor, *map(str, rights))
        if key not in self.statements:
            somebody = copy(reader)
            somebody.pk = _SOMEBODY
            counted = [CappedCount(rows, self.most) for rows in self.lists(somebody)]
            query = User.objects.filter(pk=_SOMEBODY).values_list(*counted).query
            self.statements[key] = query.sql_with_params()
        sql, parameters = self.statements[key]
        with database.cursor() as cursor:
            cursor.execute(sql, [reader.pk if one == _SOMEBODY else one for one in parameters])
            return [count or 0 for count in cursor.fetchone()]  # NULL for a list that can only be empty


def in_words(count: int, most: int) -> str:
    return f"{most:,}+" if count > most else f"{count:,}"
