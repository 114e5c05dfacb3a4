"""The only writer of a state: one conditional UPDATE that makes only moves of the tables in `connections.states`."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from django.db.models import QuerySet
from django.db.transaction import atomic

from connections.states import MACHINES, Actor, Machine, State

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
    if source is not None:
        machine.check(source, target, actor)
    before = {f"{machine.column}__in": [source] if source is not None else machine.sources(target, actor)}
    with atomic(savepoint=False) if event else nullcontext():
        moved = rows.filter(**before).update(**{machine.column: target}, **columns)
        if moved and event:
            event()
    return moved
