"""What the first page reads once a minute: how the portal does in four numbers, and services to begin with."""

import time
from functools import lru_cache
from statistics import median

from django.db.models import F

from connections import permissions
from connections.catalog.search import popular
from connections.models import CatalogEntry, ConnectionRequest, Kind, ServiceRule, Stance
from connections.models.capped_count import in_words
from connections.permissions import Person, Services
from connections.states import Status
from connections.views.history.pickers import names_in_use

KEPT = 60  # seconds
COUNTED = 999
SAMPLE = 100  # the newest requests that a median or a rate is taken from
SHOWN = 8  # services to begin with
LOOKED_AT = 200  # services, of which a reader may ask for some
_WAITING, _ON_THEIR_WAY = "waiting for a decision", "on their way to Fivetran"
_QUEUE = (Status.APPROVED, Status.CLAIMED, Status.SENDING)


def figures(user: Person) -> list[tuple[str, str]]:
    """(number, what it says); what waits is counted of what `user` sees."""
    minute = int(time.monotonic() // KEPT)
    kept = _figures(minute)
    if permissions.sees_everything(user):
        return kept
    own = _own(_Reader(user), minute)
    return [(own.get(words, number), words) for number, words in kept]


class _Reader:
    """Alike for every request within one log-in."""

    def __init__(self, user: Person) -> None:
        self.user, self.key = user, (user.pk, getattr(user, "last_login", None))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reader) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=256)
def _own(reader: _Reader, _minute: int) -> dict[str, str]:
    open_rows = permissions.visible_to(reader.user).filter(status__in=(Status.PENDING, *_QUEUE))
    found = list(open_rows.order_by().values_list("status", flat=True)[: COUNTED + 1])
    waiting = sum(status == Status.PENDING for status in found)
    return {_WAITING: in_words(waiting, COUNTED), _ON_THEIR_WAY: in_words(len(found) - waiting, COUNTED)}


@lru_cache(maxsize=2)
def _figures(_minute: int) -> list[tuple[str, str]]:
    requests = ConnectionRequest.objects.order_by("-id")
    moments = requests.filter(decided_at__gte=F("submitted_at")).values_list("submitted_at", "decided_at")[:SAMPLE]
    waits = [(decided - submitted).total_seconds() for submitted, decided in moments if decided and submitted]
    ends = list(requests.filter(status__in=(Status.CREATED, Status.FAILED)).values_list("status", flat=True)[:SAMPLE])
    created = sum(status == Status.CREATED for status in ends)
    return [
        (_count(Status.PENDING), _WAITING),
        (span(median(waits)) if waits else "—", "usual time to a decision"),
        (_count(*_QUEUE), _ON_THEIR_WAY),
        (f"{round(100 * created / len(ends))} %", f"of the last {len(ends)} were created")
        if ends
        else ("—", "created"),
    ]


def _count(*statuses: Status) -> str:
    ids = ConnectionRequest.objects.filter(status__in=statuses).values("pk")[: COUNTED + 1]
    return in_words(ids.count(), COUNTED)


def span(seconds: float) -> str:
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min"
    return f"{round(seconds / 3600)} h" if seconds < 2 * 86400 else f"{round(seconds / 86400)} days"


def services(taken: Services) -> list[tuple[str, str]]:
    """(service, name): what the company recommends, then what it uses, then what most companies do; of `taken`."""
    found = _services(int(time.monotonic() // KEPT))
    return [(one, name) for one, name in found if taken is None or one in taken][:SHOWN]


@lru_cache(maxsize=2)
def _services(minute: int) -> tuple[tuple[str, str], ...]:
    stances = dict(ServiceRule.objects.values_list("service", "stance"))
    recommended = [service for service, stance in stances.items() if stance == Stance.RECOMMENDED]
    used = [service for service, _ in names_in_use(None, None, minute)[0]]
    wanted = [one for one in dict.fromkeys((*recommended, *used, *popular())) if stances.get(one) != Stance.DENIED]
    known = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id__in=wanted[:LOOKED_AT])
    names = dict(known.values_list("fivetran_id", "name"))
    return tuple((one, names[one]) for one in wanted if one in names)
