"""How a row is held by one worker at a time: a token with a lease, taken by one conditional UPDATE."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from django.db.models import F, Model, Q
from django.db.models.functions import Now

from connections.fivetran.client import boottime
from connections.fivetran.errors import FivetranError
from connections.models import move_one
from connections.queue import retry
from connections.states import Actor, State

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Columns:
    """In which columns of its row a kind of work keeps its place in the queue."""

    next_try_at: str = "next_try_at"
    token: str = "token"  # noqa: S105  # the name of a column
    lease_until: str = "lease_until"
    attempts: str = "attempts"
    note: str = "note"

    def held(self, token: uuid.UUID, lease: timedelta) -> dict[str, Any]:
        return {self.token: token, self.lease_until: Now() + lease, self.attempts: F(self.attempts) + 1}

    def ended(self, note: str = "") -> dict[str, Any]:
        return {self.token: None, self.lease_until: None, self.note: note[:500]}

    def due_again(self, pause: float = 0) -> dict[str, Any]:
        """Due after `pause` seconds, with no worker."""
        return {self.token: None, self.lease_until: None, self.next_try_at: Now() + timedelta(seconds=pause)}

    def put_back(self, error: FivetranError, pause: float, *, sent: bool = True) -> dict[str, Any]:
        """Due again after `error`, with a note of it. An attempt without effect, or not even `sent`, does not count."""
        back = 1 if not sent or retry.had_no_effect(error) else 0
        note = retry.waiting_note(error) if back else error.message
        return {**self.due_again(pause), self.attempts: F(self.attempts) - back, self.note: note[:500]}


@dataclass(frozen=True)
class Claim(Generic[M]):
    """A row that this worker holds, as it was when it was claimed, and the token that proves it."""

    row: M
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    started: float = field(default_factory=boottime)


def claim(model: type[M], due: Q, target: State, columns: Columns, lease: timedelta) -> Claim[M] | None:
    """Claim the one row that fits `due`; None where it is not due, or another worker has it.

    What makes a row due must stand in `due` by its own columns: after a wait for another worker's claim PostgreSQL
    asks those again, and no subquery.
    """
    token = uuid.uuid4()
    row = move_one(model, due, target, actor=Actor.WORKER, **columns.held(token, lease))
    return None if row is None else Claim(row, token)
