"""The last syncs of a connection: a bar for each as high as it was long, in a sentence, and as a table."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.utils import timezone

from connections.models import Connection
from connections.views.bars import Bar, bars
from connections.views.labels import duration, exact

_ENDS = {
    "COMPLETED": "succeeded",
    "FAILURE": "failed",
    "CANCELED": "canceled",
    "INCOMPLETE": "incomplete",
    "RESCHEDULED": "moved to later",
    "PAUSED": "paused",
}
_TONES = {"succeeded": "success", "failed": "danger"}


@dataclass(frozen=True)
class Sync:
    start: datetime
    seconds: float
    ended: str

    @property
    def tone(self) -> str:
        return _TONES.get(self.ended, "secondary")

    @property
    def took(self) -> str:
        return duration(round(self.seconds * 1000))

    @property
    def words(self) -> str:
        return f"{exact(self.start, timezone.get_current_timezone())}: {self.ended}, {self.took}"


@dataclass(frozen=True)
class LastSyncs:
    """Oldest first."""

    syncs: list[Sync]

    @property
    def said(self) -> str:
        ends = Counter(sync.ended for sync in self.syncs).most_common()
        usual = duration(round(median(sync.seconds for sync in self.syncs) * 1000))
        if len(self.syncs) == 1:
            return f"Last sync: {ends[0][0]}, {usual}"
        each = ", ".join(f"{count} {ended}" for ended, count in ends)
        return f"Last {len(self.syncs)} syncs: {each}, usually {usual}"

    @property
    def bars(self) -> tuple[Bar, ...]:
        return bars([(max(1, one.seconds), one.words) for one in self.syncs], (one.tone for one in self.syncs))


def last_syncs(connection: Connection) -> LastSyncs | None:
    """None until some were read."""
    found = []
    for one in connection.syncs:
        start, end = (datetime.fromisoformat(one[key]) for key in ("start", "end"))
        found.append(Sync(start, (end - start).total_seconds(), _ENDS.get(one["status"], "ended otherwise")))
    return LastSyncs(found) if found else None
