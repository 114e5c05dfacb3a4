"""P12: what the whole portal takes on a machine, after it has served pages and sent requests."""

import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psutil
import redis

from tests import processes
from tests.bench import rows
from tests.bench.calls import fivetran, group, prefix, released_at_once, wait_for_created
from tests.bench.pages import Visitor
from tests.bench.readings import Reading, Site

VISITORS, VISITS, SENT = 6, 50, 200  # as many as one person may be at once


def after_load(site: Site) -> list[Reading]:
    """Resident memory (shared pages counted by each process) of all processes; the proportional one is reported."""
    fivetran()
    with (
        processes.web({}) as address,
        processes.worker({}, concurrency=16) as worker,
        processes.scheduler({}),
    ):
        ids = rows.approved(SENT, prefix(), group())
        released_at_once(worker, ids)()
        visitors = [Visitor(address, "approver") for _ in range(VISITORS)]
        with ThreadPoolExecutor(VISITORS) as pool:
            list(pool.map(_visit, visitors))
        wait_for_created(ids, patience=120)
        found = _processes(address, worker)
        resident = {name: sum(p.memory_info().rss for p in ps) / 1e6 for name, ps in found.items()}
        parts = ", ".join(f"{name} {_each(found[name])}" for name in resident)
        proportional = sum(p.memory_full_info().pss for ps in found.values() for p in ps) / 1e6
    return [
        Reading("resident", sum(resident.values()), "MB", 300, parts),
        Reading("proportional", proportional, "MB", None, "shared pages counted once"),
    ]


def _each(found: list[psutil.Process]) -> str:
    return "+".join(f"{process.memory_info().rss / 1e6:.0f}" for process in found)


def _visit(visitor: Visitor) -> None:
    from connections.models import ConnectionRequest

    newest = ConnectionRequest.objects.filter(status="created").latest("pk").pk
    for turn in range(VISITS):
        for path in ("/", "/requests/", f"/requests/?q=emea&status=failed&turn={turn}", "/approvals/"):
            visitor.get(path)
        visitor.get(f"/requests/{newest - turn}/") if turn == 0 else visitor.get("/requests/new/?service=google_sheets")


def _processes(address: str, worker: processes.Process) -> dict[str, list[psutil.Process]]:
    """Everything that was started, by what it is."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        found = {"broker": [psutil.Process(client.info("server")["process_id"])]}
    found["worker"] = [psutil.Process(worker.popen.pid), *psutil.Process(worker.popen.pid).children(recursive=True)]
    found["web"], found["scheduler"] = [], []
    for process in psutil.Process().children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:  # gone since it was listed
            continue
        if "gunicorn" in words and urlsplit(address).netloc in words:
            found["web"].append(process)
        elif "beat" in words:
            found["scheduler"].append(process)
    assert all(found.values()), found
    return found
