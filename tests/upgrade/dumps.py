"""`python -m tests.upgrade.dumps COMMIT NAME`: what the portal of an earlier commit leaves to the upgrade, as SQL.

Clones the commit into a folder of its own, has `life.py` live there, once on SQLite and once on PostgreSQL, and writes
`NAME.sqlite.sql` and `NAME.postgresql.sql` beside this file. Needs the program `sqlite3`, whose `.dump` knows FTS5.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests import processes

HERE = Path(__file__).parent
FIVETRAN = "http://fivetran.example"  # instead of the sandbox's address, whose port was another each time
HEAD = """\
-- The database of the portal at commit {commit}, in the middle of its work. Made {made}
-- by `python -m tests.upgrade.dumps {commit} {name}`, from the life in tests/upgrade/life.py. Nobody in it is real.
"""


def main(commit: str, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="portal-upgrade-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", processes.ROOT, clone], check=True)
        subprocess.run(["git", "-C", clone, "checkout", "--quiet", "--detach", commit], check=True)
        place = clone / "tests" / "upgrade"
        place.mkdir(exist_ok=True)
        for file in ("__init__.py", "life.py"):
            shutil.copy(HERE / file, place / file)
        texts = {
            "sqlite": lambda: _sqlite(clone, Path(folder) / "db.sqlite3"),
            "postgresql": lambda: _postgresql(clone),
        }
        for vendor, made in texts.items():
            text = made()  # before its moment is noted
            (HERE / f"{name}.{vendor}.sql").write_text(HEAD.format(commit=commit, name=name, made=_now()) + text)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


def _sqlite(clone: Path, file: Path) -> str:
    root = _lived(clone, f"sqlite:///{file}")
    return _output("sqlite3", file, ".dump").replace(root, FIVETRAN)


def _postgresql(clone: Path) -> str:
    options = ("--no-owner", "--no-privileges", "--inserts", "--no-comments")
    with processes.postgres() as url:
        root = _lived(clone, url)
        home, _, database = url.partition("@/")[2].rpartition("/")
        text = _output(
            processes.postgres_programs() / "pg_dump", *options, f"--host={home}", "--username=portal", database
        )
    text = re.sub(r"^(\\(un)?restrict .*|--.*|)\n", "", text, flags=re.MULTILINE)  # psql's own lines, and remarks
    return text.replace(root, FIVETRAN)


def _lived(clone: Path, database_url: str) -> str:
    """The address that the sandbox had."""
    environment = {**os.environ, "DATABASE_URL": database_url, "PYTHONPATH": str(clone), "LOG_LEVEL": "CRITICAL"}
    command = [sys.executable, "-m", "tests.upgrade.life"]
    run = subprocess.run(command, cwd=clone, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return run.stdout.split()[-1]


def _output(*command: object) -> str:
    return subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
