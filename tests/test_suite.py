"""The exit status of the suite itself: no run that failed, was killed or ran nothing is taken for one that passed."""

import subprocess
from typing import Any

import pytest

from tests import __main__ as suite


def test_a_killed_run_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -9))
    assert suite._pytest("SQLite", {}, []) == 137


@pytest.mark.parametrize(
    ("chosen", "together", "alone", "status"),
    [([], 0, 0, 0), ([], 1, 0, 1), ([], 1, 5, 5), ([], 0, 5, 5), (["tests/spec/test_rules.py"], 5, 0, 0)],
)
def test_only_a_choice_may_hold_nothing_for_postgresql(
    monkeypatch: pytest.MonkeyPatch, chosen: list[str], together: int, alone: int, status: int
) -> None:
    def ended(name: str, *_: Any) -> int:
        return alone if name == "PostgreSQL, broken" else together

    monkeypatch.setattr(suite, "_pytest", ended)
    monkeypatch.setattr("sys.argv", ["tests", *chosen])
    assert suite._on_postgresql("postgresql://portal@/x/postgres") == status
