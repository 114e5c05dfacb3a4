"""The only writer of a state: one conditional UPDATE that makes only moves of the tables in `connections.states`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.db.transaction import atomic

from connections.models.one_row import update_one
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
        movable = rows.filter(_from(machine, target, actor, source))
        moved = movable.update(**{machine.column: target}, **columns)
        if moved and event:
            event()
    return moved


def move_one(
    model: type[M],
    where: Q,
    target: State,
    *,
    actor: Actor,
    source: State | None = None,
    insert: Sequence[Model] = (),
    also: Sequence[tuple[Model, Mapping[str, Any]]] = (),
    into: M | None = None,
    **columns: Any,
) -> M | None:
    """The same for the one row that fits `where`; see `update_one` for what comes with it and what is returned."""
    machine = _MACHINES[type(target)]
    movable = where & _from(machine, target, actor, source)
    return update_one(model, movable, columns={machine.column: target, **columns}, insert=insert, also=also, into=into)


def _from(machine: Machine[Any], target: State, actor: Actor, source: State | None) -> Q:
    if source is not None:
        machine.check(source, target, actor)
        return Q((machine.column, source))
    return Q((f"{machine.column}__in", machine.sources(target, actor)))
