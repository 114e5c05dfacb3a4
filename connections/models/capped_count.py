"""Counts that end early: COUNT alone reads every row."""

from collections.abc import Callable, Hashable
from contextlib import suppress
from copy import copy
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import EmptyResultSet
from django.db import connections as databases
from django.db.models import BigIntegerField, Func, QuerySet, Subquery

_KEPT = 500  # statements
_SOMEBODY = -(2**31) + 1  # an id that no account has


class Together(Func):
    """The ids of all `parts`, which may overlap, as a part of another query."""

    template = "(%(ids)s)"
    limit = ""
    empty_result_set_value = None

    def __init__(self, *parts: QuerySet[Any, Any]) -> None:
        super().__init__(*(Subquery(rows) for rows in parts), output_field=BigIntegerField())

    def as_sql(self, compiler: Any, connection: Any, *_args: Any, **_more: Any) -> tuple[str, tuple[Any, ...]]:
        texts: list[str] = []
        params: list[Any] = []
        for part in self.get_source_expressions():
            with suppress(EmptyResultSet):  # which Django knows before it asks
                text, values = compiler.compile(part)
                texts.append(text)
                params += values
        if not texts:
            raise EmptyResultSet
        # SQLite takes a LIMIT in a union only within a query around it.
        several = " UNION ".join(map("SELECT * FROM {} part".format, texts)) + self.limit
        return self.template % {"ids": several if len(texts) > 1 else texts[0][1:-1]}, tuple(params)


class CappedCount(Together):
    """How many rows there are in all `parts`, as a part of another query; `most` + 1 means that there are more."""

    template = "(SELECT COUNT(*) FROM (%(ids)s) counted)"

    def __init__(self, *parts: QuerySet[Any, Any], most: int) -> None:
        # A union is one of ids already.
        ids = (rows if rows.query.combinator else rows.order_by().values("pk") for rows in parts)
        super().__init__(*(rows[: most + 1] for rows in ids))
        self.limit = f" LIMIT {most + 1}"


class CountsForReader:
    """The sizes of several lists of one reader, each in parts, in one query.

    Django takes ten times as long to build that statement as the database to answer it. So it is built once for each
    `sight`, which is all that it depends on besides the reader's id.
    """

    def __init__(self, lists: Callable[[User], list[list[QuerySet[Any, Any]]]], most: int) -> None:
        self.lists, self.most = lists, most
        self.statements: dict[tuple[str, Hashable], tuple[str, tuple[Any, ...]]] = {}

    def of(self, reader: User, sight: Hashable) -> list[int]:
        database = databases[User.objects.db]
        key = (database.vendor, sight)
        if key not in self.statements:
            if len(self.statements) >= _KEPT:
                self.statements.clear()
            somebody = copy(reader)
            somebody.pk = _SOMEBODY
            counted = [CappedCount(*parts, most=self.most) for parts in self.lists(somebody)]
            query = User.objects.filter(pk=_SOMEBODY).values_list(*counted).query
            self.statements[key] = query.sql_with_params()
        sql, parameters = self.statements[key]
        with database.cursor() as cursor:
            cursor.execute(sql, [reader.pk if one == _SOMEBODY else one for one in parameters])
            return [count or 0 for count in cursor.fetchone()]  # NULL for a list that can only be empty


def in_words(count: int, most: int) -> str:
    return f"{most:,}+" if count > most else f"{count:,}"
