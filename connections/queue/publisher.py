"""Publishing messages without waiting for a broker that hangs."""

import logging
import threading
import time
from collections.abc import Iterable
from functools import lru_cache, partial

from celery import current_app
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.db import transaction
from django.dispatch import receiver
from kombu.messaging import Producer
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from connections.queue.job import Lane, Message

log = logging.getLogger(__name__)
KEPT_SECONDS = 20  # an idle connection: one that a firewall forgot meanwhile would swallow a message


def enqueue(job: str, *arguments: object) -> bool:
    """Publish a message for `job`, within a second even while the broker hangs; returns whether it was published. Never
    raises.
    """
    return enqueue_many([(job, *arguments)])


def enqueue_on_commit(job: str, *arguments: object) -> None:
    """Publish a message once the transaction is committed, whose rows the worker is to find."""
    enqueue_many_on_commit([(job, *arguments)])


def enqueue_many_on_commit(messages: Iterable[Message]) -> None:
    transaction.on_commit(partial(enqueue_after_answer, list(messages)), robust=True)


class _Kept(threading.local):
    messages: list[Message] | None = None  # of the request that this thread answers


_kept = _Kept()


def enqueue_after_answer(messages: list[Message]) -> None:
    """Within a request, once its answer is sent: nobody waits for the broker. Elsewhere at once."""
    if _kept.messages is None:
        enqueue_many(messages)
    else:
        _kept.messages += messages


@receiver(request_started)
def _begin(**_kwargs: object) -> None:
    if _kept.messages:
        log.warning(
            "%s messages of a request without an answer were not enqueued; the sweeper will", len(_kept.messages)
        )
    _kept.messages = []


@receiver(request_finished)  # the server closes the answer when it has sent it
def _end(**_kwargs: object) -> None:
    messages, _kept.messages = _kept.messages, None
    enqueue_many(messages or ())


def enqueue_many(messages: Iterable[Message]) -> bool:
    """Publish each; returns whether all were. Never raises."""
    messages = list(messages)
    if not messages:
        return True
    try:
        # A bare client asks the broker first: Celery's own publishing waits 5 to 15 s on a hung one.
        _broker(settings.REDIS_URL, settings.ENQUEUE_TIMEOUT / 2).ping()
        producer = _publishing.producer()
        # No message expires: whether it is too old, Celery asks the clock of the worker's host, and one ahead would
        # hear nothing at all. An old one does no harm.
        for job, *arguments in messages:
            current_app.tasks[job].apply_async(arguments, producer=producer, retry=False)
    except Exception as error:  # noqa: BLE001  (an approval that was stored must not fail by whatever the publisher raises)
        _disconnect()
        names = ", ".join(sorted({job for job, *_ in messages}))
        log.warning("%s was not enqueued (%s); the sweeper will", names, type(error).__name__)
        return False
    return True


def waiting(lane: Lane) -> int:
    """How many messages wait in the lane; 0 where the broker does not say."""
    try:
        return int(_broker(settings.REDIS_URL, settings.ENQUEUE_TIMEOUT / 2).llen(lane.value))
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
