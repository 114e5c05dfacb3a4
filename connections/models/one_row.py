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
from django.db.models.expressions import DatabaseDefault, RawSQL
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
    found = statement and _run(using, statement, values)
    return _made(using, model, statement, found) if statement and found else None


def update_one(
    model: type[M],
    where: Q,
    *,
    columns: Mapping[str, Any],
    insert: Sequence[models.Model] = (),
    also: Sequence[tuple[models.Model, Mapping[str, Any]]] = (),
    into: M | None = None,
) -> M | None:
    """Update the one row that fits `where`, and with it insert `insert` and write to the rows of `also` the columns
    beside them, in one statement where the database can. Returns the row as written, or None, with nothing written,
    where there is no such row. `into` gets what was written, and is returned.

    In a row to insert `F("column")` is the updated row's, and it may belong to one that is inserted before it. Constant
    expressions cost least: a new one is compared with those before. Raises IntegrityError.
    """
    values: list[Any] = []
    using = router.db_for_write(model)
    condition, places = _condition(where, values), _places(columns.items(), values)
    stored = [list(_stored(row, insert)) for row in insert]
    inserts = tuple((type(row), _places(items, values)) for row, items in zip(insert, stored, strict=True))
    if not all(row.pk for row, _written in also):
        raise ValueError("a row of `also` is not stored")
    others = tuple((type(row), _places({"pk": row.pk, **written}.items(), values)) for row, written in also)
    statement = _update(using, model, condition, places, inserts, others, into is not None)
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
            known = [updated.pk, *keys]
            keys += _run(using, following, [*values, *reversed(known)]) or []
    if into is not None:
        for field, value in zip(statement.fields, found, strict=False):
            setattr(into, field.attname, value)
    for row, written in also:
        for name, value in written.items():
            setattr(row, name, value)
    for row, items, key in zip(insert, stored, keys, strict=False):  # the others' keys are known
        row.pk, row._state.adding, row._state.db = key, False, using
        # What the database made of an expression is read when it is asked for.
        for name, value in items:
            if hasattr(value, "resolve_expression") and not isinstance(value, RawSQL):
                del row.__dict__[name]
    return updated


# --- the shape of a statement, which can be a key, and its values ----------------------------------------------------
Places = tuple[tuple[str, Any], ...]  # names, each with an expression, None or _VALUE
_Part = tuple[str, Sequence[Any]]  # a text and its parameters


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
        if value is not None and not hasattr(value, "resolve_expression"):
            values.append(value)
            value = _VALUE  # noqa: PLW2901
        found.append((name, value))
    return tuple(found)


# Many values of a new row are empty. In the text they cost nothing: psycopg keeps the texts with at most 50 values.
_EMPTY: dict[str, tuple[Any, RawSQL]] = {
    **dict.fromkeys(("CharField", "TextField"), ("", RawSQL("''", ()))),
    **dict.fromkeys(("PositiveIntegerField", "PositiveSmallIntegerField"), (0, RawSQL("0", ()))),
    "BooleanField": (False, RawSQL("false", ())),
}


class _KeyOf(F):
    """The key of an inserted row, by its place among them."""

    name: str


def _stored(row: models.Model, insert: Sequence[models.Model]) -> Iterator[tuple[str, Any]]:
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if value is None and (other := row._state.fields_cache.get(field.name)) is not None:
            value = _KeyOf(str(next(at for at, one in enumerate(insert) if one is other)))
        if isinstance(value, DatabaseDefault):
            [value] = value.get_source_expressions()  # as a statement of the ORM writes it
        elif (empty := _EMPTY.get(field.get_internal_type())) and value == empty[0]:
            value = empty[1]
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
def _select(using: str, model: type[models.Model], where: _Condition) -> _Statement | None:
    rows = model._default_manager.using(using).filter(_q(model, where, count())).order_by()
    try:
        sql, params = rows.query.get_compiler(using).as_sql()
    except EmptyResultSet:
        return None
    return _Statement(sql, params, model._meta.concrete_fields)


@lru_cache(maxsize=SHAPES)
def _update(
    using: str,
    model: type[models.Model],
    where: _Condition,
    columns: Places,
    inserts: tuple[tuple[type[models.Model], Places], ...],
    others: tuple[tuple[type[models.Model], Places], ...],
    brief: bool,  # only what was written comes back
) -> _Statement | None:
    database, places = connections[using], count()
    quote = database.ops.quote_name
    written = {_field(model, name) for name, _value in columns}
    fields = [field for field in model._meta.concrete_fields if not brief or field in written]
    try:
        sql, params = _updating(using, model, _q(model, where, places), _filled(model, columns, places))
    except EmptyResultSet:
        return None
    sql = f"{sql} RETURNING {', '.join(quote(str(field.column)) for field in fields)}"
    # SQLite takes no UPDATE inside WITH: there each part is a statement that finds the updated row by its key.
    together = database.vendor == "postgresql"
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    source = "FROM updated" if together else f"FROM {table} AS updated WHERE updated.{key} = %s"  # noqa: S608
    parts = [_inserting(using, into, tuple(_filled(into, row, places)), source, together) for into, row in inserts]
    parts += [_following(using, other, tuple(_filled(other, row, places)), source) for other, row in others]
    if not together:
        at = _Place(-1, model._meta.pk)
        return _Statement(sql, params, fields, [_Statement(text, [*more, at]) for text, more in parts])
    if parts:
        texts = ", ".join(f"part_{at} AS ({text})" for at, (text, _more) in enumerate(parts))
        keys = ", ".join(f"(SELECT * FROM part_{at})" for at in range(len(parts)))  # noqa: S608
        sql = f"WITH updated AS ({sql}), {texts} SELECT updated.*, {keys} FROM updated"  # noqa: S608  # names of models
    return _Statement(sql, [*params, *(param for _text, more in parts for param in more)], fields)


def _updating(
    using: str, model: type[models.Model], condition: Q, columns: Iterable[tuple[str, Any]]
) -> tuple[str, Sequence[Any]]:
    query: Any = model._default_manager.using(using).filter(condition).order_by().query.chain(UpdateQuery)
    query.add_update_values(dict(columns))
    text, params = query.get_compiler(using).as_sql()
    return text, params


def _following(using: str, model: type[models.Model], row: Sequence[tuple[str, Any]], source: str) -> _Part:
    """The UPDATE of another row, which returns its key."""
    [(_name, key), *columns] = row
    text, params = _updating(using, model, Q(pk=key), columns)
    return f"{text} AND EXISTS (SELECT * {source}) {_returning_key(using, model)}", params  # noqa: S608


def _inserting(
    using: str, model: type[models.Model], row: Sequence[tuple[str, Any]], source: str, together: bool
) -> _Part:
    """The INSERT with values from `updated` and the keys of earlier parts, which returns its key."""
    quote = connections[using].ops.quote_name
    compiler = UpdateQuery(model).get_compiler(using)
    values: list[str] = []
    params: list[Any] = []
    for name, value in row:
        more: Sequence[Any] = ()
        if isinstance(value, _KeyOf):
            at = int(value.name)
            field = _field(model, name)
            sql, more = (f"(SELECT * FROM part_{at})", ()) if together else ("%s", [_Place(-2 - at, field)])  # noqa: S608
        elif isinstance(value, F):
            sql = f"updated.{quote(value.name)}"  # type: ignore[attr-defined]  # F has it
        else:
            sql, more = ("NULL", ()) if value is None else compiler.compile(value)
        values.append(sql)
        params += more
    names = ", ".join(quote(str(_field(model, name).column)) for name, _value in row)
    text = f"INSERT INTO {quote(model._meta.db_table)} ({names}) SELECT {', '.join(values)} {source}"
    return f"{text} {_returning_key(using, model)}", params


def _returning_key(using: str, model: type[models.Model]) -> str:
    return f"RETURNING {connections[using].ops.quote_name(str(model._meta.pk.column))}"


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
