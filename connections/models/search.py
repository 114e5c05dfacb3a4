"""Finding requests by words in `ConnectionRequest.search`."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connections as databases
from django.db.models import BigIntegerField, Subquery, Value
from django.db.models.expressions import RawSQL

from connections.models.request import ConnectionRequest, ConnectionRequestQuerySet

# PostgreSQL has a trigram index (pg_trgm) on that column, SQLite an FTS5 table with the `trigram` tokenizer, which
# triggers keep current. A trigram index has no order, and sorting all matches of a frequent word is slow: so the newest
# requests are searched first, and all of them only if that does not fill the page.
TABLE = "connections_connectionrequest"
FTS_TABLE = "connections_search"
NEWEST = 3_000  # rows that the first look goes through
SHORT_NEWEST = 20_000  # rows in which words too short for a trigram are looked for
TRIGRAM = 3
MAX_WORDS = 8


@dataclass(frozen=True)
class Stage:
    """One search. `complete`: it covers everything that is ever searched; `limited`: older rows never are."""

    rows: ConnectionRequestQuerySet
    complete: bool
    limited: bool = False


@dataclass(frozen=True)
class Edge:
    """Where a page begins: beyond the request `id`, towards older or newer ones; in another order than that of the ids
    also `sort`, and the `value` by which that request is sorted.
    """

    id: int
    newer: bool = False
    sort: str = ""
    value: str = ""


def words_of(text: str) -> list[str]:
    """The words of a query, in lower case as the column is, at most MAX_WORDS; a request must contain each."""
    return list(dict.fromkeys(text.lower().split()))[:MAX_WORDS]


def contain(rows: ConnectionRequestQuerySet, words: list[str]) -> ConnectionRequestQuerySet:
    for word in words:  # not `icontains`, which cannot use the index on PostgreSQL
        rows = rows.filter(search__contains=word)
    return rows


def stages(rows: ConnectionRequestQuerySet, words: list[str], edge: Edge | None) -> Iterator[Stage]:
    """The searches for `words` in turn, until a page is full or the stage is complete. `edge` only bounds the first
    one.
    """
    long = [word for word in words if len(word) >= TRIGRAM]
    short = [word for word in words if len(word) < TRIGRAM]
    if not words:
        yield Stage(rows, complete=True)
    elif not long:
        yield Stage(contain(_near(rows, edge, SHORT_NEWEST), short), complete=True, limited=True)
    else:
        rows = contain(rows, short)
        vendor = databases[rows.db].vendor
        first, every = (_sqlite_looks if vendor == "sqlite" else _postgresql_looks)(rows, long, edge)
        yield Stage(first, complete=False)
        yield Stage(every, complete=True)


def whole(rows: ConnectionRequestQuerySet, words: list[str]) -> Stage:
    """The search for `words` whose rows may stand in any order."""
    *_, last = stages(rows, words, None)
    return last


def _near(rows: ConnectionRequestQuerySet, edge: Edge | None, reach: int) -> ConnectionRequestQuerySet:
    """The rows whose id is within `reach` of the edge: a range of the primary key, whatever the filters."""
    if edge is None:
        newest = Subquery(ConnectionRequest.objects.order_by("-id").values("id")[:1], output_field=BigIntegerField())
        return rows.filter(id__gt=newest - Value(reach))
    if edge.newer:
        return rows.filter(id__lte=edge.id + reach)
    return rows.filter(id__gte=edge.id - reach)


def _postgresql_looks(
    rows: ConnectionRequestQuerySet, words: list[str], edge: Edge | None
) -> tuple[ConnectionRequestQuerySet, ConnectionRequestQuerySet]:
    # MATERIALIZED, because the planner takes a word for frequent, walks the primary key and filters the whole table.
    conditions = " AND ".join(["search LIKE %s"] * len(words))
    matches = RawSQL(  # noqa: S611  # the SQL is constant, the words are parameters
        f"WITH m AS MATERIALIZED (SELECT id FROM {TABLE} WHERE {conditions}) SELECT id FROM m",  # noqa: S608
        [f"%{_like(word)}%" for word in words],
    )
    return contain(_near(rows, edge, NEWEST), words), rows.filter(id__in=matches)


def _like(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _sqlite_looks(
    rows: ConnectionRequestQuerySet, words: list[str], edge: Edge | None
) -> tuple[ConnectionRequestQuerySet, ConnectionRequestQuerySet]:
    # FTS5 returns matches in the order of rowid at no price, so the first look is the newest matches themselves.
    match = " AND ".join('"{}"'.format(word.replace('"', '""')) for word in words)
    every = f"SELECT rowid FROM {FTS_TABLE} WHERE {FTS_TABLE} MATCH %s"  # noqa: S608  # constant names
    order = "ASC" if edge is not None and edge.newer else "DESC"
    bound = "" if edge is None else f"AND rowid {'>' if edge.newer else '<'} %s"
    parameters = [match] if edge is None else [match, edge.id]
    newest = RawSQL(f"{every} {bound} ORDER BY rowid {order} LIMIT {NEWEST}", parameters)  # noqa: S611
    return rows.filter(id__in=newest), rows.filter(id__in=RawSQL(every, [match]))  # noqa: S611
