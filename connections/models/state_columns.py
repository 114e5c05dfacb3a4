"""The only writer of a state: one conditional UPDATE that makes only moves of the tables in `connections.states`."""

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.db.transaction import atomic

from connections.models.conditional_update import update_one
from connections.states import MACHINES, Actor, Machine, State

M = TypeVar("M", bound=Model)
_MACHINES: dict[type[State], Machine[Any]] = {machine.states: machine for machine in MACHINES}


def move(
    rows: QuerySet[Any],
    target: State,
    *,
    actor: Actor,
    source: State | None = None,
    event: Callable[[], object] | None = None,
    **columns: Any,
) -> int:
    """Move to `target` those of `rows` that are in `source`, or without it in any state from which `actor` may move
    them; returns how many. `columns` are written too. `event` writes one, in the same transaction. Raises
    IllegalTransition.
    """
    machine = _MACHINES[type(target)]
    with atomic(savepoint=False) if event else nullcontext():
        moved = _movable(rows, machine, target, actor, source).update(**{machine.column: target}, **columns)
        if moved and event:
            event()
    return moved


def move_one(
    rows: QuerySet[M],
    target: State,
    *,
    actor: Actor,
    source: State | None = None,
    insert: Sequence[Model] = (),
    read: Collection[str] = (),
    **columns: Any,
) -> M | None:
    """The same for the one row of `rows`; see `update_one` for `insert`, `read` and what is returned."""
    machine = _MACHINES[type(target)]
    movable = _movable(rows, machine, target, actor, source)
    return update_one(movable, columns={machine.column: target, **columns}, insert=insert, read=read)


def _movable(
    rows: QuerySet[M], machine: Machine[Any], target: State, actor: Actor, source: State | None
) -> QuerySet[M]:
    if source is not None:
        machine.check(source, target, actor)
        return rows.filter(**{machine.column: source})
    return rows.filter(**{f"{machine.column}__in": machine.sources(target, actor)})
