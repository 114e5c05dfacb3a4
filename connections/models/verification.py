"""Whether the record still is what was sealed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now

from connections.models.event import Event
from connections.models.seal import BEGINNING, SEALED_WITHIN, EventSeal, digest_of, hashes_of, personal_of

CHUNK = 1000
# Events are sealed in the order of their keys, and transactions are short: none says to be that much older than one
# that was sealed before it.
OUT_OF_ORDER = timedelta(minutes=10)


@dataclass(frozen=True)
class Finding:
    words: str
    position: int | None = None  # None: of an event without a seal


@dataclass
class Verification:
    """Iterating over `findings` reads the chain, in the order of positions; what else it says is there afterwards."""

    after: int = 0  # the position from which on it is read
    digest: str = BEGINNING  # of that position
    sealed: int = 0
    erased: int = 0
    position: int = field(init=False)
    _newest: datetime | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.position = self.after

    @property
    def head(self) -> str:
        return f"{self.position}:{self.digest}"

    def findings(self) -> Iterator[Finding]:
        if self.after:
            start = EventSeal.objects.filter(position=self.after).values_list("digest", flat=True).first()
            if start != self.digest:
                said = "has another digest now" if start else "is gone, and perhaps what came after it"
                yield Finding(f"the seal that was noted as {self.head} {said}", self.after)
        until = EventSeal.objects.aggregate(last=Max("position"))["last"] or 0
        while seals := self._next(until):
            events = Event.objects.in_bulk([seal.event_id for seal in seals])
            for seal in seals:
                yield from self._of_seal(seal, events.get(seal.event_id))
        yield from _unsealed()

    def _next(self, until: int) -> list[EventSeal]:
        rows = EventSeal.objects.filter(position__gt=self.position, position__lte=until)
        return list(rows.order_by("position")[:CHUNK])

    def _of_seal(self, seal: EventSeal, event: Event | None) -> Iterator[Finding]:
        if seal.position != self.position + 1:
            gone = f"{self.position + 1} to {seal.position - 1}"
            yield Finding(f"the seals {gone} were removed", self.position + 1)
        elif words := self._broken(seal, event):
            # Its personal fields may have been erased between the two statements.
            with transaction.atomic():
                event = Event.objects.filter(pk=seal.event_id).first()
                seal = EventSeal.objects.get(pk=seal.pk)
            if words := self._broken(seal, event):
                yield Finding(f"event {seal.event_id}: {words}", seal.position)
        if event is not None and (words := self._out_of_order(event)):
            yield Finding(f"event {event.pk}: {words}", seal.position)
        self.sealed += 1
        self.erased += not seal.salt
        # What comes after a break is judged by what stands there: one change is one finding.
        self.position, self.digest = seal.position, seal.digest

    def _broken(self, seal: EventSeal, event: Event | None) -> str:
        if event is None:
            return "was removed"
        if seal.salt:
            found = hashes_of(event, seal.salt)
            if changed := sorted(name for name in {*found, *seal.hashes} if found.get(name) != seal.hashes.get(name)):
                return f"was changed: {', '.join(changed)}"
        elif left := sorted(personal_of(event)):
            return f"was changed after its personal fields were erased: {', '.join(left)}"
        if digest_of(event, seal, self.digest) != seal.digest:
            return "was changed, or its seal was, or what stands before it"
        return ""

    def _out_of_order(self, event: Event) -> str:
        newest, self._newest = self._newest, max(self._newest or event.at, event.at)
        if newest is None or event.at >= newest - OUT_OF_ORDER:
            return ""
        return (
            f"says {_shown(event.at)}, and was sealed after one of {_shown(newest)}: it was inserted later, or the "
            "clock of the database was set back"
        )


def _unsealed() -> Iterator[Finding]:
    count, first = 0, None
    for _after, unsealed in EventSeal.objects.ranges():
        late = unsealed.filter(at__lt=Now() - SEALED_WITHIN)
        first = first or late.first()
        count += late.count() if first else 0
    if first is not None:
        yield Finding(
            f"{count} unsealed event{'s' if count > 1 else ''} older than two minutes, the first of which is event "
            f"{first.pk} of {_shown(first.at)}: no worker seals them, or they were inserted with an earlier time"
        )


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
