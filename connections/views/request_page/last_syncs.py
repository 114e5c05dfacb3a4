"""The last syncs of a connection: a bar for each as high as it was long, in a sentence, and as a table."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.utils import timezone

from connections.models import Connection
from connections.views.bars import Bar, bars
from connections.views.labels import duration, exact

_ENDS = {"COMPLETED": "succeeded", "FAILURE": "failed", "CANCELED": "canceled", "INCOMPLETE": "incomplete"}
_ENDS |= {"RESCHEDULED": "moved to later", "PAUSED": "paused"}
_TONES = {"succeeded": "success", "failed": "danger"}


@dataclass(frozen=True)
class Sync:
    start: datetime
    milliseconds: int
    ended: str


@dataclass(frozen=True)
class LastSyncs:
    """Oldest first."""

    syncs: list[Sync]

    @property
    def said(self) -> str:
        ends = Counter(sync.ended for sync in self.syncs).most_common()
        usual = duration(round(median(sync.milliseconds for sync in self.syncs)))
        if len(self.syncs) == 1:
            return f"Last sync: {ends[0][0]}, {usual}"
        each = ", ".join(f"{count} {ended}" for ended, count in ends)
        return f"Last {len(self.syncs)} syncs: {each}, usually {usual}"

    @property
    def bars(self) -> tuple[Bar, ...]:
        zone, syncs = timezone.get_current_timezone(), self.syncs
        words = (f"{exact(one.start, zone)}: {one.ended}, {duration(one.milliseconds)}" for one in syncs)
        lengths = (max(1, one.milliseconds) for one in syncs)  # what took no time is seen too
        return bars(list(zip(lengths, words, strict=True)), (_TONES.get(one.ended, "secondary") for one in syncs))


def last_syncs(connection: Connection) -> LastSyncs | None:
    """None until some were read."""
    found = []
    for one in connection.syncs:
        start, end = (datetime.fromisoformat(one[key]) for key in ("start", "end"))
        ended = _ENDS.get(one["status"], "ended otherwise")
        found.append(Sync(start, round((end - start).total_seconds() * 1000), ended))
    return LastSyncs(found) if found else None
