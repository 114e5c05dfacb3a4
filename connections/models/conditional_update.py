"""One conditional UPDATE with the rows that belong to it, in one statement where the database can."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, QuerySet
from django.db.models.expressions import DatabaseDefault
from django.db.models.sql import UpdateQuery

M = TypeVar("M", bound=models.Model)


def update_one(
    rows: QuerySet[M], *, columns: Mapping[str, Any], insert: Sequence[models.Model] = (), read: Collection[str] = ()
) -> M | None:
    """Update the one row of `rows` and insert `insert` with it; returns the row with the fields `read` as written (all
    where none is named), or None, with nothing inserted, where there is no such row.

    In a row to insert `F("column")` is the updated row's. Raises IntegrityError.
    """
    using = rows.db
    database = connections[using]
    query: Any = rows.order_by().query.chain(UpdateQuery)
    query.add_update_values(columns)
    try:
        update, params = query.get_compiler(using).as_sql()
    except EmptyResultSet:  # a condition that no row can meet
        return None
    update = f"{update} RETURNING {_names(rows.model, read, database)}"
    with transaction.mark_for_rollback_on_error(using):
        # SQLite takes no UPDATE inside WITH.
        if insert and database.vendor != "postgresql":
            with transaction.atomic(using, savepoint=False):
                row = next(iter(rows.model._default_manager.using(using).raw(update, params)), None)
                return row and _insert_after(row, insert)
        inserts = [_insert(instance, query.get_compiler(using)) for instance in insert]
        sql = update
        if insert:
            parts = [f"inserted_{at} AS ({text})" for at, (text, _values) in enumerate(inserts)]
            keys = [f"(SELECT * FROM inserted_{at}) AS inserted_{at}" for at in range(len(inserts))]  # noqa: S608
            sql = f"WITH updated AS ({update}), {', '.join(parts)} SELECT updated.*, {', '.join(keys)} FROM updated"  # noqa: S608
            params = (*params, *(value for _text, values in inserts for value in values))
        row = next(iter(rows.model._default_manager.using(using).raw(sql, params)), None)
    if row is not None:
        for at, instance in enumerate(insert):
            instance.pk, instance._state.adding, instance._state.db = row.__dict__.pop(f"inserted_{at}"), False, using
            # What the database made of an expression is read when it is asked for.
            for name in [name for name, value in instance.__dict__.items() if hasattr(value, "resolve_expression")]:
                del instance.__dict__[name]
    return row


def _names(model: type[models.Model], read: Collection[str], database: BaseDatabaseWrapper) -> str:
    fields = model._meta.concrete_fields
    wanted = [field for field in fields if not read or field.primary_key or field.name in read or field.attname in read]
    return ", ".join(database.ops.quote_name(str(field.column)) for field in wanted)


def _insert_after(row: M, insert: Sequence[models.Model]) -> M:
    for instance in insert:
        for name, value in list(instance.__dict__.items()):
            if isinstance(value, F):
                setattr(instance, name, getattr(row, value.name))  # type: ignore[attr-defined]  # F has it
        instance.save(force_insert=True)
    return row


def _insert(instance: models.Model, compiler: Any) -> tuple[str, list[Any]]:
    """The INSERT with the values from `updated`, and its parameters."""
    quote = compiler.connection.ops.quote_name
    names: list[str] = []
    values: list[str] = []
    params: list[Any] = []
    for field in instance._meta.concrete_fields:
        value = getattr(instance, field.attname)
        if field.primary_key and value is None:
            continue
        if isinstance(value, DatabaseDefault):
            value = value.get_source_expressions()[0]  # as a statement of the ORM writes it
        names.append(quote(str(field.column)))
        if isinstance(value, F):
            values.append(f"updated.{quote(value.name)}")  # type: ignore[attr-defined]  # F has it
        elif hasattr(value, "resolve_expression"):
            sql, of_expression = compiler.compile(value)
            values.append(sql)
            params.extend(of_expression)
        else:
            values.append("%s")
            params.append(field.get_db_prep_save(value, compiler.connection))
    table, key = quote(instance._meta.db_table), quote(str(instance._meta.pk.column))
    sql = f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM updated RETURNING {key}"  # noqa: S608  # names of the models
    return sql, params
