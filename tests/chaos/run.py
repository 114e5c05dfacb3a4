"""One run from the first request to the verdict; needs Django to be set up."""

import base64
import time
from collections.abc import Mapping
from contextlib import ExitStack

from django.core.management import call_command

from connections import catalog
from connections.demo import environment as demo
from connections.models import Attempt, ConnectionRequest
from tests import processes
from tests.chaos import checker
from tests.chaos.nemesis import Nemesis
from tests.chaos.options import CLOCKS, DIALS, PATIENCE, PER_SECOND, Options
from tests.chaos.workers import Worker
from tests.chaos.workload import Workload
from tests.faults.broker import Broker
from tests.sandbox_client import Fivetran

SHOWN = 20  # findings of a kind that are printed


def run(
    chosen: Options,
    stack: ExitStack,
    environment: Mapping[str, str],
    *,
    server: processes.PostgresServer | None,
    broker: Broker,
    sandbox: processes.Sandbox,
) -> int:
    """File, break, mend, wait, check, print; returns the exit status."""
    call_command("migrate", verbosity=0)
    fivetran = Fivetran(sandbox.url)
    fivetran.settings(**DIALS, unique_names=chosen.unique_names)
    catalog.refresh_all()
    print(f"seed {chosen.seed}, {chosen.requests} requests, {describe(chosen, environment)}", flush=True)
    workers = [
        Worker(number, {**environment, "PGAPPNAME": "worker", "LOG_LEVEL": "INFO"}) for number in range(chosen.workers)
    ]
    for worker in workers:
        worker.start()
        stack.callback(worker.stop)
    scheduler = stack.enter_context(processes.scheduler(environment))
    workload = Workload(chosen.requests, PER_SECOND, chosen.seed, catalog.destinations()[0].id)
    nemesis = Nemesis(seed=chosen.seed, workers=workers, broker=broker, server=server)
    workload.start()
    while not workload.done:
        nemesis.tick()
        time.sleep(0.02)
    nemesis.stop()
    stopped = time.monotonic()
    longest = 1.1 * float(CLOCKS["SUBMIT_DEADLINE"]) + float(CLOCKS["SETTLE_SECONDS"]) + PATIENCE
    told = 0
    while not (is_quiet := checker.quiet()) and time.monotonic() < stopped + longest:
        time.sleep(0.1)
        if time.monotonic() > stopped + 10 * (told + 1):
            told += 1
            print(f"after {10 * told} s without faults: {checker.restless()}", flush=True)
    settled = time.monotonic() - stopped
    if not is_quiet:
        print(f"not quiet after {longest:.0f} s: {checker.restless()}")
        for process in (scheduler, *[worker.process for worker in workers if worker.process]):
            print(f"{process.name}, status {process.popen.poll()}: {process.log.read_text(errors='replace')[-1500:]}")
    time.sleep(DIALS["late_seconds"] + 1)  # for effects of calls that nobody waits for any more
    for worker in workers:
        worker.stop()
    token = base64.b64encode(f"{demo.SANDBOX_KEY}:{demo.SANDBOX_SECRET}".encode()).decode()
    logs = [log for worker in workers for log in worker.logs]
    contents = broker.contents().decode("latin-1")
    verdict = checker.check(fivetran, [demo.SANDBOX_SECRET, token], [*logs, contents])
    return report(chosen, workload, nemesis, verdict, settled if is_quiet else -1.0)


def describe(chosen: Options, environment: Mapping[str, str]) -> str:
    """The conditions in words."""
    kind = "PostgreSQL" if environment["DATABASE_URL"].startswith("postgres") else "SQLite"
    names = "unique" if chosen.unique_names else "not unique"
    return f"names {names} at Fivetran, {kind}, {chosen.workers} workers"


def report(chosen: Options, workload: Workload, nemesis: Nemesis, verdict: checker.Verdict, settled_s: float) -> int:
    """Print what was done and found; the last line is for machines."""
    for name, count in sorted(nemesis.counts.items()):
        print(f"{count:6}  {name}")
    for prefix, count in sorted(workload.faulty.items()):
        print(f"{count:6}  answer {prefix.rstrip('_').replace('_', ' ')}")
    created = ConnectionRequest.objects.filter(status="created")
    adopted = created.filter(connection__adopted=True).count()
    posts = Attempt.objects.filter(call=Attempt.Call.CREATE).count()
    print(f"created {created.count()}, {adopted} of them found by a look-up; {posts} calls; {verdict.attention} for")
    print(f"operators; slowest approval {workload.slowest_approval:.2f} s")
    for kind in ("duplicates", "lost", "wrong"):
        for finding in getattr(verdict, kind)[:SHOWN]:
            print(f"{kind}: {finding}")
    faults = sum(nemesis.counts.values()) + sum(workload.faulty.values())
    print(
        f"requests={chosen.requests} faults={faults} duplicates={len(verdict.duplicates)} lost={len(verdict.lost)} "
        f"wrong={len(verdict.wrong)} settled_s={settled_s:.1f}",
        flush=True,
    )
    return 0 if verdict.good and settled_s >= 0 else 1
