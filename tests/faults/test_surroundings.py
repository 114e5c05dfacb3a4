"""What lies around a sending: a full disk, time zones, and secrets that do not exist."""

import resource
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse

from connections.models import ConnectionRequest
from connections.spec import payloads
from tests import factories, processes
from tests.faults.conftest import exactly_one, settles
from tests.sandbox_client import Fivetran

Approve = Callable[..., ConnectionRequest]
GIBIBYTE = 1024**3


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can set another process's limits")
def test_no_room_for_logs(fivetran: Fivetran, approve: Approve, environment: dict[str, str], tmp_path: Path) -> None:
    """Fault 68: from one moment on every write of a log line fails; requests are sent all the same."""
    log = tmp_path / "worker.log"
    with log.open("wb") as file:
        file.truncate(GIBIBYTE)  # a sparse file that is longer than any other, so that the limit below hits it alone
    shell = ["/bin/sh", "-c", f'exec "$@" >>{log} 2>&1', "sh", *processes.worker_command("full@localhost")]
    with ExitStack() as stack:
        stack.enter_context(processes.scheduler(environment))
        worker = stack.enter_context(processes.running("worker", shell, environment))
        before = approve("room_for_logs")
        settles(before)
        resource.prlimit(worker.popen.pid, resource.RLIMIT_FSIZE, (GIBIBYTE, GIBIBYTE))
        size = log.stat().st_size
        after = [approve("no_room"), approve("error_no_room")]
        settles(*after)
        exactly_one(fivetran, before, *after)
        assert worker.popen.poll() is None and log.stat().st_size == size
        worker.kill()


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))),
        ("Europe/Berlin", datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))),
        ("Pacific/Kiritimati", datetime(2026, 1, 1, 0, 30, tzinfo=ZoneInfo("Pacific/Kiritimati"))),
        ("Etc/GMT+12", datetime(2026, 1, 1, 0, 30, tzinfo=ZoneInfo("Etc/GMT+12"))),
    ],
    ids=["spring", "autumn", "UTC+14", "UTC-12"],
)
def test_the_daily_time_is_an_hour_of_utc_wherever_the_reader_is(
    groups: None, db: None, zone: str, moment: datetime
) -> None:
    """Fault 61: what was chosen is sent as it was chosen, and the page says which zone it is."""
    by = factories.person()
    client = Client()
    client.force_login(by)
    client.cookies["zone"] = zone
    with time_machine.travel(moment, tick=False):
        client.force_login(by)
        conn_request = factories.submitted(by, sync_frequency=1440, daily_sync_time="02:00")
        assert payloads.build_body(conn_request.values)["daily_sync_time"] == "02:00"
        page = client.get(reverse("connections:request", args=[conn_request.pk])).content.decode()
    assert "02:00" in page and "UTC" in page


def test_no_secret_is_stored_so_none_has_to_be_decrypted(groups: None, db: None) -> None:
    """Fault 65 cannot happen: secrets are refused at the form, and no column holds anything encrypted."""
    conn_request = factories.submitted()
    with connection.cursor() as cursor:
        columns = {c.name for c in connection.introspection.get_table_description(cursor, conn_request._meta.db_table)}
    assert not [name for name in columns if "secret" in name or "crypt" in name]
