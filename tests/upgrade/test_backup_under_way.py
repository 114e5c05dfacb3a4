"""A backup that was made while a worker was calling Fivetran: what was under way is found again, and made once."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from connections import worker, workflow
from connections.models import ConnectionRequest
from connections.states import Status
from portal.celery import app
from tests import factories, processes
from tests.conftest import missing
from tests.portal.test_backup import lines
from tests.sandbox_client import Fivetran
from tests.upgrade.conftest import own_database
from tests.worker.conftest import approve, group

__all__ = ["approve", "group"]  # the fixtures
pytestmark = pytest.mark.sql


class Backup:
    """The commands of docs/operators.md, as somebody types them in this folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._save, back = lines(1 if connection.vendor == "postgresql" else 2)
        self._back = [line for line in back if "manage.py" not in line]  # `migrate` is called in this process

    def make(self) -> None:
        self._type(self._save)

    def bring_back(self) -> None:
        """Into the database that this process has now."""
        before = [line for line in self._save if line.startswith("export ")]
        self._type([*before, *self._back])
        call_command("migrate", verbosity=0)

    def _type(self, commands: list[str]) -> None:
        place: dict[str, Any] = connection.settings_dict
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        if connection.vendor == "postgresql":
            try:
                programs = processes.postgres_programs()
            except processes.Missing as reason:
                missing(str(reason))
            (self._folder / "password").write_text("none is asked for")
            url = f"postgresql://{place['USER']}@/{place['NAME']}?host={place['HOST']}"
            environment |= {"DATABASE_URL": url, "DATABASE_PASSWORD_FILE": str(self._folder / "password")}
            environment["PATH"] = f"{programs}:{environment['PATH']}"
        script = "\n".join(["set -eu", *commands]).replace("db.sqlite3", str(place["NAME"]))
        subprocess.run(["bash", "-c", script], env=environment, cwd=self._folder, check=True, stdin=subprocess.DEVNULL)


def work_until(*requests: ConnectionRequest, status: Status) -> None:
    until = time.monotonic() + 15
    while any(_status(one) is not status for one in requests) and time.monotonic() < until:
        for name, *arguments in worker.messages(worker.sweep()):
            app.tasks[name](*arguments)
    assert [_status(one) for one in requests] == [status] * len(requests)


def _status(conn_request: ConnectionRequest) -> Status:
    return ConnectionRequest.objects.get(pk=conn_request.pk).state


def _submit(conn_request: ConnectionRequest) -> None:
    try:
        worker.run("submit", conn_request.pk)
    finally:
        connection.close()


def test_what_was_under_way_is_looked_up_and_made_once(
    fivetran: Fivetran, approve: Any, group: str, tmp_path: Path
) -> None:
    fivetran.settings(unique_names=False)  # nothing but the portal prevents a second one
    columns: dict[str, Any] = {"group_id": group, "config__table": "t"}
    pending = factories.submitted(config__schema="waited", **columns)
    draft = factories.draft(config__schema="begun", **columns)
    approved, sending = approve("queued"), approve("called")
    backup = Backup(tmp_path)
    fivetran.hold("effect")  # it is made, and the answer waits
    call = threading.Thread(target=_submit, args=(sending,))
    call.start()
    processes.until(fivetran.holding)
    assert _status(sending) is Status.SENDING
    backup.make()
    fivetran.release()
    call.join()
    with own_database(tmp_path / "restored.sqlite3"):
        backup.bring_back()
        found = {one.pk: one.state for one in ConnectionRequest.objects.all()}
        assert found == {
            pending.pk: Status.PENDING,
            draft.pk: Status.DRAFT,
            approved.pk: Status.APPROVED,
            sending.pk: Status.SENDING,
        }
        work_until(sending, status=Status.CREATED)
        assert list(sending.attempts.values_list("call", flat=True)) == ["look_up", "create"]  # the newest first
        [made] = [one for one in fivetran.connections() if one["schema"].startswith("called")]
        assert ConnectionRequest.objects.get(pk=sending.pk).connection_id == made["id"]
        workflow.approve(by=factories.person("approver"), conn_request=pending, digest=pending.digest)
        work_until(pending, approved, status=Status.CREATED)
    posted = [post["body"]["config"]["schema"] for post in fivetran.posts()]
    assert sorted(posted) == ["called", "queued", "waited"]


def test_what_was_sent_after_the_backup_is_not_made_twice(fivetran: Fivetran, approve: Any, tmp_path: Path) -> None:
    later, backup = approve("later"), Backup(tmp_path)
    backup.make()
    worker.run("submit", later.pk)
    assert _status(later) is Status.CREATED
    with own_database(tmp_path / "restored.sqlite3"):
        backup.bring_back()
        assert _status(later) is Status.APPROVED
        work_until(later, status=Status.FAILED)
        assert ConnectionRequest.objects.get(pk=later.pk).failure_code == "name_taken"
    assert len(fivetran.connections()) == 1
