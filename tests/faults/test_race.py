"""Sixteen processes claim one row at once, three hundred times, on both databases: one of them gets it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import processes

ROUNDS, PROCESSES = 300, 16


@contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[str]:
    """The DATABASE_URL of an empty database of that kind."""
    with ExitStack() as stack:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/race.sqlite3"
            return
        try:
            yield stack.enter_context(processes.postgres())
        except processes.Missing as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(missing))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_exactly_one_claims_it(tmp_path: Path, kind: str) -> None:
    """Fault 19 at its hardest: the claim itself, without a broker or a worker around it."""
    with fresh_database(kind, tmp_path) as url:
        # The account of Fivetran is not asked and the messages are not heard: nothing here answers.
        env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings", "LOG_LEVEL": "CRITICAL"}
        command = [sys.executable, "-m", "tests.faults.race", str(ROUNDS), str(PROCESSES)]
        run = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    assert json.loads(run.stdout) == [1] * ROUNDS
