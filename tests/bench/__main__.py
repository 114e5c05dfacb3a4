"""`python -m tests.bench [GOAL …]`, behind `make bench`: measures the goals and prints one table.

ROWS (100,000) and ROUNDS (3) are read from the environment, so that `make bench ROWS=10000` works. With BASE=<commit>
the same goals are measured on that commit as well, round by round in turn, and the table says how the two compare.
Nothing is written into the project's folder. The exit status is 1 when a bar is missed or a goal could not be measured.
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
from tests.bench.checkout import HERE, Checkout, Unusable, earlier
from tests.bench.goals import GOALS
from tests.bench.readings import Reading, Site
from tests.bench.table import Line, as_table, compared, heading

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
    """One run of the goals by one checkout on one kind of database."""

    server: Server
    rows: int
    environment: dict[str, str]
    of: Checkout = HERE

    def prepare(self) -> None:
        """Collected static files, a database with few requests and one with many."""
        self.environment = {**self.environment, "STATIC_ROOT": f"{self.environment['STATIC_ROOT']}-{self.of.label}"}
        env = {**self.environment, **processes.environment(database_url="sqlite:////nowhere/none", **NOWHERE)}
        self._run(["manage.py", "collectstatic", "-v0", "--no-input"], env)
        self.small, self.large = (
            self._filled(name, rows) for name, rows in (("small", SMALL_ROWS), ("large", self.rows))
        )

    def _filled(self, size: str, rows: int) -> str:
        url = self.server.copy(self._name(size), "")
        env = {**self.environment, **processes.environment(database_url=url, **NOWHERE), "STATEMENT_TIMEOUT": "0"}
        _say(f"{self.server.vendor}, {self.of.label}: {rows:,} requests")
        for command in (["manage.py", "migrate", "-v0"], ["-m", "tests.bench.rows", str(rows)]):
            self._run(command, env)
        return url

    def _name(self, what: str) -> str:
        """A database's name; each checkout has its own."""
        return f"{what}_{self.of.label}".lower()

    def measure(self, name: str, rounds: int, turn: int = 0) -> list[Reading]:
        """The readings of one goal; its own database, broker and sandbox live only as long as it does."""
        goal = GOALS[name]
        site = Site(self.server.vendor, self.small, self.large, self.rows, rounds)
        with contextlib.ExitStack() as stack:
            urls = {"database_url": self.large, **NOWHERE}
            if goal.writes:
                urls["database_url"] = self.server.copy(self._name(f"{name}_{turn}"), self._name("large"))
                urls["redis_url"] = stack.enter_context(processes.broker())
                urls["fivetran_url"] = stack.enter_context(processes.sandbox()).url
            env = {**self.environment, **processes.environment(**urls), **goal.environment}
            _say(f"{self.server.vendor}, {self.of.label}: {name} {goal.title}")
            printed = self._run(["-m", "tests.bench.inside", name, json.dumps(asdict(site))], env)
        return [Reading(**reading) for reading in json.loads(printed.splitlines()[-1])]

    def _run(self, command: list[str], env: dict[str, str]) -> str:
        done = subprocess.run(
            [self.of.python, *command],
            cwd=self.of.root,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            check=True,
        )
        return done.stdout.decode()


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure what was asked for; returns the exit status."""
    options = _options()
    table: list[Line] = []
    missing = 0
    with contextlib.ExitStack() as stack:
        try:
            base = stack.enter_context(earlier(options.base)) if options.base else None
        except Unusable as reason:
            print(f"Nothing was measured: {reason}")
            return 1
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-bench-"))
        common = {
            "SECRET_KEY": "bench-only-" + "k" * 50,
            "STATIC_ROOT": str(Path(scratch) / "static"),
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "PYTHONWARNINGS": "ignore",
            "EMAIL_URL": "dummymail://",
        }
        for database in options.database or SERVERS:
            try:
                with SERVERS[database]() as server:
                    sides = [Bench(server, options.rows, common, of) for of in (HERE, base) if of]
                    for side in sides:
                        side.prepare()
                    for name in options.goals or GOALS:
                        try:
                            table += (
                                in_turns(name, sides, options.rounds) if base else alone(name, sides[0], options.rounds)
                            )
                        except subprocess.CalledProcessError:
                            _say(f"{name} could not be measured on {server.vendor}")
                            missing += 1
            except processes.Missing as reason:
                _say(f"not measured on {database}: {reason}")
                missing += os.environ.get("CI", "").lower() in {"1", "true"}
    print(heading(options.rows, options.rounds))
    print(as_table(table, base.label if base else ""))
    missed = sum(line.reading.met is False for line in table)
    print(f"{missed} bars missed, {missing} goals not measured." if missed or missing else "Every bar is kept.")
    return 1 if missed or missing else 0


def alone(name: str, side: Bench, rounds: int) -> list[Line]:
    """One goal, measured on this tree."""
    return [Line(name, side.server.vendor, reading) for reading in side.measure(name, rounds)]


def in_turns(name: str, sides: list[Bench], rounds: int) -> list[Line]:
    """One goal on both trees, a round each in turn, who begins changing every time."""
    found: list[list[list[Reading]]] = [[], []]
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            found[which].append(sides[which].measure(name, 1, turn))
    return compared(name, sides[0].server.vendor, *found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"of {', '.join(GOALS)}; all unless named")
    parser.add_argument("--rows", type=int, default=int(os.environ.get("ROWS", "100000")))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "3")))
    parser.add_argument("--base", default=os.environ.get("BASE", ""), metavar="COMMIT", help="measured in turn with it")
    parser.add_argument("--database", action="append", choices=list(SERVERS), help="both unless named")
    options = parser.parse_args()
    if unknown := [name for name in options.goals if name not in GOALS]:
        parser.error(f"no such goal: {', '.join(unknown)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
