"""The part of a Celery worker that receives messages: it reconnects within seconds, or the worker ends in a minute."""

import logging
import os
import threading
import time
from typing import Any

from celery import bootsteps
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer

from portal import broker

log = logging.getLogger(__name__)
# Celery reconnects after every error of the broker (BROKER_CHANNEL_ERROR_RETRY). A worker whose consumer failed in
# another way ends only when its running calls do, which may be a quarter of an hour. A supervisor can restart it only
# once it has ended; the rows are safe, since a call that is cut off is looked up like one whose worker was killed.
LONGEST_PAUSE = 2  # seconds between two tries to reach the broker; kombu's own grows to 30
HEARTBEAT = 2.0  # seconds between two signs of life of the loop that hears messages
DEAF_SECONDS = 45.0  # without a sign of life beside a broker that answers
DEAF = 70  # the exit status (EX_SOFTWARE): other than 0, so that whoever supervises starts it again


class Consumer(CeleryConsumer):
    def ensure_connected(self, conn: Any) -> Any:
        original = conn.ensure_connection

        def patiently(*arguments: Any, **more: Any) -> Any:
            return original(
                *arguments, **{"interval_start": 1, "interval_step": 1, "interval_max": LONGEST_PAUSE, **more}
            )

        conn.ensure_connection = patiently
        try:
            return super().ensure_connected(conn)
        finally:
            del conn.ensure_connection

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        super().on_connection_error_before_connected(exc)
        time.sleep(1)  # in the thread that only hears messages: a broker that refuses would be asked without a pause


class SweepOnReturn(bootsteps.StartStopStep):
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        # Each time the worker reaches the broker again: what is due may have lost its message meanwhile.
        try:
            consumer.app.send_task("sweep", args=(True,), retry=False, ignore_result=True)
        except Exception as error:  # noqa: BLE001  (the next one comes by itself)
            log.warning("no sweep was asked for (%s)", type(error).__name__)


class Hearing(bootsteps.StartStopStep):
    """Ends the process once its loop gave no sign of life for DEAF_SECONDS though the broker answers."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        _heard()  # the loop runs from now on
        consumer.timer.call_repeatedly(HEARTBEAT, _heard)
        if _watching.acquire(blocking=False):  # one thread for the process, not for each connection
            threading.Thread(target=_watch, name="hearing", daemon=True).start()


_last = [time.monotonic()]
_watching = threading.Lock()


def _heard() -> None:
    _last[0] = time.monotonic()


def _watch() -> None:
    deaf = 0.0
    while True:
        time.sleep(HEARTBEAT)  # a thread of its own, which no call waits for
        silent = time.monotonic() - _last[0] > 3 * HEARTBEAT
        told_to_end = state.should_stop is not None or state.should_terminate is not None  # then it waits for its calls
        deaf = deaf + HEARTBEAT if silent and not told_to_end and broker.answers(seconds=1) else 0.0
        if deaf >= DEAF_SECONDS:
            log.critical("this worker hears nothing though the broker answers: it ends, to be started again")
            os._exit(DEAF)
