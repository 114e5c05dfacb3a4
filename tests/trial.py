"""`make run` as a process of its own, with its own data and ports."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import Process, free_port, running

READY = re.compile(r"The portal is ready: +(http://\S+)")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A trial of its own: own data, own ports; empty unless `more` says otherwise."""
    ours = ("SECRET_KEY", "FIVETRAN_", "DATABASE_URL", "PUBLIC_URL", "ALLOWED_HOSTS", "EMAIL_URL", "DJANGO_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **clean,
        "DEMO_DATA": str(folder / "data"),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "PORT": str(free_port()),
        "SANDBOX_PORT": str(free_port()),
        "EMPTY": "1",
        **more,
    }


@contextmanager
def demo(env: dict[str, str], *options: str, ready: bool = True) -> Iterator[Process]:
    """The command behind `make run`; what is not ours in the environment stays away from it."""
    scrubbed = {name: "" for name in os.environ if name not in env}
    command = [sys.executable, "manage.py", "demo", "--end-with-parent", *options]
    with running("demo", command, {**scrubbed, "DJANGO_SETTINGS_MODULE": "portal.settings", **env}) as process:
        if ready:
            process.wait_until(lambda: bool(READY.search(process.log.read_text())), 180)
        yield process
