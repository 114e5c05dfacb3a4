"""The panel "Test request": the last dry run of a request, live while it goes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import blake2s
from typing import Any

from django.forms.utils import flatatt
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from connections import permissions
from connections.models import ConnectionRequest, DryRun
from connections.spec.dry_run import BAD, TITLES, WORDS, Check, CheckState, Result, summary
from connections.states import Owner

LIVE, WAITING = 1, 5  # seconds between two looks at a run, and at one that no worker has taken up for a while
_SOON = timedelta(seconds=30)
_TONES = {
    CheckState.PASSED: ("success", "check-circle"),
    CheckState.WARNING: ("warning", "exclamation-triangle"),
    CheckState.FAILED: ("danger", "x-circle"),
    CheckState.NOT_POSSIBLE: ("secondary", "minus-circle"),
    CheckState.RUNNING: ("info", "arrow-path"),
}


@dataclass(frozen=True)
class Exchange:
    """A call and its answer, or, with `headers`, what would be sent."""

    said: Mapping[str, Any]

    @property
    def line(self) -> str:
        return f"{self.said['method']} {self.said['address']}"

    @property
    def outcome(self) -> str:
        if "body" in self.said:
            return "not sent"
        status = f"HTTP {self.said['status']}" if self.said["status"] else "no answer"
        return f"{status} in {self.said['milliseconds']} ms"

    @property
    def text(self) -> str:
        headers = "".join(f"{name}: {value}\n" for name, value in self.said.get("headers", {}).items())
        return f"{headers}\n{self.said['body']}" if headers else str(self.said["answer"])


@dataclass(frozen=True)
class CheckLine:
    result: Result

    @property
    def title(self) -> str:
        return TITLES[self.result.check]

    @property
    def word(self) -> str:
        return WORDS[self.result.state]

    @property
    def tone(self) -> str:
        return _TONES[self.result.state][0]

    @property
    def icon(self) -> str:
        return _TONES[self.result.state][1]

    @property
    def acts(self) -> str:
        return "" if self.result.acts is Owner.NOBODY else self.result.acts.label

    @property
    def exchanges(self) -> list[Exchange]:
        return [Exchange(said) for said in self.result.exchanges]

    @property
    def counted(self) -> str:
        if any("body" in said for said in self.result.exchanges):
            return "The call and its body"
        return "The answer" if len(self.result.exchanges) == 1 else f"{len(self.result.exchanges)} answers"


@dataclass(frozen=True)
class Panel:
    """`run` is None where the request was never tested, and `row` where it is not stored yet. `page` is the address of
    the page that shows it; `in_short` says whether that page has the line for whoever decides, too.
    """

    row: ConnectionRequest | None = None
    run: DryRun | None = None
    page: str = ""
    in_short: bool = False

    @property
    def url(self) -> str:
        return reverse("connections:test_request", args=[self.row.pk]) if self.row else ""

    @property
    def is_running(self) -> bool:
        return self.run is not None and self.run.is_running

    @property
    def shows_last(self) -> bool:
        """Whether no worker has taken it up for a while, and what is shown is what the one before found."""
        return self.run is not None and self.run.shows_last and not self._is_soon

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun after a while: no worker is free, or an operator paused this kind of work."""
        return self.run is not None and self.run.is_running and not self._is_soon and not self.run.has_begun

    @property
    def _is_soon(self) -> bool:
        return self.run is not None and timezone.now() - self.run.asked_at < _SOON

    @property
    def is_stale(self) -> bool:
        shown = self.shows_last or not self.is_running
        return shown and self.run is not None and self.row is not None and self.run.is_stale_for(self.row)

    @property
    def changed(self) -> str:
        waits = ": a new test waits" if self.shows_last else ""
        return f"{waits}: the request has changed since" if self.is_stale else waits

    @cached_property
    def results(self) -> list[Result]:
        if self.run is None:
            return []
        begins = self.run.shows_last and not self.shows_last
        return [Result(check, CheckState.RUNNING) for check in Check] if begins else self.run.results

    @property
    def checks(self) -> list[CheckLine]:
        return [CheckLine(one) for one in self.results]

    @property
    def said(self) -> str:
        """As "8 passed, 1 warning, 1 failed"."""
        counted = summary(self.results)
        return f"Testing: {counted}" if self.is_running and not self.shows_last else counted

    @property
    def did(self) -> str:
        return "Asked for" if self.is_running and not self.shows_last else "Tested"

    @property
    def at(self) -> datetime | None:
        ended = self.run and (self.shows_last or not self.is_running) and self.run.finished_at
        return ended or (self.run.asked_at if self.run else None)

    @property
    def tone(self) -> str:
        """Of the worst check; nothing is well where something could not be looked at, but for the sandbox's answer."""
        if self.is_running and not self.shows_last:
            return "info"
        found = {one.check: one.state for one in self.results}
        if worst := next((state for state in (CheckState.FAILED, *BAD) if state in found.values()), None):
            return _TONES[worst][0]
        found.pop(Check.SANDBOX, None)
        return _TONES[CheckState.PASSED if {*found.values()} == {CheckState.PASSED} else CheckState.NOT_POSSIBLE][0]

    @property
    def seen(self) -> str:
        """Changes when the panel would look different, ages aside."""
        run = self.run
        marks = [run and (run.asked_at, run.finished_at, run.is_running, run.has_begun), self._pause, self.changed]
        shown = [(one.check.value, one.state.value) for one in self.results]
        return blake2s(repr([*marks, shown]).encode(), digest_size=9).hexdigest()

    @property
    def _pause(self) -> int:
        return LIVE if self._is_soon else WAITING

    @property
    def polling(self) -> str:
        """The attributes of the part that asks for its next version while the run goes."""
        if not self.is_running:
            return ""
        tells = json.dumps({"seen": self.seen, **({"short": "1"} if self.in_short else {})})
        trigger = f"every {self._pause}s"
        return flatatt({"hx-get": self.url, "hx-vals": tells, "hx-trigger": trigger, "hx-swap": "none"})


def live(request: HttpRequest, conn_request: ConnectionRequest, refused: str = "") -> HttpResponse:
    """The panel for the page that has it open, 204 while that shows it (`seen`); `refused`: why no other run began."""
    in_short = "short" in request.GET and permissions.can_decide(request.user, conn_request)
    panel = panel_of(conn_request, in_short=in_short)
    if request.GET.get("seen") == panel.seen:
        return HttpResponse(status=204)
    return render(request, "connections/dry_run/_live.html", {"panel": panel, "swap": True, "refused": refused})


def panel_of(conn_request: ConnectionRequest, page: str = "", *, in_short: bool = False) -> Panel:
    """A query where `dry_run` was not read with the request, and one for who asked. `page`: if not the request's."""
    page = page or reverse("connections:request", args=[conn_request.pk])
    return Panel(conn_request, getattr(conn_request, "dry_run", None), page, in_short)
