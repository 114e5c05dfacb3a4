#!/usr/bin/env bash
# kombu 5.7.0: a queue that needs no acknowledgement has no prefetch limit over its virtual transports (Redis, memory).
#
# Over AMQP the two settings are independent in name only, and RabbitMQ documents that the limit counts unacknowledged
# messages. The virtual transports of kombu imitate that: their limit is the number of delivered messages without an
# acknowledgement, and with no_ack=True none is counted. So whoever sets no_ack to spare a worker two round trips a
# message gets a worker that takes all messages out of the broker at once: others find the queue empty, and what the
# first one holds is lost when it dies.
#
# Behaviour seen (kombu 5.7.0, CPython 3.11, memory transport; ten messages, a limit of 1, nothing acknowledged):
#   no_ack=False: 1 message is delivered, 9 stay in the queue
#   no_ack=True: 10 messages are delivered, 0 stay in the queue
# Fails if that changes.
set -euo pipefail
python="$(command -v python3)"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/env" 2>/dev/null || { "$python" -m pip install --quiet --target "$folder/tool" virtualenv==20.26.6; \
  PYTHONPATH="$folder/tool" "$python" -m virtualenv --quiet "$folder/env"; }
"$folder/env/bin/pip" install --quiet --disable-pip-version-check kombu==5.7.0
"$folder/env/bin/python" - <<'PY'
import socket

import kombu


def delivered(no_ack: bool) -> tuple[int, int]:
    with kombu.Connection("memory://") as connection:
        channel = connection.channel()
        name = f"work-{no_ack}"
        queue = kombu.Queue(name, kombu.Exchange(name), routing_key=name, no_ack=no_ack)(channel)
        queue.declare()
        for number in range(10):
            kombu.Producer(channel, queue.exchange, routing_key=name).publish({"number": number})
        seen: list[object] = []
        with kombu.Consumer(channel, [queue], on_message=seen.append, prefetch_count=1):
            try:
                while True:
                    connection.drain_events(timeout=0.5)
            except socket.timeout:
                pass
            waiting = channel._size(name)
        return len(seen), waiting


for no_ack in (False, True):
    got, left = delivered(no_ack)
    print(f"kombu {kombu.__version__}, no_ack={no_ack}: {got} delivered, {left} stay in the queue")
    assert (got, left) == ((10, 0) if no_ack else (1, 9)), "the prefetch limit no longer depends on no_ack"
PY
