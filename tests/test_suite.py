"""The exit status of the suite itself: no run that failed, was killed or ran nothing is taken for one that passed."""

import sys
from collections.abc import Sequence

import pytest

from tests import __main__ as suite

EVERYTHING: list[str] = []


def test_a_killed_run_is_a_failure() -> None:
    assert suite.status_of([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], {}) == 137


def test_what_a_part_compiled_is_there_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert suite.status_of([sys.executable, "-c", "import sys; sys.exit(sys.dont_write_bytecode)"], {}) == 0


@pytest.mark.parametrize(
    ("chosen", "together", "alone", "status"),
    [(EVERYTHING, 0, 0, 0), (EVERYTHING, 1, 0, 1), (EVERYTHING, 1, 5, 5), (EVERYTHING, 0, 5, 5)]
    + [(["tests/spec/test_rules.py"], 5, 0, 0)],
)
def test_only_a_choice_may_hold_nothing_for_postgresql(
    chosen: list[str], together: int, alone: int, status: int
) -> None:
    def ended(name: str, _environment: dict[str, str], _options: Sequence[str]) -> int:
        return alone if name == "PostgreSQL, broken" else together

    assert suite.on_postgresql("postgresql://portal@/x/postgres", chosen, ended) == status


@pytest.mark.parametrize("failing", ["SQLite", "SQLite, processes", "PostgreSQL", "PostgreSQL, processes"])
def test_each_part_counts(failing: str) -> None:
    def ended(name: str, _environment: dict[str, str], _options: Sequence[str]) -> int:
        return int(name == failing)

    here, there = suite.on_sqlite(EVERYTHING, ended), suite.on_postgresql("postgresql://portal@/x/x", EVERYTHING, ended)
    assert max(here, there) == 1


def test_what_is_chosen_runs_whole_on_sqlite() -> None:
    ran: list[tuple[str, Sequence[str]]] = []

    def noted(name: str, _environment: dict[str, str], options: Sequence[str]) -> int:
        ran.append((name, options))
        return 0

    assert suite.on_sqlite(["tests/spec"], noted) == 0 and ran == [("SQLite", ["tests/spec"])]
