"""The backup of docs/operators.md and its way back, line by line, on a PostgreSQL with its password in a file."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import processes
from tests.conftest import missing
from tests.processes import ROOT

pytestmark = pytest.mark.slow
PASSWORD = "p@ss: word/"
DOCUMENT = (ROOT / "docs/operators.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", DOCUMENT.partition("## Backup and restore\n")[2], re.DOTALL)
# In the container the socket asks for no password, and the programs are those of the server.
DOCKER = """#!/bin/sh
[ "$1 $2" = "compose exec" ] || exit 0
shift 4
PGHOST={host} PGPORT={port} exec "$@"
"""
FILE_ONE = """
import json, django; django.setup()
from django.core.management import call_command
from django.db import Error, connection, transaction
from connections.models import ConnectionRequest, Event
{does}
try:
    with transaction.atomic():
        Event.objects.all().delete()
    refused = False
except Error:
    refused = True
events = Event.objects.exclude(request=None).count()
print(json.dumps([list(ConnectionRequest.objects.values_list("schema", "status")), events, refused]))
"""
APPROVES = (
    "from tests import factories; call_command('migrate', verbosity=0); factories.approved({}, {}, config__schema={!r})"
)


def lines(block: int) -> tuple[list[str], list[str]]:
    """The commands of one of the document's blocks: those that save, and those of the way back."""
    save, back = BLOCKS[block].split("\n\n")
    return tuple([line.removeprefix("$ ") for line in part.strip().splitlines()] for part in (save, back))  # type: ignore[return-value]


def _approves(who: str) -> str:
    return APPROVES.format(
        f"factories.person(username='{who}')", f"factories.person('approver', '{who}_approver')", who
    )


class Place:
    """An environment in which the document's commands run, as somebody would type them."""

    def __init__(self, folder: Path, host: str, port: int, name: str) -> None:
        self._folder, self._name = folder, name
        self._socket = f"postgresql://portal@/postgres?host={host}&port={port}"
        (folder / "password").write_text(f"{PASSWORD}\n")
        (folder / "docker").write_text(DOCKER.format(host=host, port=port))
        (folder / "docker").chmod(0o755)
        # The programs of the tests' server, since older ones refuse to dump it; and this folder's `docker`.
        path = f"{folder}:{processes.postgres_programs()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {
            **os.environ,
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "LOG_LEVEL": "CRITICAL",
            "DATABASE_URL": f"postgresql://{name}@127.0.0.1:{port}/{name}",
            "DATABASE_PASSWORD_FILE": str(folder / "password"),
        }

    def as_superuser(self, *statements: str) -> None:
        """Run statements outside the portal's database."""
        with psycopg.connect(self._socket, autocommit=True) as session:
            for statement in statements:
                session.execute(statement)

    def type(self, commands: list[str]) -> None:
        """Run them in one shell, which stops at the first that fails."""
        script = "\n".join(["set -eu", f'manage() {{ (cd {ROOT} && python "$@"); }}', *commands])
        script = script.replace("python manage.py", "manage manage.py")
        environment = {**self.environment, "DJANGO_SETTINGS_MODULE": "portal.settings"}
        run = subprocess.run(
            ["bash", "-c", script], env=environment, cwd=self._folder, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr

    def story(self, does: str = "") -> Any:
        """What is in the portal's database, after `does`."""
        command = [sys.executable, "-c", FILE_ONE.format(does=does)]
        run = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr[-3000:]
        return json.loads(run.stdout)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    """The folder of the socket, and the port, of a server of its own."""
    port = processes.free_port()
    try:
        with processes.postgres(port=port) as url:
            yield url.partition("@/")[2].rpartition("/")[0], port
    except processes.Missing as reason:
        missing(str(reason))


@pytest.mark.parametrize(("block", "name"), [(0, "portal"), (1, "app")], ids=["compose", "without Docker"])
def test_what_was_dumped_comes_back(server: tuple[str, int], tmp_path: Path, block: int, name: str) -> None:
    """Over what is there now, and into an empty database; the portal's role need not be a superuser."""
    place = Place(tmp_path, *server, name)
    role = f"{'ALTER' if name == 'portal' else 'CREATE'} ROLE {name} LOGIN PASSWORD '{PASSWORD}'"
    make = f"CREATE DATABASE {name} OWNER {name}"
    place.as_superuser(role, make)
    before = place.story(_approves("first"))
    assert [status for _, status in before[0]] == ["approved"] and before[1:] == [2, True]
    save, back = lines(block)
    place.type(save)
    assert len(place.story(_approves("second"))[0]) == 2
    place.type([*save[:-1], *back])
    assert place.story() == before
    place.as_superuser(f"DROP DATABASE {name}", make)
    place.type([*save[:-1], *back])
    assert place.story() == before


def test_the_password_is_asked_for(server: tuple[str, int], tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    place = Place(tmp_path, *server, "portal")
    place.as_superuser(f"ALTER ROLE portal PASSWORD '{PASSWORD}'")
    command = ["pg_dump", place.environment["DATABASE_URL"].rpartition("/")[0] + "/postgres", "--no-password"]
    run = subprocess.run(command, env=place.environment, capture_output=True, text=True, check=False)
    assert run.returncode != 0 and "password" in run.stderr
