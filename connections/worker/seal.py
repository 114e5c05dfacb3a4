"""Sealing what happened: each event gets its place in a hash chain, within a minute and in no request's way."""

import logging
import time
from datetime import timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from connections.models import EventSeal
from connections.models.seal import BEGINNING, seal_of

log = logging.getLogger(__name__)
BATCH = 500  # rows in one transaction: on SQLite nobody else writes meanwhile
# Who waits for SQLite's one place looks every 100 ms whether it is free; without a pause it never is.
SQLITE_PAUSE = 0.12
LONGEST = 20.0  # seconds for one message; what is left then waits for the next one
# Transactions commit in another order than they took their keys, so lower keys appear later. None is open for longer
# than this; and should one be, the look from the beginning finds its events.
SETTLED = timedelta(minutes=10)
_LOCK = 7_207_911_164_311_552_087  # any number that nothing else in this database uses


def seal() -> None:
    """Seal what is not sealed, as far as time allows."""
    last = _seal_all(_settled_key(), time.monotonic() + LONGEST)
    if last is not None:
        # A copy of the head outside of the database: `verify_audit --since` compares with it.
        log.info("sealed the record up to %s", last)


def seal_forgotten() -> None:
    """The look from the beginning: for events whose transaction was open for longer than SETTLED."""
    for after, unsealed in EventSeal.objects.ranges():
        if unsealed.exists():
            _seal_all(after, time.monotonic() + LONGEST)
            return


def _settled_key() -> int:
    """A key below which everything was sealed, or can be found by the look from the beginning only."""
    settled = EventSeal.objects.filter(sealed_at__lt=Now() - SETTLED).order_by("-position")
    return settled.values_list("event_id", flat=True).first() or 0


def _seal_all(after: int, until: float) -> EventSeal | None:
    """The last seal that was written."""
    written: EventSeal | None = None
    while time.monotonic() < until:
        try:
            sealed = _seal_batch(after)
        except IntegrityError:  # another scheduler's worker was faster, on a database without the lock
            break
        if not sealed:
            break
        written = sealed[-1]
        after = written.event_id
        if len(sealed) == BATCH and connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE)  # between two transactions, so that who waits for the place to write gets it
    return written


def _seal_batch(after: int) -> list[EventSeal]:
    with transaction.atomic():
        if not _may_seal():
            return []
        last = EventSeal.objects.last()
        position, digest = (last.position, last.digest) if last else (0, BEGINNING)
        seals = []
        for event in EventSeal.objects.unsealed(after).annotate(now=Now())[:BATCH]:
            position += 1
            seals.append(seal_of(event, position, event.now, digest))
            digest = seals[-1].digest
        EventSeal.objects.bulk_create(seals)
    return seals


def _may_seal() -> bool:
    """Whether nobody else is sealing; who else comes meanwhile does nothing. SQLite has one writer at a time anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])
