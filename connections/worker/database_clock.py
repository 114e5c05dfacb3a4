"""A database host's clock that was set: nothing waits until time has caught up, and no running call counts as over."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now

from connections import notifications
from connections.fivetran.client import boottime
from connections.models import (
    BreakerReason,
    CatalogEntry,
    CatalogRefresh,
    CircuitBreaker,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    DryRun,
    Handover,
    Notice,
    Observation,
    SetupTestRun,
    SetupTestsState,
    Trust,
    TrustState,
    WebhookDelivery,
)
from connections.models.handover import CARD_LIFE, CODE_LIFE
from connections.models.observation import LEASE as LIST_LEASE
from connections.queue import call, circuit_breaker, rate_budget, retry
from connections.states import ChangeStatus, Status
from connections.worker import changes, connection_status, dry_run, sync_history, trust

# All stored moments are by the database's clock. Set back, it leaves moments too far ahead; set ahead, it ends leases
# of workers that are busy. A worker notices by the clock of its own host that nobody can set.
log = logging.getLogger(__name__)
SLACK = 1.0  # seconds by which two looks at the clock may disagree with the time between them
DRIFT = 0.001  # of the time between two looks: a clock that is being slowed down or sped up, not set


class Then(Enum):
    DUE = "it is now"
    KEPT = "it is as far ahead as it may be"
    GUARDS = "the same; and whoever set it may be at work until then, so that no clock set ahead ends it early"


@dataclass(frozen=True)
class Moment:
    """A stored moment that something waits for, and how many seconds ahead it can be at most."""

    rows: QuerySet[Model]
    column: str
    ahead: Callable[[], float]
    then: Then = Then.DUE

    def put_right(self) -> None:
        """Bring back those that only a clock which was set back can have left."""
        limit = Now() + timedelta(seconds=self.ahead())
        wrong = self.rows.filter(**{f"{self.column}__gt": limit})
        if wrong.exists():  # asked first: mostly there is nothing to write
            count = wrong.update(**{self.column: Now() if self.then is Then.DUE else limit})
            log.warning("%s of %s lay too far ahead: %s", self.column, self.rows.model.__name__, count)

    def begin_again(self) -> None:
        """Let the whole wait begin now."""
        self.rows.exclude(**{self.column: None}).update(**{self.column: Now() + timedelta(seconds=self.ahead())})


def _is_past() -> float:
    return 0  # at this moment something happened: it never lies ahead


def _call() -> float:
    return float(settings.SUBMIT_DEADLINE) * call.UNKNOWN_MARGIN


def _claim() -> float:
    return float(settings.CLAIM_LEASE)


def _probe() -> float:
    return float(settings.PROBE_SECONDS)


def _turn() -> float:
    """The longest pause before the next attempt: by the probes, or until the rate budget has room."""
    per_minute: int = settings.CREATIONS_PER_MINUTE
    return max(_probe() * 2.0**retry.MAX_ATTEMPTS, 60 / per_minute if per_minute else 0)


def _slot() -> float:
    per_minute: int = settings.CREATIONS_PER_MINUTE
    return rate_budget.tolerance() + (60 / per_minute if per_minute else 0)


def _look() -> float:
    return max(float(settings.SETTLE_SECONDS), _claim(), _probe())


def _sync_history() -> float:
    return max(float(settings.SYNC_HISTORY_INTERVAL), sync_history.NOT_FOUND_FOR.total_seconds())


_requests, _changes = ConnectionRequest.objects, ConnectionChange.objects
_undecided = Q(status__in=[Status.PENDING, Status.CHANGES_REQUESTED])
_unsent = Notice.objects.filter(sent_at=None)
_breakers = CircuitBreaker.objects
MOMENTS = [
    Moment(_requests.filter(_undecided), "status_since", _is_past),
    Moment(_requests.filter(status=Status.APPROVED), "next_try_at", _turn),
    Moment(_requests.filter(status=Status.CLAIMED), "lease_until", _claim, Then.GUARDS),
    Moment(_requests.filter(status=Status.SENDING), "deadline_at", _call, Then.GUARDS),
    Moment(_requests.filter(status=Status.UNKNOWN), "unknown_at", _is_past, Then.GUARDS),
    Moment(_requests.filter(status=Status.UNKNOWN), "next_lookup_at", _look),
    Moment(_changes.filter(status=ChangeStatus.PENDING), "created_at", _is_past),
    Moment(_changes.filter(status=ChangeStatus.APPROVED), "next_try_at", _probe),
    Moment(_changes.filter(status=ChangeStatus.RUNNING), "lease_until", changes.LEASE.total_seconds, Then.GUARDS),
    Moment(Connection.objects.filter(tests=SetupTestsState.DUE), "tests_next_try_at", _turn),
    Moment(Connection.objects.filter(tests=SetupTestsState.RUNNING), "tests_lease_until", _call, Then.GUARDS),
    Moment(Connection.objects.all(), "check_due_at", lambda: max(connection_status.LEASE.total_seconds(), _probe())),
    Moment(Connection.objects.all(), "seen_at", _is_past),
    Moment(Connection.objects.all(), "syncs_due_at", _is_past),
    Moment(Connection.objects.all(), "syncs_not_before", _sync_history),
    Moment(DryRun.objects.all(), "due_at", _is_past),
    Moment(DryRun.objects.all(), "asked_at", _is_past),
    Moment(DryRun.objects.all(), "finished_at", _is_past),
    Moment(DryRun.objects.all(), "not_before", dry_run.LEASE.total_seconds),
    Moment(SetupTestRun.objects.all(), "finished_at", _is_past),
    Moment(Trust.objects.filter(state=TrustState.DUE), "next_try_at", _turn),
    Moment(Trust.objects.filter(state=TrustState.RUNNING), "lease_until", trust.LEASE.total_seconds, Then.GUARDS),
    Moment(Trust.objects.all(), "ended_at", _is_past),
    Moment(_breakers.filter(reason=BreakerReason.RATE_LIMITED), "not_before", lambda: circuit_breaker.LONGEST_WAIT),
    Moment(_breakers.filter(reason=BreakerReason.AUTH), "not_before", circuit_breaker.longest_pause),
    Moment(_breakers.filter(reason=BreakerReason.OPEN), "not_before", circuit_breaker.longest_pause),
    Moment(_breakers.filter(reason=BreakerReason.HALF_OPEN), "not_before", lambda: max(_call(), _claim()), Then.KEPT),
    Moment(_breakers.all(), "next_slot_at", _slot),
    Moment(_breakers.all(), "rate_read_at", _is_past),
    Moment(_unsent.filter(tries=0), "next_try_at", notifications.GATHER.total_seconds),
    Moment(_unsent.filter(tries__gt=0), "next_try_at", notifications.LEASE.total_seconds, Then.GUARDS),
    Moment(Handover.objects.all(), "last_notified_at", _is_past),
    Moment(Handover.objects.all(), "card_at", _is_past),
    Moment(Handover.objects.all(), "card_expires_at", CARD_LIFE.total_seconds, Then.KEPT),
    Moment(Handover.objects.all(), "return_expires_at", CARD_LIFE.total_seconds, Then.KEPT),
    Moment(Handover.objects.all(), "code_expires_at", CODE_LIFE.total_seconds, Then.KEPT),
    Moment(Handover.objects.all(), "code_sent_at", _is_past),
    Moment(Handover.objects.all(), "codes_since", _is_past),
    Moment(Observation.objects.all(), "lease_until", LIST_LEASE.total_seconds, Then.GUARDS),
    Moment(Observation.objects.all(), "next_at", lambda: float(settings.OBSERVE_INTERVAL)),
    Moment(CatalogRefresh.objects.all(), "asked_at", _is_past),
    Moment(CatalogRefresh.objects.all(), "tried_at", _is_past),
    Moment(CatalogRefresh.objects.all(), "fetched_at", _is_past),
    Moment(CatalogEntry.objects.all(), "detail_at", _is_past),
    Moment(CatalogEntry.objects.all(), "detail_tried_at", _is_past),
    Moment(WebhookDelivery.objects.all(), "at", _is_past),
]


def put_right() -> None:
    for moment in MOMENTS:
        moment.put_right()


def put_right_if_set() -> None:
    """Once after each setting of the clock, and once per process: it reads whole tables."""
    if not _watch.doubtful:
        return
    _watch.doubtful = False  # before the work: another look may find it set meanwhile
    try:
        put_right()
    except BaseException:
        _watch.doubtful = True
        raise


class _Watch:
    def __init__(self) -> None:
        self._alone = threading.Lock()
        self._last: _Look | None = None
        self.doubtful = True  # nobody knows what happened before this process

    def heed(self) -> None:
        """Where the clock was set since the last look, give every call that may be running its whole time again."""
        with self._alone:  # who looks second, and finds nothing new, must not go on before the first has written
            look = _Look.now()
            if self._last is not None and look.disagrees(self._last):
                log.warning("the database's clock was set; what may be under way is given its whole time again")
                self.doubtful = True
                for moment in MOMENTS:
                    if moment.then is Then.GUARDS:
                        moment.begin_again()
            self._last = look


@dataclass(frozen=True)
class _Look:
    """What the database's clock showed, and our own right before and after."""

    there: datetime
    before: float
    after: float

    @classmethod
    def now(cls) -> "_Look":
        circuit_breaker.current()
        before = boottime()
        there: datetime = CircuitBreaker.objects.values_list(Now(), flat=True).get()
        return cls(there, before, boottime())

    def disagrees(self, last: "_Look") -> bool:
        """Whether more or less time passed there since `last` than here."""
        least, most = self.before - last.after, self.after - last.before
        slack = SLACK + DRIFT * most  # a slow look is no reason
        return not least - slack <= (self.there - last.there).total_seconds() <= most + slack


_watch = _Watch()
heed = _watch.heed
