"""How a row is held by one worker at a time: a token with a lease, taken by one conditional UPDATE."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Now

from connections.fivetran.client import boottime
from connections.fivetran.errors import FivetranError
from connections.models import move, move_one
from connections.queue import retry
from connections.states import Actor, State

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Claim(Generic[M]):
    """A row that this worker holds, as it was when it was claimed, and the token that proves it."""

    row: M
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    started: float = field(default_factory=boottime)


@dataclass(frozen=True)
class Queue(Generic[M]):
    """Rows that wait in the state `due` and are held in `running`, and in which of their columns they keep that."""

    model: type[M]
    due: State
    running: State
    next_try_at: str = "next_try_at"
    token: str = "token"  # noqa: S105  # the name of a column
    lease_until: str = "lease_until"
    attempts: str = "attempts"
    note: str = "note"

    def claim(self, due: Q, lease: timedelta) -> Claim[M] | None:
        """Claim the one row that fits `due`; None where it is not due, or another worker has it.

        What makes a row due must stand in `due` by its own columns: after a wait for another worker's claim PostgreSQL
        asks those again, and no subquery.
        """
        token = uuid.uuid4()
        row = move_one(self.model, due, self.running, actor=Actor.WORKER, **self.held(token, lease))
        return None if row is None else Claim(row, token)

    def holding(self, claim: Claim[M]) -> QuerySet[M]:
        """The row of `claim`, until another worker has claimed it."""
        return self.model._default_manager.filter(**{"pk": claim.row.pk, self.token: claim.token})

    def put_back(self, claim: Claim[M], error: FivetranError, *, sent: bool = True) -> None:
        move(self.holding(claim), self.due, actor=Actor.WORKER, **self.again(error, sent=sent))

    def release(self) -> None:
        """Make rows whose worker died due again."""
        dead = self.model._default_manager.filter(**{f"{self.lease_until}__lt": Now()})
        move(dead, self.due, actor=Actor.SWEEPER, **self.due_again())

    # The columns of a row that a worker holds, that has ended, and that is due again.
    def held(self, token: uuid.UUID, lease: timedelta) -> dict[str, Any]:
        return {self.token: token, self.lease_until: Now() + lease, self.attempts: F(self.attempts) + 1}

    def ended(self, note: str = "") -> dict[str, Any]:
        return {self.token: None, self.lease_until: None, self.note: note[:500]}

    def due_again(self, pause: float = 0) -> dict[str, Any]:
        return {self.token: None, self.lease_until: None, self.next_try_at: Now() + timedelta(seconds=pause)}

    def again(self, error: FivetranError, *, sent: bool = True) -> dict[str, Any]:
        """Due again after `error`, with a note of it. An attempt without effect, or not even `sent`, does not count."""
        back = 1 if not sent or retry.had_no_effect(error) else 0
        note = retry.waiting_note(error) if back else error.message
        again = self.due_again(settings.PROBE_SECONDS)
        return {**again, self.attempts: F(self.attempts) - back, self.note: note[:500]}
