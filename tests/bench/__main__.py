"""`python -m tests.bench [GOAL …]`, behind `make bench`: measures the goals and prints one table.

ROWS (100,000) and ROUNDS (3) are read from the environment, so that `make bench ROWS=10000` works. Nothing is written
into the project's folder. The exit status is 1 when a bar is missed or a goal could not be measured.
"""

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests import processes
from tests.bench.goals import GOALS
from tests.bench.readings import Reading, Site

SMALL_ROWS = 1_000
NOWHERE = {"redis_url": "unix:///nowhere/redis.sock?db=0", "fivetran_url": "http://127.0.0.1:9"}


@dataclass(frozen=True)
class Server:
    """A kind of database: `copy(name, of)` makes a new one, empty or like another, and returns its DATABASE_URL."""

    vendor: str
    copy: Callable[[str, str], str]


@contextlib.contextmanager
def sqlite() -> Iterator[Server]:
    """Files in a folder of our own."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:

        def copy(name: str, of: str = "") -> str:
            target = Path(folder) / f"{name}.sqlite3"
            if of:
                with (
                    contextlib.closing(sqlite3.connect(Path(folder) / f"{of}.sqlite3")) as source,
                    contextlib.closing(sqlite3.connect(target)) as new,
                ):
                    source.backup(new)
            return f"sqlite:///{target}"

        yield Server("SQLite", copy)


@contextlib.contextmanager
def postgresql() -> Iterator[Server]:
    """A server of our own that keeps its promises to the disk, as in production."""
    import psycopg

    with processes.postgres(durable=True) as url:
        home, _, name = url.partition("@/")[2].rpartition("/")

        def copy(name: str, of: str = "") -> str:
            with psycopg.connect(host=home, user="portal", dbname="template1", autocommit=True) as server:
                server.execute(f"CREATE DATABASE {name} TEMPLATE {of or 'template0'}".encode())
            return f"{url.rpartition('/')[0]}/{name}"

        yield Server("PostgreSQL", copy)


SERVERS = {"sqlite": sqlite, "postgresql": postgresql}


@dataclass
class Bench:
    """One run of the goals on one kind of database."""

    server: Server
    rows: int
    rounds: int
    environment: dict[str, str]

    def prepare(self) -> None:
        """A database with few requests and one with many."""
        self.small, self.large = (
            self._filled(name, rows) for name, rows in (("small", SMALL_ROWS), ("large", self.rows))
        )

    def _filled(self, name: str, rows: int) -> str:
        url = self.server.copy(name, "")
        env = {**self.environment, **processes.environment(database_url=url, **NOWHERE), "STATEMENT_TIMEOUT": "0"}
        _say(f"{self.server.vendor}: {rows:,} requests")
        for command in (["manage.py", "migrate", "-v0"], ["-m", "tests.bench.rows", str(rows)]):
            _run([sys.executable, *command], env)
        return url

    def measure(self, name: str) -> list[Reading]:
        """The readings of one goal; its own database, broker and sandbox live only as long as it does."""
        goal = GOALS[name]
        site = Site(self.server.vendor, self.small, self.large, self.rows, self.rounds)
        with contextlib.ExitStack() as stack:
            urls = {"database_url": self.large, **NOWHERE}
            if goal.writes:
                urls["database_url"] = self.server.copy(name.lower(), "large")
                urls["redis_url"] = stack.enter_context(processes.broker())
                urls["fivetran_url"] = stack.enter_context(processes.sandbox()).url
            env = {**self.environment, **processes.environment(**urls), **goal.environment}
            _say(f"{self.server.vendor}: {name} {goal.title}")
            printed = _run([sys.executable, "-m", "tests.bench.inside", name, json.dumps(asdict(site))], env)
        return [Reading(**reading) for reading in json.loads(printed.splitlines()[-1])]


def _run(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=processes.ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure what was asked for; returns the exit status."""
    options = _options()
    table: list[tuple[str, str, Reading]] = []
    missing = 0
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as scratch:
        static = str(Path(scratch) / "static")
        common = {
            "SECRET_KEY": "bench-only-" + "k" * 50,
            "STATIC_ROOT": static,
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "PYTHONWARNINGS": "ignore",
            "EMAIL_URL": "dummymail://",
        }
        env = {**common, **processes.environment(database_url=f"sqlite:///{scratch}/none", **NOWHERE)}
        _run([sys.executable, "manage.py", "collectstatic", "-v0", "--no-input"], env)
        for database in options.database or SERVERS:
            try:
                with SERVERS[database]() as server:
                    bench = Bench(server, options.rows, options.rounds, common)
                    bench.prepare()
                    for name in options.goals or GOALS:
                        try:
                            table += [(name, server.vendor, reading) for reading in bench.measure(name)]
                        except subprocess.CalledProcessError:
                            _say(f"{name} could not be measured on {server.vendor}")
                            missing += 1
            except processes.Missing as reason:
                _say(f"not measured on {database}: {reason}")
                missing += os.environ.get("CI", "").lower() in {"1", "true"}
    _print(table, options.rows, options.rounds)
    missed = sum(reading.met is False for *_, reading in table)
    print(f"{missed} bars missed, {missing} goals not measured." if missed or missing else "Every bar is kept.")
    return 1 if missed or missing else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"of {', '.join(GOALS)}; all unless named")
    parser.add_argument("--rows", type=int, default=int(os.environ.get("ROWS", "100000")))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "3")))
    parser.add_argument("--database", action="append", choices=list(SERVERS), help="both unless named")
    options = parser.parse_args()
    if unknown := [name for name in options.goals if name not in GOALS]:
        parser.error(f"no such goal: {', '.join(unknown)}")
    return options


def _print(table: list[tuple[str, str, Reading]], rows: int, rounds: int) -> None:
    print(
        f"\n{rows:,} requests, medians of {rounds} rounds, "
        f"Python {sys.version.split()[0]}, {os.cpu_count()} processors\n"
    )
    lines = [("goal", "database", "what", "measured", "bar", "met?")]
    for name, vendor, reading in sorted(table, key=lambda line: list(GOALS).index(line[0])):
        shown = reading.what + (f" ({reading.beside})" if reading.beside else "")
        bar = "" if reading.bar is None else f"<= {_number(reading.bar, reading.unit)}"
        met = {None: "reported", True: "yes", False: "NO"}[reading.met]
        lines.append((name, vendor, shown, _number(reading.measured, reading.unit), bar, met))
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    print()


def _number(value: float, unit: str) -> str:
    if unit == "x":
        return f"{value:.2f} x"
    return f"{value:.0f} {unit}" if value >= 100 or value == int(value) else f"{value:.1f} {unit}"


if __name__ == "__main__":
    sys.exit(main())
