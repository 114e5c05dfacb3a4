"""`make run`, as a process: it starts everything, says where it is, and leaves nothing behind however it ends."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from playwright.sync_api import Page

from connections.states import Status
from tests.browser.accessibility import finds_nothing
from tests.processes import ROOT, Process, free_port, until
from tests.trial import READY, demo, environment

pytestmark = pytest.mark.slow
NAMES = {"broker", "sandbox", "web", "worker", "scheduler"}


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
    """One running trial, with its data, for the tests that only look."""
    env = environment(tmp_path_factory.mktemp("trial"), EMPTY="")
    with demo(env, ready=False) as interrupted:  # what it left half done is made anew
        interrupted.wait_until(lambda: "Filling it" in interrupted.log.read_text(), 120)
        time.sleep(1)
        interrupted.popen.send_signal(signal.SIGINT)
        assert interrupted.popen.wait(40) == 0
        assert said_by(interrupted).splitlines()[-1].startswith("Stopped.")
    began = time.monotonic()
    with demo(env) as process:
        env["SECONDS"] = str(time.monotonic() - began)
        yield process, env


def rows(env: dict[str, str], sql: str) -> list[tuple[Any, ...]]:
    """What the trial's database answers."""
    with closing(sqlite3.connect(env["DATABASE_URL"].removeprefix("sqlite:///"), timeout=20)) as database:
        return database.execute(sql).fetchall()


def test_it_says_where_it_is_and_how_to_log_in(trial: tuple[Process, dict[str, str]]) -> None:
    process, env = trial
    said = process.log.read_text()
    assert f"http://127.0.0.1:{env['PORT']}" in said
    assert "requester, requester2, approver, operator, auditor, admin" in said
    assert "demo-portal" in said
    assert f"http://127.0.0.1:{env['SANDBOX_PORT']}/" in said
    assert "Traceback" not in said
    assert "Warning" not in said


def test_a_first_start_is_quick(trial: tuple[Process, dict[str, str]]) -> None:
    """15 s where nothing else runs; here other tests do."""
    assert float(trial[1]["SECONDS"]) < 90


def test_it_opens_on_a_company_at_work(trial: tuple[Process, dict[str, str]]) -> None:
    _, env = trial
    found = dict(rows(env, "SELECT status, count(*) FROM connections_connectionrequest GROUP BY 1"))
    assert set(found) == set(Status)
    assert sum(found.values()) == 40
    session = log_in(f"http://127.0.0.1:{env['PORT']}", "auditor")
    page = session.get(f"http://127.0.0.1:{env['PORT']}/requests/", timeout=20).text
    session.close()
    assert 'data-status="unknown"' in page and 'data-status="expired"' in page


def test_its_record_is_whole(trial: tuple[Process, dict[str, str]]) -> None:
    """As docs/demo.md says: with the demo's key and nothing else."""
    _, env = trial
    names = ("PATH", "DATABASE_URL")
    given = {name: env[name] for name in names} | {"SECRET_KEY_FILE": f"{env['DEMO_DATA']}/secret_key"}
    command = [sys.executable, "manage.py", "verify_audit"]
    found = subprocess.run(command, env=given, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0 and found.stdout.startswith("The record is whole"), found.stdout + found.stderr


def test_what_is_on_its_way_is_held_in_place(trial: tuple[Process, dict[str, str]]) -> None:
    """Longer than a claim lasts without a worker."""
    _, env = trial
    ends = "SELECT max(lease_until) FROM connections_connectionrequest WHERE status = 'claimed'"
    [(first,)] = rows(env, ends)
    until(lambda: rows(env, ends)[0][0] > first, 30)


def click(address: str, username: str, **more: str) -> tuple[requests.Session, requests.Response]:
    """Press a button of the log-in page."""
    session = requests.Session()
    session.trust_env = False
    page = session.get(f"{address}/accounts/login/", timeout=20).text
    assert f'value="{username}"' in page
    form = {"username": username, "csrfmiddlewaretoken": session.cookies["csrftoken"], **more}
    return session, session.post(f"{address}/demo/log-in/", form, timeout=20, allow_redirects=False)


@pytest.mark.parametrize(
    ("username", "role", "begins_at"),
    [
        ("requester", "Requester", "/"),
        ("requester2", "Source owner", "/"),
        ("approver", "Approver", "/approvals/"),
        ("operator", "Operator", "/operations/"),
        ("auditor", "Auditor", "/requests/"),
        ("admin", "Administrator", "/admin/"),
    ],
)
def test_one_click_logs_in_as_each_role(
    trial: tuple[Process, dict[str, str]], username: str, role: str, begins_at: str
) -> None:
    address = f"http://127.0.0.1:{trial[1]['PORT']}"
    session, answer = click(address, username)
    assert (answer.status_code, answer.headers["Location"]) == (302, begins_at)
    assert session.get(address + begins_at, timeout=20, allow_redirects=False).status_code == 200
    session.close()
    page = requests.get(f"{address}/accounts/login/", timeout=20).text
    assert re.search(rf"<strong>{role}:</strong>", page)


def test_one_click_leads_where_the_reader_wanted_to_go_and_nowhere_else(trial: tuple[Process, dict[str, str]]) -> None:
    address = f"http://127.0.0.1:{trial[1]['PORT']}"
    for wanted, leads in (("/requests/1/", "/requests/1/"), ("https://example.com/", "/")):
        session, answer = click(address, "requester", next=wanted)
        session.close()
        assert answer.headers["Location"] == leads


def test_one_click_needs_the_pages_token_and_knows_nobody_else(trial: tuple[Process, dict[str, str]]) -> None:
    address = f"http://127.0.0.1:{trial[1]['PORT']}"
    assert requests.post(f"{address}/demo/log-in/", {"username": "admin"}, timeout=20).status_code == 403
    assert requests.get(f"{address}/demo/log-in/", timeout=20).status_code == 405
    session, _ = click(address, "requester")
    form = {"username": "sofia", "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    refused = session.post(f"{address}/demo/log-in/", form, timeout=20, allow_redirects=False)
    session.close()
    assert refused.headers["Location"] == "/accounts/login/"


def test_the_mails_are_on_a_page(trial: tuple[Process, dict[str, str]]) -> None:
    address = f"http://127.0.0.1:{trial[1]['PORT']}"
    anonymous = requests.get(f"{address}/demo/mails/", timeout=20, allow_redirects=False)
    assert anonymous.headers["Location"].startswith("/accounts/login/")
    session, _ = click(address, "approver")
    home = session.get(f"{address}/", timeout=20).text
    assert 'href="/demo/mails/"' in home
    found = session.get(f"{address}/demo/mails/?to=controller@parent.example.com", timeout=20).text
    names = re.findall(r'href="(/demo/mails/[\w-]+/)"', found)
    assert len(names) == 4, "one that asks for the credentials, and three reminders"
    everybody = session.get(f"{address}/demo/mails/", timeout=20).text
    lines = [re.findall(r"<bdi>([^<]*)</bdi>", line) for line in everybody.split("<li>")]
    assert ["admin@example.com", "approver@example.com"] in map(sorted, lines), "one mail to two people is one line"
    mail = session.get(address + names[0], timeout=20).text
    assert "Your credentials are still needed" in mail and "Example Ltd" in mail
    shown = session.get(f"{address}{names[0]}html/", timeout=20)
    assert "<h1" in shown.text and "script-src 'none'" in shown.headers["Content-Security-Policy"]
    assert re.search(rf'href="{address}/handover/', mail)
    assert session.get(f"{address}/demo/mails/secret_key/", timeout=20).status_code == 404
    session.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_demos_own_pages_are_accessible_and_fit_a_phone(
    trial: tuple[Process, dict[str, str]], page: Page, scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 320, "height": 800})
    address = f"http://127.0.0.1:{trial[1]['PORT']}"

    finds_nothing(page, page.goto(f"{address}/accounts/login/"))
    page.get_by_role("button", name="Approver: decide on what waits for you").click()
    page.get_by_role("link", name="Mails").click()
    finds_nothing(page, "Mails of the demo")
    page.locator(".demo-mails a").first.click()
    finds_nothing(page, page.locator(".demo-head"))


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
        assert rows(env, "SELECT count(*) FROM connections_connectionrequest") == [(0,)]
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
        page = requests.get(f"http://127.0.0.1:{env['PORT']}/accounts/login/", timeout=20).text
        assert "demo" not in page
    assert "demo-portal" not in said
    assert "createsuperuser" in said
    assert "could not be loaded" in said


def test_beside_another_api_nothing_is_deleted(tmp_path: Path) -> None:
    key = {"FIVETRAN_API_KEY": "k", "FIVETRAN_API_SECRET": "s"}
    env = environment(tmp_path, FIVETRAN_BASE_URL="https://fivetran.invalid", **key)
    with demo(env, "--reset", ready=False) as process:
        assert process.popen.wait(90) == 1
        said = said_by(process)
    assert said.splitlines()[-1].endswith("does not say that it is the sandbox: nothing was deleted."), said
