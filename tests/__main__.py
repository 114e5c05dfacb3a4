"""`python -m tests`, behind `make test`: the suite on SQLite, then again on PostgreSQL, and what both need.

Arguments go to pytest. The exit status is pytest's, the worse of the two runs. With CI=true a missing browser or
PostgreSQL is a failure; elsewhere it is said, and those tests count as not run.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tests import processes, waiting

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
NO_TESTS = 5  # pytest's exit status when nothing was selected
# Real workers run on what production has, and only where a worker is killed within its writing on SQLite as well.
ON_SQLITE = "everywhere or not workers"
# Neither a browser nor a stopwatch sees which database is behind, nor does what only draws pages (see conftest.py).
ON_POSTGRESQL = "database and sql and not browser and (workers or not slow)"
# What mostly waits for real processes goes four at a time, what computes two at a time: so two processors are busy.
WAITS = "slow or browser"
COMPUTING, WAITING = ("-n", "2", "--dist", "worksteal"), ("-n", "4", "--dist", "worksteal")
BREAKS_DATABASE = "tests/faults/test_database.py"
Run = Callable[[str, dict[str, str], Sequence[str]], int]  # pytest: its name, environment and options


def main(chosen: Sequence[str]) -> int:
    """Run everything, or what is `chosen`; returns the exit status."""
    if not _browser() and IN_CI:
        return 1
    with ExitStack() as stack:
        try:
            url = stack.enter_context(processes.postgres())
        except (processes.Missing, OSError, subprocess.CalledProcessError) as error:
            status = max(on_sqlite(chosen), int(IN_CI))
            print(f"Not run on PostgreSQL: {error}")
            return status
        return max(on_sqlite(chosen), on_postgresql(url, chosen))


def on_sqlite(chosen: Sequence[str], run: Run | None = None) -> int:
    """The suite on SQLite; all of what is chosen."""
    run = run or _pytest
    return run("SQLite", {}, chosen) if chosen else _all(run, "SQLite", {}, ON_SQLITE)


def on_postgresql(url: str, chosen: Sequence[str], run: Run | None = None) -> int:
    """The suite on the server at `url`; the tests that break the server have it for themselves, afterwards."""
    run, environment = run or _pytest, {"DATABASE_URL": url}
    if chosen:  # perhaps tests without a database
        status = run("PostgreSQL", environment, ["-m", ON_POSTGRESQL, *chosen])
        return 0 if status == NO_TESTS else status
    together = _all(run, "PostgreSQL", environment, ON_POSTGRESQL, f"--ignore={BREAKS_DATABASE}")
    alone = run("PostgreSQL, broken", environment, ["-m", ON_POSTGRESQL, BREAKS_DATABASE])
    return max(together, alone)


def _all(run: Run, name: str, environment: dict[str, str], which: str, *options: str) -> int:
    computing = run(name, environment, ["-m", f"({which}) and not ({WAITS})", *options, *COMPUTING])
    chosen = ["-m", f"({which}) and ({WAITS})", *options, *WAITING, *waiting.files()]
    return max(computing, run(f"{name}, processes", environment, chosen))


def _pytest(name: str, environment: dict[str, str], options: Sequence[str]) -> int:
    print(f"== {name} ==", flush=True)
    return status_of([sys.executable, "-m", "pytest", "-q", *options], environment)


def status_of(command: Sequence[str], environment: dict[str, str]) -> int:
    """The exit status of `command`; of one that was killed as a shell says it, and no less than any failure."""
    env = {**os.environ, **environment}
    # Some images forbid compiled files: then each process of each part compiles and rewrites all tests anew.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    status = subprocess.run(command, env=env, cwd=processes.ROOT, check=False).returncode
    return status if status >= 0 else 128 - status


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
    sys.exit(main(sys.argv[1:]))
