"""The Celery tasks. A message holds an id; the row says whether anything is to be done."""

import logging
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from celery import Task, current_app, shared_task
from django.conf import settings
from django.dispatch import receiver
from kombu.messaging import Producer
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from connections import catalog, notifications, worker

log = logging.getLogger(__name__)
# A message may be lost, doubled, late or forged without harm: work starts only by a conditional update of the row, and
# the sweeper enqueues again whatever is due.
# No message expires: whether it is too old, Celery asks the clock of the worker's host, and one ahead would hear
# nothing at all. An old one does no harm.
_database_was_away = threading.Event()
KEPT_SECONDS = 20  # an idle connection: one that a firewall forgot meanwhile would swallow a message


@shared_task(name="submit")
def submit(request_id: int) -> None:
    """Send one approved request; then, unless messages wait in the queue, the one that is due next."""
    _submit(request_id)
    # Where messages wait, all workers would find the same request, which has a message of its own.
    if not _waiting_in_queue() and (following := worker.next_due()) is not None:
        _submit(following)


def _submit(request_id: int) -> None:
    if worker.submit(request_id):
        catalog.learn_group(request_id)


@shared_task(name="run_tests")
def run_tests(request_id: int) -> None:
    if worker.run_tests(request_id):
        catalog.learn_group(request_id)


@shared_task(name="reconcile")
def reconcile(request_id: int) -> None:
    worker.reconcile(request_id)


@shared_task(name="check")
def check(request_id: int) -> None:
    if worker.check(request_id):
        enqueue(run_tests, request_id)


@shared_task(name="observe")
def observe() -> None:
    enqueue_many([(check, request_id) for request_id in worker.observe()])


@shared_task(name="apply_change")
def apply_change(change_id: int) -> None:
    worker.apply_change(change_id)


@shared_task(name="send_trust")
def send_trust(trust_id: int) -> None:
    if request_id := worker.send_trust(trust_id):
        enqueue(run_tests, request_id)


@shared_task(name="sweep")
def sweep(asked: bool = False) -> None:
    """`asked`: by a person and not by the scheduler."""
    if asked or worker.note_alive():
        enqueue_due(worker.sweep())


@shared_task(name="probe")
def probe() -> None:
    """See whether Fivetran, or the database, is back: then sweep at once."""
    try:
        worker.probe()
    except Exception:
        _database_was_away.set()
        raise
    if _database_was_away.is_set():
        _database_was_away.clear()
        enqueue(sweep, True)


@receiver(worker.breaker_closed)
def look_at_once(**_signal: Any) -> None:
    enqueue(sweep, True)


@shared_task(name="notify")
def notify() -> None:
    worker.heed_clock()
    notifications.send_due()


@shared_task(name="refresh_catalog")
def refresh_catalog() -> None:
    outcome = catalog.refresh_all()
    if not any(outcome.values()):
        catalog.learn_sources()


def enqueue_due(due: worker.Due) -> bool:
    """Enqueue what is due, less the messages that already wait; returns whether all were enqueued."""
    # Less what waits, else a sweep that finds more than the workers can do would make the queue grow for ever. The
    # newest go without: their messages are the likeliest to be there still. A request whose message was lost grows
    # old and is enqueued before them.
    slow: list[tuple[Any, ...]] = [(run_tests, request_id) for request_id in due.run_tests]
    slow += [(submit, request_id) for request_id in due.submit]
    wanted = max(0, len(slow) - _waiting_in_queue())
    quick: list[tuple[Any, ...]] = [(reconcile, request_id) for request_id in due.reconcile]
    quick += [(check, request_id) for request_id in due.check]
    quick += [(apply_change, change_id) for change_id in due.change]
    quick += [(send_trust, trust_id) for trust_id in due.trust]
    return enqueue_many([*quick, *([(probe,)] if due.probe else []), (notify,), *slow[:wanted]])


def enqueue(task: Task, *args: Any) -> bool:
    """Publish `task`, within a second even while the broker hangs; returns whether it was published. Never raises."""
    return enqueue_many([(task, *args)])


def enqueue_many(messages: Sequence[tuple[Any, ...]]) -> bool:
    """Publish each (task, *arguments); returns whether all were. Never raises."""
    try:
        # A bare client asks the broker first: Celery's own publishing waits 5 to 15 s on a hung one.
        _broker(settings.REDIS_URL, settings.ENQUEUE_TIMEOUT / 2).ping()
        producer = _publishing.producer()
        for task, *args in messages:
            task.apply_async(args, producer=producer, retry=False)
    except Exception as error:  # noqa: BLE001  (an approval that was stored must not fail by whatever the publisher raises)
        _disconnect()
        names = ", ".join(sorted({task.name for task, *_ in messages}))
        log.warning("%s was not enqueued (%s); the sweeper will", names, type(error).__name__)
        return False
    return True


def _waiting_in_queue() -> int:
    """How many messages wait in the lane of the slow tasks; 0 where the broker does not say."""
    try:
        client = _broker(settings.REDIS_URL, settings.ENQUEUE_TIMEOUT / 2)
        return int(client.llen(settings.CELERY_TASK_ROUTES["submit"]["queue"]))
    except (OSError, RedisError):
        return 0


@lru_cache(maxsize=4)
def _broker(url: str, seconds: float) -> Redis:
    """A client that waits no longer than `seconds` and tries once."""
    # RESP 2, because over RESP 3 a hosted broker may raise the time-outs of a connection while it is maintained.
    timeouts = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    return Redis.from_url(url, **timeouts, retry=Retry(NoBackoff(), 0), protocol=2)


def _disconnect() -> None:
    """Close all connections. Never raises."""
    for close in (_publishing.close, _close_pool):
        try:
            close()
        except Exception as error:  # noqa: BLE001
            log.warning("a connection to the broker could not be closed (%s)", type(error).__name__)


def _close_pool() -> None:
    _broker(settings.REDIS_URL, settings.ENQUEUE_TIMEOUT / 2).connection_pool.disconnect(inuse_connections=False)


# Not Celery's own pool: its time-outs are those of the worker, and its connections may be half open for hours.
class _Publishing(threading.local):
    """This thread's connection for publishing: opening one takes ten times as long as a message does."""

    def __init__(self) -> None:
        self._producer: Producer | None = None
        self._to: tuple[str, float] = ("", 0.0)
        self._used_at = 0.0

    def producer(self) -> Producer:
        timeout = settings.ENQUEUE_TIMEOUT
        # Kept while it was used a moment ago.
        to = (current_app.conf.broker_url, timeout)
        if to != self._to or time.monotonic() - self._used_at > KEPT_SECONDS:
            self.close()
        if self._producer is None:
            # One try: kombu's own connecting tries again for seconds when the broker goes away after the ping.
            options = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "max_retries": 0}
            options = {**current_app.conf.broker_transport_options, **options}
            connection = current_app.connection_for_write(transport_options=options)
            self._producer, self._to = current_app.amqp.Producer(connection), to
        self._used_at = time.monotonic()
        return self._producer

    def close(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            producer.connection.release()


_publishing = _Publishing()
