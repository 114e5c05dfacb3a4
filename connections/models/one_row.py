"""Statements about one row. Django compiles a statement anew each time, which costs more than all else that a worker
does: here each shape is compiled once, and only its values differ.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, F, Q
from django.db.models.expressions import DatabaseDefault
from django.db.models.sql import UpdateQuery

M = TypeVar("M", bound=models.Model)
SHAPES = 512  # that are kept; a process has some fifty
_COMPARED = {"", "exact", "lt", "lte", "gt", "gte"}
_VALUE = object()  # in a shape: here comes a value


def read_one(model: type[M], where: Q) -> M | None:
    """The one row that fits `where`, or None."""
    values: list[Any] = []
    using = router.db_for_read(model)
    statement = _select(using, model, _condition(where, values))
    found = _run(using, statement, values)
    return None if found is None else _made(using, model, statement, found)


def update_one(
    model: type[M],
    where: Q,
    *,
    columns: Mapping[str, Any],
    insert: Sequence[models.Model] = (),
    into: M | None = None,
) -> M | None:
    """Update the one row that fits `where`, and insert `insert` with it, in one statement where the database can.
    Returns the row as written, or None, with nothing inserted, where there is no such row. `into` gets what was
    written, and is returned.

    In a row to insert `F("column")` is the updated row's. Constant expressions cost least: a new one is compared with
    those before. Raises IntegrityError.
    """
    values: list[Any] = []
    using = router.db_for_write(model)
    condition, places = _condition(where, values), _places(columns.items(), values)
    inserts = tuple((type(row), _places(_stored(row), values)) for row in insert)
    statement = _update(using, model, condition, places, inserts, into is not None)
    if statement is None:  # a condition that no row can meet
        return None
    apart = transaction.atomic(using, savepoint=False) if statement.after else nullcontext()
    with transaction.mark_for_rollback_on_error(using), apart:
        found = _run(using, statement, values)
        if found is None:
            return None
        updated = into or _made(using, model, statement, found)
        keys = found[len(statement.fields) :]
        for following in statement.after:
            keys += _run(using, following, [*values, updated.pk]) or []
    if into is not None:
        for field, value in zip(statement.fields, found, strict=False):
            setattr(into, field.attname, value)
    for row, key in zip(insert, keys, strict=True):
        row.pk, row._state.adding, row._state.db = key, False, using
        # What the database made of an expression is read when it is asked for.
        for name in [name for name, value in row.__dict__.items() if hasattr(value, "resolve_expression")]:
            del row.__dict__[name]
    return updated


# --- the shape of a statement, which can be a key, and its values ----------------------------------------------------
Places = tuple[tuple[str, Any], ...]  # names, each with an expression or _VALUE


class _Condition(NamedTuple):
    connector: str
    negated: bool
    children: tuple[Any, ...]


def _condition(where: Q, values: list[Any]) -> _Condition:
    return _Condition(where.connector, where.negated, tuple(_child(child, values) for child in where.children))


def _child(child: Any, values: list[Any]) -> Any:
    if isinstance(child, Q):
        return _condition(child, values)
    if not isinstance(child, tuple):  # an expression
        return child
    name, value = child
    if isinstance(value, (list, set, frozenset)):
        return name, tuple(value)
    if value is None or hasattr(value, "resolve_expression") or name.partition("__")[2] not in _COMPARED:
        return child
    values.append(value)
    return name, _VALUE


def _places(items: Iterable[tuple[str, Any]], values: list[Any]) -> Places:
    found = []
    for name, value in items:
        if not hasattr(value, "resolve_expression"):
            values.append(value)
            value = _VALUE  # noqa: PLW2901
        found.append((name, value))
    return tuple(found)


def _stored(row: models.Model) -> Iterator[tuple[str, Any]]:
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if isinstance(value, DatabaseDefault):
            [value] = value.get_source_expressions()  # as a statement of the ORM writes it
        if not (field.primary_key and value is None):
            yield field.attname, value


# --- statements ------------------------------------------------------------------------------------------------------
class _Place(Expression):
    """Where a compiled statement takes a value."""

    def __init__(self, at: int, field: Any) -> None:
        super().__init__(output_field=field)
        self.at = at

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        return "%s", [self]

    def prepared(self, values: Sequence[Any], database: BaseDatabaseWrapper) -> Any:
        field, value = self.output_field, values[self.at]
        if isinstance(value, models.Model):
            value = value.prepare_database_save(field)
        return field.get_db_prep_save(value, database)


class _Statement(NamedTuple):
    sql: str
    params: Sequence[Any]  # some of them a _Place
    fields: Sequence[Any] = ()  # of the columns that come back first
    after: Sequence[Any] = ()  # statements that insert what belongs to it, where the database cannot do all in one


def _run(using: str, statement: _Statement, values: Sequence[Any]) -> list[Any] | None:
    """The row that comes back, with Python's values."""
    database = connections[using]
    params = [one.prepared(values, database) if type(one) is _Place else one for one in statement.params]
    with database.cursor() as cursor:
        cursor.execute(statement.sql, params)
        row = cursor.fetchone()
    if row is None:
        return None
    found = list(row)
    for at, field in enumerate(statement.fields):
        column = field.cached_col
        for convert in (*database.ops.get_db_converters(column), *field.get_db_converters(database)):
            found[at] = convert(found[at], column, database)
    return found


def _made(using: str, model: type[M], statement: _Statement, found: list[Any]) -> M:
    return model.from_db(using, [field.attname for field in statement.fields], found[: len(statement.fields)])


@lru_cache(maxsize=SHAPES)
def _select(using: str, model: type[models.Model], where: _Condition) -> _Statement:
    rows = model._default_manager.using(using).filter(_q(model, where, count())).order_by()
    sql, params = rows.query.get_compiler(using).as_sql()
    return _Statement(sql, params, model._meta.concrete_fields)


@lru_cache(maxsize=SHAPES)
def _update(
    using: str,
    model: type[models.Model],
    where: _Condition,
    columns: Places,
    inserts: tuple[tuple[type[models.Model], Places], ...],
    brief: bool,  # only what was written comes back
) -> _Statement | None:
    database, places = connections[using], count()
    quote = database.ops.quote_name
    query: Any = model._default_manager.using(using).filter(_q(model, where, places)).order_by().query
    query = query.chain(UpdateQuery)
    query.add_update_values(dict(_filled(model, columns, places)))
    try:
        sql, params = query.get_compiler(using).as_sql()
    except EmptyResultSet:
        return None
    written = {_field(model, name) for name, _value in columns}
    fields = [field for field in model._meta.concrete_fields if not brief or field in written]
    sql = f"{sql} RETURNING {', '.join(quote(str(field.column)) for field in fields)}"
    parts = [_insert(into, tuple(_filled(into, row, places)), query.get_compiler(using)) for into, row in inserts]
    if parts and database.vendor == "postgresql":
        texts = ", ".join(f"inserted_{at} AS ({text} FROM updated {key})" for at, (text, _, key) in enumerate(parts))
        keys = ", ".join(f"(SELECT * FROM inserted_{at})" for at in range(len(parts)))  # noqa: S608
        sql = f"WITH updated AS ({sql}), {texts} SELECT updated.*, {keys} FROM updated"  # noqa: S608  # names of models
        return _Statement(sql, [*params, *(param for _text, more, _key in parts for param in more)], fields)
    # SQLite takes no UPDATE inside WITH.
    table, pk = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    updated, at = f"FROM {table} AS updated WHERE updated.{pk} = %s", _Place(next(places), model._meta.pk)  # noqa: S608
    after = [_Statement(f"{text} {updated} {key}", [*more, at]) for text, more, key in parts]
    return _Statement(sql, params, fields, after)


def _insert(model: type[models.Model], row: Places, compiler: Any) -> tuple[str, list[Any], str]:
    """The INSERT up to its FROM, its parameters, and what it returns: the key."""
    quote = compiler.connection.ops.quote_name
    values: list[str] = []
    params: list[Any] = []
    for _name, value in row:
        sql, more = (f"updated.{quote(value.name)}", ()) if isinstance(value, F) else compiler.compile(value)  # type: ignore[attr-defined]  # F has it
        values.append(sql)
        params += more
    names = ", ".join(quote(str(_field(model, name).column)) for name, _value in row)
    text = f"INSERT INTO {quote(model._meta.db_table)} ({names}) SELECT {', '.join(values)}"
    return text, params, f"RETURNING {quote(str(model._meta.pk.column))}"


def _q(model: type[models.Model], condition: _Condition, places: Iterator[int]) -> Q:
    children = []
    for child in condition.children:
        if isinstance(child, _Condition):
            child = _q(model, child, places)  # noqa: PLW2901
        elif isinstance(child, tuple) and child[1] is _VALUE:
            child = child[0], _Place(next(places), _field(model, child[0].partition("__")[0]))  # noqa: PLW2901
        children.append(child)
    return Q(*children, _connector=condition.connector, _negated=condition.negated)


def _filled(model: type[models.Model], columns: Places, places: Iterator[int]) -> Iterator[tuple[str, Any]]:
    for name, value in columns:
        yield name, _Place(next(places), _field(model, name)) if value is _VALUE else value


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)
