"""The timeline of a request, newest first: every move, every run of the setup tests, the calls that tell more."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from django.contrib.auth.models import User
from django.utils.html import format_html

from connections.models import Attempt, Connection, ConnectionRequest, Ending, Event, EventKind, SetupTestRun
from connections.people import display_name
from connections.spec import characters
from connections.spec.fields import BY_PATH
from connections.states import Actor, Status
from connections.views import labels
from connections.views.request_page import compare_runs, queries

MOST = 200  # entries of each kind that a page shows
MOST_RUNS = 20
MOST_PASSED = 5  # tests that passed which are shown one by one

_ACTORS: dict[str, str] = {Actor.WORKER: "the portal", Actor.SWEEPER: "the portal", Actor.RECONCILER: "the portal"}
_ROUTINE = frozenset(Attempt.Call) - {Attempt.Call.CREATE, Attempt.Call.LOOK_UP}
_WHY = {
    "NotSent": "Fivetran was not reached; nothing was sent.",
    "RateLimited": "Fivetran asked us to wait.",
    "Unauthorized": "Fivetran did not accept the portal's API key.",
    "Unknown": "No clear answer.",
}


@dataclass(frozen=True)
class Changed:
    """A field in the words of the form, with what it held and holds."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Entry:
    """`by` is the account of who did it; `machine` marks a step of the portal on the way of a request."""

    at: datetime
    title: str
    who: str = ""
    text: str = ""
    tone: str = "secondary"
    by: User | None = None
    machine: bool = False
    is_call: bool = False
    changed: list["Changed"] = field(default_factory=list)

    @property
    def template(self) -> str:
        return "connections/request_page/_entry.html"


@dataclass(frozen=True)
class Group:
    """Steps of the portal between two of people, told by the last of them; the others are folded."""

    entries: list[Entry]

    @property
    def template(self) -> str:
        return "connections/request_page/_entries.html"

    @property
    def last(self) -> Entry:
        return next((entry for entry in self.entries if not entry.is_call), self.entries[0])

    @property
    def words(self) -> str:
        took = self.last.at - self.entries[-1].at
        calls = sum(entry.is_call for entry in self.entries)
        told = [f"in {labels.duration(int(took.total_seconds() * 1000))}"]
        return ", ".join([*told, *([f"{calls} call{'' if calls == 1 else 's'}"] if calls else [])])


@dataclass(frozen=True)
class Run:
    """The tests of a run, failed ones first, and their number by status."""

    row: SetupTestRun
    tests: list[Any]
    summary: str
    changes: list[str]  # against the run before, in sentences; each test has its `mark`

    @property
    def passed(self) -> list[Any]:
        """The tests that passed, where they are so many that they are folded."""
        found = [test for test in self.tests if test.status == "PASSED"]
        return found if len(found) > MOST_PASSED else []

    @property
    def in_sight(self) -> list[Any]:
        return [test for test in self.tests if test.status != "PASSED"] if self.passed else self.tests

    @property
    def none_in_sight(self) -> str:
        return "" if self.passed else "Fivetran named no tests."

    @property
    def asked_for(self) -> str:
        if self.row.asked_by is None:
            return ""
        return format_html(" · asked for by <bdi>{}</bdi>", characters.visible(display_name(self.row.asked_by)))


def runs_of(connection: Connection | None) -> list[Run]:
    if connection is None:
        return []
    rows = list(connection.runs.select_related("asked_by").prefetch_related("setup_tests")[:MOST_RUNS])
    older: list[SetupTestRun | None] = [*rows[1:], None]
    return [_run_of(row, before) for row, before in zip(rows, older, strict=False)]


def _run_of(row: SetupTestRun, before: SetupTestRun | None) -> Run:
    tests = list(row.setup_tests.all())
    told = [(test.title, test.status) for test in tests]
    earlier = [(test.title, test.status) for test in before.setup_tests.all()] if before else None
    compared = compare_runs.compare(told, earlier)
    for test, (key, _) in zip(tests, compare_runs.keys(told), strict=True):
        test.mark = compared.marks.get(key, "")  # type: ignore[attr-defined]  # read by the template alone
    tests.sort(key=lambda test: (rank(test.status), test.position))
    counted = Counter(test.status for test in tests)
    summary = ", ".join(f"{count} {status.lower().replace('_', ' ')}" for status, count in counted.items())
    return Run(row, tests, summary or "no tests", compared.sentences)


def rank(status: str) -> int:
    if status in labels.FAILED_TESTS:
        return 0
    return 2 if status in ("PASSED", "SKIPPED") else 1


def entries(conn_request: ConnectionRequest, attempts: Iterable[Attempt], runs: Iterable[Run]) -> list[Entry]:
    # At the same moment the move comes before the call that it led to.
    events = conn_request.events.exclude(kind__in=queries.TOLD_ELSEWHERE).select_related("by")[:MOST]
    found = [(event.at, 0, event.pk, entry_of_event(event)) for event in events]
    found += [(one.started_at, 1, one.pk, entry_of_attempt(one)) for one in attempts if not is_routine(one)]
    found += [
        (run.row.finished_at, 2, run.row.pk, Entry(run.row.finished_at, "Setup tests finished", text=run.summary))
        for run in runs
    ]
    found.sort(key=lambda item: item[:3], reverse=True)
    return [entry for *_order, entry in found]


def grouped(found: list[Entry]) -> list[Entry | Group]:
    shown: list[Entry | Group] = []
    for machine, part in groupby(found, key=lambda entry: entry.machine):
        entries_of_part = list(part)
        if machine and len(entries_of_part) > 1:
            shown.append(Group(entries_of_part))
        else:
            shown += entries_of_part
    return shown


def is_routine(attempt: Attempt) -> bool:
    # Another entry says what came of such a call, or nothing did; the table of calls has it.
    well = attempt.ending == Ending.ANSWERED and attempt.http_status is not None and attempt.http_status < 300
    return well and attempt.call in _ROUTINE


def entry_of_event(event: Event) -> Entry:
    detail = event.detail if isinstance(event.detail, dict) else {}
    who = "" if event.by else detail.get("who") or _ACTORS.get(event.actor, event.actor)
    if event.kind != EventKind.MOVED:
        title, tone = labels.EVENTS[EventKind(event.kind)]
        text = event.reason or str(detail.get("why", ""))
        return Entry(event.at, title, who, text, tone, event.by, changed=changed_of(detail))
    target = Status(event.target)
    if event.source == target:
        title = "Changed and submitted again"
    elif target is Status.DRAFT:
        title = "Draft saved"
    elif target is Status.PENDING:
        title = "Submitted again" if event.source == Status.CHANGES_REQUESTED else "Submitted for approval"
    else:
        title = "Adopted: it was made elsewhere" if detail.get("adopted") else target.label
    why = detail.get("why", "")
    text, machine = event.reason or _WHY.get(str(why), str(why)), Actor(event.actor) in _ACTORS
    tone = labels.tone(target)
    return Entry(event.at, title, who, text, tone, event.by, machine, changed=changed_of(detail))


def changed_of(detail: dict[str, Any], label: Callable[[str], str] | None = None) -> list[Changed]:
    """What an event tells of fields, as people read it; nothing where its detail has another shape."""
    told = detail.get("changed")
    rows = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return [
        Changed((label or label_of)(str(one.get("field", ""))), *(_words(one.get(k)) for k in ("before", "after")))
        for one in rows
    ]


def label_of(path: str) -> str:
    found = BY_PATH.get(path)
    return found.label if found else path.removeprefix("config.").replace("_", " ")


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "—" if value in (None, "", [], {}) else str(value)


def entry_of_attempt(attempt: Attempt) -> Entry:
    tone = {Ending.ANSWERED: "success", Ending.OPEN: "info"}.get(Ending(attempt.ending), "warning")
    return Entry(
        attempt.started_at, attempt.get_call_display(), text=answer_of(attempt), tone=tone, machine=True, is_call=True
    )


def answer_of(attempt: Attempt) -> str:
    status = f"HTTP {attempt.http_status}" if attempt.http_status else ""
    return " · ".join(part for part in (Ending(attempt.ending).label, status, attempt.code) if part)
