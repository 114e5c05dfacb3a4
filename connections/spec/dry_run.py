"""A dry run of a request: what is looked at, in which order, and what came of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connections.states import Owner


class Check(StrEnum):
    """In the order in which people read them; the pages carry the values as `data-check`."""

    ACCOUNT = "account"
    RIGHTS = "rights"
    DESTINATION = "destination"
    NAME = "name"
    SERVICE = "service"
    CONFIG = "config"
    NETWORKING = "networking"
    BUDGET = "budget"
    REQUEST = "request"
    SANDBOX = "sandbox"


TITLES = {
    Check.ACCOUNT: "Key and account",
    Check.RIGHTS: "Rights of the key",
    Check.DESTINATION: "Destination",
    Check.NAME: "Name there",
    Check.SERVICE: "Service",
    Check.CONFIG: "Settings of the service",
    Check.NETWORKING: "Networking",
    Check.BUDGET: "Calls to Fivetran",
    Check.REQUEST: "What would be sent",
    Check.SANDBOX: "The sandbox's answer",
}


class CheckState(StrEnum):
    """The pages carry the values as `data-check-state`."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    NOT_POSSIBLE = "not_possible"
    RUNNING = "running"


WORDS = {
    CheckState.PASSED: "passed",
    CheckState.WARNING: "warning",
    CheckState.FAILED: "failed",
    CheckState.NOT_POSSIBLE: "not possible",
    CheckState.RUNNING: "running",
}
BAD = (CheckState.WARNING, CheckState.FAILED)


@dataclass(frozen=True)
class Result:
    """What came of a check: `sentences` for people, and what was said over the wire (texts that may be anything)."""

    check: Check
    state: CheckState
    sentences: tuple[str, ...] = ()
    acts: Owner = Owner.NOBODY
    exchanges: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        plain = {"check": self.check.value, "state": self.state.value, "acts": self.acts.value}
        return {**plain, "sentences": list(self.sentences), "exchanges": [dict(one) for one in self.exchanges]}


def results_in(stored: Iterable[Mapping[str, Any]], *, running: bool) -> list[Result]:
    """All checks in order; without a result one is running, or was not reached."""
    found = {one.check: one for one in map(_result, stored) if one is not None}
    return [
        found.get(check) or (Result(check, CheckState.RUNNING) if running else not_reached(check)) for check in Check
    ]


def not_reached(check: Check) -> Result:
    return Result(check, CheckState.NOT_POSSIBLE, ("The test ended before this was reached. Test it again.",))


def _result(stored: Mapping[str, Any]) -> Result | None:
    # While a new version is rolled out, an older one reads what it does not know.
    try:
        return Result(
            Check(stored["check"]),
            CheckState(stored["state"]),
            tuple(map(str, stored["sentences"])),
            Owner(stored["acts"]),
            tuple(map(dict, stored["exchanges"])),
        )
    except (KeyError, TypeError, ValueError):
        return None


def summary(results: Iterable[Result]) -> str:
    """As "8 passed, 1 warning, 1 failed"."""
    counted = Counter(one.state for one in results)
    return ", ".join(f"{counted[state]} {_counted(state, counted[state])}" for state in CheckState if counted[state])


def _counted(state: CheckState, count: int) -> str:
    return "warnings" if state is CheckState.WARNING and count > 1 else WORDS[state]
