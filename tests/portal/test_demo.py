"""`make run`, as a process: it starts everything, says where it is, and leaves nothing behind however it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests

from tests.processes import ROOT, Process, free_port, running, until

pytestmark = pytest.mark.slow
READY = re.compile(r"The portal is ready: +(http://\S+)")
NAMES = {"broker", "sandbox", "web", "worker", "scheduler"}


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A trial of its own: own data, own ports."""
    ours = ("SECRET_KEY", "FIVETRAN_", "DATABASE_URL", "PUBLIC_URL", "ALLOWED_HOSTS", "EMAIL_URL", "DJANGO_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **clean,
        "DEMO_DATA": str(folder / "data"),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "PORT": str(free_port()),
        "SANDBOX_PORT": str(free_port()),
        **more,
    }


@contextmanager
def demo(env: dict[str, str], *, ready: bool = True) -> Iterator[Process]:
    """The command behind `make run`; what is not ours in the environment stays away from it."""
    scrubbed = {name: "" for name in os.environ if name not in env}
    command = [sys.executable, "manage.py", "demo", "--end-with-parent"]
    with running("demo", command, {**scrubbed, "DJANGO_SETTINGS_MODULE": "portal.settings", **env}) as process:
        if ready:
            process.wait_until(lambda: bool(READY.search(process.log.read_text())), 180)
        yield process


def family(process: Process) -> dict[str, psutil.Process]:
    """The processes it started, by what they are; one that is not what it will be yet, or no more, is left out."""
    marks = {"broker": "server", "sandbox": "sandbox", "web": "gunicorn", "worker": " worker ", "scheduler": " beat"}
    found = {}
    for child in psutil.Process(process.popen.pid).children():
        line = " ".join(_told(child))
        found.update({name: child for name, mark in marks.items() if mark in line})
    return found


def _told(child: psutil.Process) -> list[str]:
    """The words of its command line; none when it ended meanwhile."""
    with suppress(psutil.NoSuchProcess):  # a zombie is one as well
        return child.cmdline()
    return []


def everybody(process: Process) -> list[psutil.Process]:
    """It and all its descendants."""
    parent = psutil.Process(process.popen.pid)
    return [parent, *parent.children(recursive=True)]


def gone(people: list[psutil.Process]) -> bool:
    """Whether all have ended, whether or not somebody has taken notice of it."""
    return not any(_runs(one) for one in people)


def _runs(one: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    return False


def log_in(address: str, username: str = "requester") -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.get(f"{address}/accounts/login/", timeout=10)
    form = {"username": username, "password": "demo-portal", "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    answer = session.post(f"{address}/accounts/login/", form, timeout=10, allow_redirects=False)
    assert answer.status_code == 302, answer.text[:500]
    return session


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, dict[str, str]]]:
    """One running trial for the tests that only look."""
    env = environment(tmp_path_factory.mktemp("trial"))
    with demo(env) as process:
        yield process, env


def test_it_says_where_it_is_and_how_to_log_in(trial: tuple[Process, dict[str, str]]) -> None:
    process, env = trial
    said = process.log.read_text()
    assert f"http://127.0.0.1:{env['PORT']}" in said
    assert "requester, requester2, approver, operator, auditor, admin" in said
    assert "demo-portal" in said
    assert f"http://127.0.0.1:{env['SANDBOX_PORT']}/" in said
    assert "Traceback" not in said
    assert "Warning" not in said


def test_everything_runs_and_everybody_can_log_in(trial: tuple[Process, dict[str, str]]) -> None:
    process, env = trial
    assert set(family(process)) == NAMES
    address = f"http://127.0.0.1:{env['PORT']}"
    until(lambda: requests.get(f"{address}/readyz", timeout=10).json() == {"status": "ok"})
    for username in ("requester", "approver", "operator", "auditor", "admin"):
        session = log_in(address, username)
        assert session.get(f"{address}/", timeout=10).status_code == 200
        session.close()


def test_static_files_have_hashed_names_and_may_be_kept(trial: tuple[Process, dict[str, str]]) -> None:
    _, env = trial
    address = f"http://127.0.0.1:{env['PORT']}"
    page = requests.get(f"{address}/accounts/login/", timeout=10).text
    styles = re.findall(r'href="(/static/bootstrap/css/bootstrap\.min\.[0-9a-f]{12}\.css)"', page)
    assert styles, page[:2000]
    answer = requests.get(address + styles[0], timeout=10)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"


def test_the_catalog_is_loaded_before_it_says_ready(trial: tuple[Process, dict[str, str]]) -> None:
    _, env = trial
    code = (
        "import django; django.setup(); from connections.models import CatalogEntry as C; import json;"
        "print(json.dumps(C.objects.count()))"
    )
    keys = {"SECRET_KEY": "x", "DJANGO_SETTINGS_MODULE": "portal.settings", "DATABASE_URL": env["DATABASE_URL"]}
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **keys}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout) > 25


def test_a_second_one_in_the_same_folder_is_refused(trial: tuple[Process, dict[str, str]]) -> None:
    _, env = trial
    with demo({**env, "PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}, ready=False) as second:
        assert second.popen.wait(90) == 1
        assert "already running from this folder" in second.log.read_text()


@pytest.mark.parametrize("variable", ["PORT", "SANDBOX_PORT"])
def test_a_port_in_use_gets_a_sentence_with_another_one(tmp_path: Path, variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demo(environment(tmp_path, **{variable: str(port)}), ready=False) as process:
            assert process.popen.wait(90) == 1
            said = process.log.read_text()
    assert re.search(rf"Port {port} is in use\. Start on another one: {variable}=\d+ make run", said), said
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    with demo(environment(tmp_path)) as process:
        people = everybody(process)
        assert len(people) >= len(NAMES) + 1
        process.popen.send_signal(number)
        assert process.popen.wait(40) == 0
        until(lambda: gone(people), 30)
        assert "Traceback" not in process.log.read_text()


def test_ctrl_c_while_starting_stops_everything(tmp_path: Path) -> None:
    with demo(environment(tmp_path), ready=False) as process:
        process.wait_until(lambda: "sandbox" in family(process))
        people = everybody(process)
        process.popen.send_signal(signal.SIGINT)
        assert process.popen.wait(40) == 0
        until(lambda: gone(people), 30)
        said = process.log.read_text()
        assert "Traceback" not in said
        assert not READY.search(said)


def said_by(process: Process) -> str:
    """What it printed, which is nothing that only a programmer understands."""
    said = process.log.read_text()
    for word in ("Traceback", "Warning", "KeyboardInterrupt", "Exception ignored"):
        assert word not in said, said
    return said


def _hears(process: Process) -> bool:
    """Whether Python has begun to run the command: it has a handler for SIGTERM, which it has not by itself."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    [caught] = re.findall(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what another process listens to")
@pytest.mark.parametrize("seconds", [0, 0.1, 0.2, 0.4, 0.8, 1.2, 1.6, 2.4, 3.2, 4.8, 6.4])
def test_ctrl_c_at_any_moment_ends_in_one_line(tmp_path: Path, seconds: float) -> None:
    with demo(environment(tmp_path, TMPDIR=str(tmp_path)), ready=False) as process:
        process.wait_until(lambda: _hears(process))
        time.sleep(seconds)  # the moment
        people = everybody(process)
        os.killpg(process.popen.pid, signal.SIGINT)  # as a terminal does
        assert process.popen.wait(30) == 0
        until(lambda: gone(people), 30)
        assert said_by(process).splitlines()[-1].startswith("Stopped.")
    assert not list(tmp_path.glob("portal-*")), "it leaves a folder behind"


@pytest.fixture
def silent() -> Iterator[str]:
    """A REDIS_URL whose server takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://:hunter2@127.0.0.1:{server.getsockname()[1]}/0"


def test_a_broker_that_hangs_is_said_in_one_line(tmp_path: Path, silent: str) -> None:
    with demo(environment(tmp_path, REDIS_URL=silent), ready=False) as process:
        assert process.popen.wait(90) == 1
        said = process.log.read_text()
    last = said.splitlines()[-1]
    assert re.fullmatch(r"CommandError: The broker does not answer \(redis://127\.0\.0\.1:\d+/0\)\. .*", last), said
    assert "Traceback" not in said and "Warning" not in said


def test_a_broker_that_freezes_while_starting_is_said_in_one_line(tmp_path: Path) -> None:
    with demo(environment(tmp_path), ready=False) as process:
        process.wait_until(lambda: "worker" in family(process), 90)
        people = everybody(process)
        family(process)["broker"].suspend()
        assert process.popen.wait(90) == 1
        until(lambda: gone(people), 30)
        said = process.log.read_text()
    assert said.splitlines()[-1].startswith("CommandError: The broker does not answer"), said
    assert "Traceback" not in said


def test_ctrl_c_beside_a_frozen_broker_ends_in_one_line(tmp_path: Path) -> None:
    with demo(environment(tmp_path)) as process:
        people = everybody(process)
        family(process)["broker"].suspend()
        time.sleep(8)  # longer than the worker waits for an answer
        before = process.log.read_text()
        process.popen.send_signal(signal.SIGINT)
        assert process.popen.wait(40) == 0
        until(lambda: gone(people), 30)
        after = said_by(process).removeprefix(before)
    assert after == "Stopped. `make run` starts again with the same data.\n", after


def test_sigkill_of_the_parent_leaves_nothing(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux can tie a process to its parent")
    with demo(environment(tmp_path)) as process:
        people = everybody(process)
        process.popen.kill()
        until(lambda: gone(people), 30, story=lambda: str([one for one in people if one.is_running()]))


@pytest.mark.parametrize("name", ["worker", "web"])
def test_a_dying_process_ends_the_whole_with_its_name_and_last_lines(tmp_path: Path, name: str) -> None:
    with demo(environment(tmp_path)) as process:
        people = everybody(process)
        family(process)[name].kill()
        assert process.popen.wait(40) == 1
        until(lambda: gone(people), 30)
        assert f"{name} ended with SIGKILL." in process.log.read_text()


def test_a_second_start_keeps_the_data_and_the_log_in(tmp_path: Path) -> None:
    env = environment(tmp_path)
    address = f"http://127.0.0.1:{env['PORT']}"
    with demo(env):
        session = log_in(address)
        pair = ("sandbox-key", "sandbox-secret")
        groups = requests.get(f"http://127.0.0.1:{env['SANDBOX_PORT']}/v1/groups", auth=pair, timeout=10).json()
    with demo(env):
        assert session.get(f"{address}/", timeout=10, allow_redirects=False).status_code == 200
        session.close()
        again = requests.get(f"http://127.0.0.1:{env['SANDBOX_PORT']}/v1/groups", auth=pair, timeout=10).json()
        assert again["data"] == groups["data"]


def test_beside_another_api_nobody_gets_a_known_password(tmp_path: Path) -> None:
    env = environment(
        tmp_path, FIVETRAN_BASE_URL="https://fivetran.invalid", FIVETRAN_API_KEY="k", FIVETRAN_API_SECRET="s"
    )
    with demo(env) as process:
        said = process.log.read_text()
        assert "sandbox" not in family(process)
    assert "demo-portal" not in said
    assert "createsuperuser" in said
    assert "could not be loaded" in said
