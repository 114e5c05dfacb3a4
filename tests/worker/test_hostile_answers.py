"""Whatever Fivetran answers, no job fails for it, no page breaks, and no text of it leaves its place.

Two hundred answers, spoilt one by one between the portal and the sandbox (spoiling.py). More, or others:
`ANSWERS=2000 SEED=5000 .venv/bin/python -m pytest -q tests/worker/test_hostile_answers.py`.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client

from connections import catalog, notifications, worker, workflow
from connections.fivetran import rate_limit
from connections.models import (
    CatalogEntry,
    CatalogRefresh,
    ChangeKind,
    CircuitBreaker,
    Connection,
    ConnectionRequest,
    Handover,
    Observation,
    Trust,
)
from connections.spec import trust_candidates
from connections.states import Status
from connections.worker import account
from tests import catalogs, factories, processes
from tests.escaping import faults_of
from tests.handover import CARD
from tests.worker.spoiling import SPOILS, Spoiler, spoiling

pytestmark = pytest.mark.sql
ANSWERS, SEED = int(os.environ.get("ANSWERS", "200")), int(os.environ.get("SEED", "0"))
ONE = r"/v1/connections/[^/?]+"
LISTS = ("/", "/requests/", "/requests/export.json", "/approvals/", "/operations/", "/catalog/", "/requests/new/")


class Life:
    """Requests whose calls are spoilt. Each method is one kind of call: it returns the request, and what shows it."""

    def __init__(self, spoiler: Spoiler, group: str) -> None:
        self.spoiler, self.group = spoiler, group
        self.number = 0
        # Several, since one person has limits of a minute.
        self._people = [(factories.person(), factories.person("approver")) for _ in range(10)]

    @property
    def cast(self) -> dict[str, User]:
        """Who asks and who decides this time."""
        return dict(zip(("requester", "approver"), self._people[self.number // len(KINDS) % 10], strict=True))

    def approved(self, name: str = "", **more: Any) -> ConnectionRequest:
        columns: dict[str, Any] = {"group_id": self.group, "config__table": "t"}
        columns |= {"config__schema": f"{name}spoilt_{self.number}", **more}
        return factories.approved(self.cast["requester"], self.cast["approver"], **columns)

    def created(self, name: str = "", **more: Any) -> ConnectionRequest:
        conn_request = self.approved(name, **more)
        worker.run("submit", conn_request.pk)
        conn_request.refresh_from_db()
        assert conn_request.state is Status.CREATED, conn_request.failure_message
        return conn_request

    def spoil(self, method: str, path: str, times: int = 1) -> None:
        wanted = re.compile(rf"{path}(\?.*)?")
        self.spoiler.next(self.number, lambda m, p: m == method and wanted.fullmatch(p) is not None, times)

    def create(self) -> ConnectionRequest:
        conn_request = self.approved()
        self.spoil("POST", "/v1/connections")
        worker.run("submit", conn_request.pk)
        return conn_request

    def look_up(self) -> ConnectionRequest:
        columns: dict[str, Any] = {"group_id": self.group, "config__schema": f"unclear_{self.number}"}
        conn_request = factories.request_in(Status.UNKNOWN, self.cast["requester"], self.cast["approver"], **columns)
        self.spoil("GET", "/v1/connections", times=9)
        ConnectionRequest.objects.filter(pk=conn_request.pk).update(next_lookup_at=Now())
        worker.run("reconcile", conn_request.pk)
        return conn_request

    def check(self) -> ConnectionRequest:
        conn_request = self.created()
        Connection.objects.filter(request=conn_request).update(check_due_at=Now())
        self.spoil("GET", ONE)
        worker.run("check", conn_request.pk)
        return conn_request

    def tests(self) -> ConnectionRequest:
        conn_request = self.created()
        workflow.rerun_tests(by=self.cast["requester"], conn_request=conn_request)
        self.spoil("POST", f"{ONE}/test")
        worker.run("run_tests", conn_request.pk)
        return conn_request

    def observe(self) -> ConnectionRequest:
        conn_request = self.created()
        Observation.objects.update(next_at=None)
        self.spoil("GET", "/v1/connections", times=9)
        worker.run("observe")
        return conn_request

    def syncs(self) -> ConnectionRequest:
        conn_request = self.created()
        Connection.objects.filter(request=conn_request).update(syncs_due_at=Now(), syncs_not_before=None)
        self.spoil("GET", f"{ONE}/sync-history", times=9)
        worker.run("read_syncs", conn_request.pk)
        return conn_request

    def change(self) -> ConnectionRequest:
        conn_request = self.created()
        change = workflow.ask_for_change(
            by=self.cast["requester"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month's end"
        )
        workflow.approve_change(by=self.cast["approver"], change=change, digest=change.digest)
        self.spoil("PATCH", ONE)
        worker.run("apply_change", change.pk)
        return conn_request

    def trust(self) -> ConnectionRequest:
        conn_request = self.created("finger_")
        run = Connection.objects.get(request=conn_request).runs.all()[0]
        [one] = [one for test in run.setup_tests.all() for one in trust_candidates.candidates(test.details)]
        workflow.approve_trust(
            by=self.cast["approver"], conn_request=conn_request, kind=one.kind, hash=one.hash, shown=one.digest
        )
        self.spoil("POST", f"{ONE}/fingerprints")
        worker.run("send_trust", Trust.objects.get(request=conn_request).pk)
        return conn_request

    def card(self) -> ConnectionRequest:
        conn_request = self.created(**CARD)
        handover = Handover.objects.get(request=conn_request)
        client = Client(raise_request_exception=False)
        client.force_login(self.cast["requester"])
        self.spoil("POST", f"{ONE}/connect-card")
        answer = client.post(f"/handover/{handover.token}/card/")
        assert faults_of(answer) == []
        assert answer.status_code != 302 or "injected" not in answer["Location"]
        assert faults_of(client.get(f"/handover/{handover.token}/")) == []
        return conn_request

    def dry_run(self) -> ConnectionRequest:
        columns: dict[str, Any] = {"group_id": self.group, "config__schema": f"tried_{self.number}"}
        conn_request = factories.draft(self.cast["requester"], **columns)
        workflow.ask_for_dry_run(by=self.cast["requester"], conn_request=conn_request)
        self.spoil("GET", "/v1/.*", times=20)
        worker.run("dry_run", conn_request.pk)
        return conn_request

    def offered(self) -> ConnectionRequest:
        """All that the catalog asks for; what was stored before comes back afterwards."""
        conn_request = self.approved()
        CatalogRefresh.objects.update(tried_at=None)
        self.spoil("GET", "/v1/(metadata|groups|destinations|account|private|proxy|hybrid).*", times=90)
        catalog.refresh_all()
        return conn_request


KINDS: tuple[Callable[[Life], ConnectionRequest], ...] = (
    *(Life.create, Life.look_up, Life.check, Life.tests, Life.observe, Life.syncs, Life.change, Life.trust),
    *(Life.card, Life.dry_run, Life.offered),
)


@pytest.fixture
def life(fivetran: Any, sandbox: processes.Sandbox, settings: Any) -> Iterator[Life]:
    settings.OPEN_REQUESTS = settings.SUBMISSIONS_PER_MINUTE = 0
    with spoiling(sandbox.url) as (url, spoiler):
        settings.FIVETRAN_BASE_URL = url
        account._known.clear()
        catalogs.fetched()
        yield Life(spoiler, catalog.destinations()[0].id)


@pytest.fixture
def pages(as_user: Any) -> Callable[[ConnectionRequest, bool], list[str]]:
    """What is wrong with the pages that show the request, and `all` others."""
    admin = as_user("admin", raise_request_exception=False)

    def look(conn_request: ConnectionRequest, every: bool) -> list[str]:
        requester = Client(raise_request_exception=False)
        requester.force_login(conn_request.requester)
        own = f"/requests/{conn_request.pk}/"
        found = [(own, requester), (f"{own}status/", requester)]
        found += [(f"/admin/connections/connectionrequest/{conn_request.pk}/change/", admin)]
        if every:
            found += [(own, admin), (f"{own}clone/", requester)]
            found += [(address, admin) for address in LISTS]
        return [f"{page}: {fault}" for page, client in found for fault in faults_of(client.get(page))]

    return look


def test_no_answer_breaks_a_job_or_a_page(life: Life, pages: Any) -> None:
    wrong: dict[int, Any] = {}
    spoilt: Counter[str] = Counter()
    entries, refreshes = list(CatalogEntry.objects.all()), list(CatalogRefresh.objects.all())
    for life.number in range(SEED, SEED + ANSWERS):
        kind = KINDS[life.number % len(KINDS)]
        life.spoiler.rest()
        CircuitBreaker.objects.all().delete()
        CircuitBreaker.objects.with_row()
        rate_limit._latest.clear()
        account._known.clear()
        try:
            conn_request = kind(life)
            spoilt[kind.__name__] += bool(life.spoiler.spoilt)
            notifications.send_due()
            found = pages(conn_request, life.number % 10 == 0 or kind is Life.offered)
        except Exception as error:  # noqa: BLE001  (each is one that a worker, or a person, would have met)
            found = [f"{type(error).__name__}: {error}"[:300]]
        if found:
            wrong[life.number] = (kind.__name__, found[:4])
        if kind is Life.offered:
            CatalogEntry.objects.all().delete()
            CatalogRefresh.objects.all().delete()
            CatalogEntry.objects.bulk_create(entries)
            CatalogRefresh.objects.bulk_create(refreshes)
    assert wrong == {}, dict(list(wrong.items())[:12])
    assert len(spoilt) == len(KINDS) and sum(spoilt.values()) >= 0.9 * ANSWERS, spoilt
    each_kind_in_each_way = len(SPOILS) * len(KINDS)  # their numbers have no common divisor
    assert each_kind_in_each_way > ANSWERS or min(spoilt.values()) >= 0.8 * len(SPOILS), spoilt
