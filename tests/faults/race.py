"""`python -m tests.faults.race ROUNDS PROCESSES`: processes that claim the same row at the same moment.

For the database of DATABASE_URL, which is migrated first. Prints a JSON list: how many won each round.
"""

import json
import multiprocessing
import sys
import threading
import traceback
import uuid
from collections import Counter
from typing import Any

PATIENCE = 60.0  # seconds in which the slowest comes to the line


def main() -> None:
    """Run it."""
    rounds, processes = int(sys.argv[1]), int(sys.argv[2])
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from tests import factories

    call_command("migrate", verbosity=0)
    approver = factories.person("approver")
    ids = [factories.approved(approver=approver).pk for _ in range(rounds)]  # each of somebody else: people have limits
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]  # the PostgreSQL backend's own; a session must not be shared with the processes that are forked now
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(processes, timeout=PATIENCE), context.Queue()
    racers = [context.Process(target=_race, args=(ids, barrier, results)) for _ in range(processes)]
    for racer in racers:
        racer.start()
    told = [results.get(timeout=2 * PATIENCE) for _ in racers]
    for racer in racers:
        racer.join()
    if failures := [each for each in told if isinstance(each, str)]:
        sys.exit("\n".join(sorted(set(failures), key=len)))  # the traceback last, if there is one
    wins = Counter(won for each in told for won in each)
    print(json.dumps([wins[pk] for pk in ids]))


def _race(ids: list[int], barrier: Any, results: Any) -> None:
    """Puts the ids that were won; or, if anything went wrong, what it was, and then nobody waits for this one."""
    try:
        results.put(_won(ids, barrier))
    except threading.BrokenBarrierError:
        results.put("somebody did not come to the line")
    except BaseException:  # noqa: BLE001  (whatever it is, it is told)
        barrier.abort()
        results.put(traceback.format_exc())


def _won(ids: list[int], barrier: Any) -> list[int]:
    """Try to claim each row when all others do."""
    from connections.worker import create

    won = []
    for pk in ids:
        barrier.wait()
        if create.claim_row(pk, uuid.uuid4()) is not None:
            won.append(pk)
        barrier.wait()
    return won


if __name__ == "__main__":
    main()
