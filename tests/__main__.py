"""`python -m tests`, behind `make test`: the suite on SQLite, then again on PostgreSQL, and what both need.

Arguments go to pytest. The exit status is pytest's, the worse of the two runs. With CI=true a missing browser or
PostgreSQL is a failure; elsewhere it is said, and those tests count as not run.
"""

import os
import shutil
import subprocess
import sys

from tests import processes

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
NO_TESTS = 5  # pytest's exit status when nothing was selected
ELSEWHERE = "not browser and not slow"  # a browser and a stopwatch do not see which database is behind


def main() -> int:
    """Run everything; returns the exit status."""
    if not _browser() and IN_CI:
        print("There is no Chromium and it could not be installed (Debian: apt-get install chromium).")
        return 1
    worst = _pytest("SQLite", {}, [])
    try:
        with processes.postgres() as url:
            status = _pytest("PostgreSQL", {"DATABASE_URL": url}, ["-m", ELSEWHERE])
    except (processes.Missing, OSError, subprocess.CalledProcessError) as error:
        print(f"Not run on PostgreSQL: {error}")
        status = 1 if IN_CI else 0
    return max(worst, 0 if status == NO_TESTS else status)


def _pytest(name: str, environment: dict[str, str], options: list[str]) -> int:
    print(f"== {name} ==", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", *options, *sys.argv[1:]]
    return subprocess.run(command, env={**os.environ, **environment}, cwd=processes.ROOT, check=False).returncode


def _browser() -> bool:
    """Whether Chromium is here, after trying to install it where Debian's packages can be."""
    if _find_browser():
        return True
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, check=False)
    if not _find_browser():
        print("Chromium is missing, so the browser tests are not run. Debian: apt-get install chromium")
    return _find_browser()


def _find_browser() -> bool:
    return bool(os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome"))


if __name__ == "__main__":
    sys.exit(main())
