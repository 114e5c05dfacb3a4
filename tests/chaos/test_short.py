"""A short randomised run on every run of the suite; the long ones are `make chaos`."""

import re
import subprocess
import sys

import pytest

from tests import processes

LAST = re.compile(r"requests=40 faults=(\d+) duplicates=0 lost=0 wrong=0 settled_s=\d")


@pytest.mark.slow
def test_forty_requests_under_faults() -> None:
    command = [sys.executable, "-m", "tests.chaos", "REQUESTS=40", "SEED=3", "DATABASE=sqlite"]
    run = subprocess.run(command, cwd=processes.ROOT, capture_output=True, text=True, timeout=400, check=False)
    last = run.stdout.strip().splitlines()[-1]
    found = LAST.match(last)
    assert run.returncode == 0, run.stdout[-3000:]
    assert found, last
    assert int(found[1]) > 0
