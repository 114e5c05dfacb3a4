"""The panel "Test request": the last dry run of a request, live while it goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.forms.utils import flatatt
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from connections.models import ConnectionRequest, DryRun
from connections.spec.dry_run import BAD, TITLES, WORDS, CheckState, Result, summary
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
    """`run` is None where the request was never tested, and `row` where it is not stored yet."""

    row: ConnectionRequest | None = None
    run: DryRun | None = None

    @property
    def url(self) -> str:
        return reverse("connections:test_request", args=[self.row.pk]) if self.row else ""

    @property
    def is_running(self) -> bool:
        return self.run is not None and self.run.is_running

    @property
    def is_stale(self) -> bool:
        return self.run is not None and self.row is not None and self.run.is_stale_for(self.row)

    @property
    def changed(self) -> str:
        return ": the request has changed since" if self.is_stale else ""

    @property
    def checks(self) -> list[CheckLine]:
        return [CheckLine(one) for one in self.run.results] if self.run else []

    @property
    def said(self) -> str:
        """As "8 passed, 1 warning, 1 failed"."""
        counted = summary(self.run.results) if self.run else ""
        return f"Testing: {counted}" if self.is_running else counted

    @property
    def tone(self) -> str:
        """Of the worst check."""
        if self.is_running:
            return "info"
        states = {one.state for one in self.run.results} if self.run else set()
        return next((_TONES[state][0] for state in (CheckState.FAILED, *BAD) if state in states), "success")

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun after a while: no worker is free, or an operator paused this kind of work."""
        return self.is_running and not self._is_soon and not (self.run and self.run.checks)

    @property
    def _is_soon(self) -> bool:
        return self.run is not None and timezone.now() - self.run.asked_at < _SOON

    @property
    def polling(self) -> str:
        """The attributes of the part that asks for its next version while the run goes."""
        if not self.is_running:
            return ""
        seconds = LIVE if self._is_soon else WAITING
        return flatatt({"hx-get": self.url, "hx-trigger": f"every {seconds}s", "hx-swap": "none"})


def live(request: HttpRequest, conn_request: ConnectionRequest, refused: str = "") -> HttpResponse:
    """The panel for the page that has it open; `refused` says why no other run began."""
    shown = {"panel": panel_of(conn_request), "swap": True, "refused": refused}
    return render(request, "connections/dry_run/_live.html", shown)


def panel_of(conn_request: ConnectionRequest) -> Panel:
    """A query where `dry_run` was not read with the request, and one for who asked."""
    return Panel(conn_request, getattr(conn_request, "dry_run", None))
