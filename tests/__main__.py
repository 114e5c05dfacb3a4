"""`python -m tests`, behind `make test`: the suite on SQLite, then again on PostgreSQL, and what both need.

Arguments go to pytest. The exit status is pytest's, the worse of the two runs. With CI=true a missing browser or
PostgreSQL is a failure; elsewhere it is said, and those tests count as not run.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from tests import processes

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
NO_TESTS = 5  # pytest's exit status when nothing was selected
# A browser and a stopwatch do not see which database is behind, and most tests have none. Real workers run on what
# production has, and only where a worker is killed within its writing on SQLite as well.
ON_SQLITE = "everywhere or not workers"
ON_POSTGRESQL = "database and not browser and (workers or not slow)"
# Half of the suite is waiting for real processes, which two runs do side by side.
SIDE_BY_SIDE = ("-n", "2", "--dist", "worksteal")
BREAKS_DATABASE = "tests/faults/test_database.py"


def main() -> int:
    """Run everything; returns the exit status."""
    if not _browser() and IN_CI:
        return 1
    with ExitStack() as stack:
        try:
            url = stack.enter_context(processes.postgres())
        except (processes.Missing, OSError, subprocess.CalledProcessError) as error:
            status = max(_pytest("SQLite", {}, []), int(IN_CI))
            print(f"Not run on PostgreSQL: {error}")
            return status
        here = _pytest("SQLite", {}, [] if sys.argv[1:] else ["-m", ON_SQLITE])
        there = _on_postgresql(url)
    return max(here, there)


def _on_postgresql(url: str) -> int:
    """The suite on the server at `url`; the tests that break the server have it for themselves, afterwards."""
    if sys.argv[1:]:  # perhaps tests without a database
        status = _pytest("PostgreSQL", {"DATABASE_URL": url}, ["-m", ON_POSTGRESQL])
        return 0 if status == NO_TESTS else status
    together = _pytest("PostgreSQL", {"DATABASE_URL": url}, ["-m", ON_POSTGRESQL, f"--ignore={BREAKS_DATABASE}"])
    alone = _pytest("PostgreSQL, broken", {"DATABASE_URL": url}, ["-m", ON_POSTGRESQL], [BREAKS_DATABASE])
    return max(together, alone)


def _pytest(name: str, environment: dict[str, str], options: list[str], chosen: Sequence[str] = ()) -> int:
    print(f"== {name} ==", flush=True)
    chosen = chosen or sys.argv[1:] or SIDE_BY_SIDE
    command = [sys.executable, "-m", "pytest", "-q", *options, *chosen]
    status = subprocess.run(command, env={**os.environ, **environment}, cwd=processes.ROOT, check=False).returncode
    return status if status >= 0 else 128 - status  # killed: as a shell says it, and no less than any failure


def _browser() -> bool:
    """Whether there is a browser to drive, after trying to install it where Debian's packages can be."""
    try:
        processes.chromium()
    except processes.Missing:
        _install("chromium", "libatomic1")
    try:
        processes.chromium()
    except processes.Missing as missing:
        print(f"The browser tests are not run. {missing}")
        return False
    return True


def _install(*packages: str) -> None:
    """Install Debian's packages, where that is possible; whether it worked is seen by whoever needs them."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print(f"Installing {' and '.join(packages)} for the browser tests", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.exit(main())
