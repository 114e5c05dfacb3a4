"""What was taken along, sent: each way makes the connection that the portal makes of the same request."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from django.test import Client

from connections import worker
from connections.models import ConnectionRequest
from tests import factories
from tests.clients import program, through_conductor_models
from tests.conftest import missing
from tests.processes import Sandbox
from tests.sandbox.fivetran_address import fivetran_address
from tests.sandbox_client import Fivetran
from tests.spec.conductor_run import rendered

pytestmark = pytest.mark.django_db(transaction=True)

KEY, SECRET = "sandbox-key", "sandbox-secret"
ITS_OWN = ("id", "created_at", "setup_tests")  # what differs between two of the same kind
TYPED = "${workflow.secrets.OTHER} '; touch broken # \" $(touch broken) !! \\u0024 é"


@pytest.fixture
def conn_request(cast: dict[str, Any], sandbox: Sandbox) -> ConnectionRequest:
    """An approved request with a text that means harm."""
    Fivetran(sandbox.url).settings(test_seconds=0)
    return factories.approved(
        cast["requester"], cast["approver"], group_id="amber_harbor", config__schema="taken", config__named_range=TYPED
    )


def run(command: list[str], place: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the file that was downloaded, with the key in the environment as its notes say."""
    file = place / "connection"
    file.write_text(text, encoding="utf-8")
    known = {"PATH": os.environ["PATH"], "FIVETRAN_API_KEY": KEY, "FIVETRAN_API_SECRET": SECRET, **environment}
    done = subprocess.run(
        [*command, str(file)], cwd=place, env=known, capture_output=True, text=True, check=False, timeout=60
    )
    assert [found.name for found in place.iterdir()] == ["connection"], "something else was run"
    return done


def by_shell(text: str, place: Path) -> None:
    if not shutil.which("curl"):
        missing("curl is not installed")
    assert run(["sh"], place, text).returncode == 0


def by_python(text: str, place: Path) -> None:
    assert run([sys.executable, "-I"], place, text).returncode == 0


def by_conductor(text: str, place: Path) -> None:
    token = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    workflow, _task = through_conductor_models(json.loads(text))
    task = rendered(workflow, {"FIVETRAN_BASIC": token, "OTHER": "must not be sent"})
    headers = {"Accept": task["accept"], "Content-Type": task["contentType"], **task["headers"]}
    body = task["body"] if isinstance(task["body"], str) else json.dumps(task["body"])
    assert requests.request(task["method"], task["uri"], headers=headers, data=body, timeout=20).status_code == 201


def by_command_line(text: str, place: Path) -> None:
    """Fivetran's own, which takes the file of the body."""
    file = place / "connection.json"
    file.write_text(text, encoding="utf-8")
    token = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    with fivetran_address(settings.FIVETRAN_BASE_URL, place) as address:
        known = {"HOME": str(place), "DO_NOT_TRACK": "1", "FIVETRAN_API_KEY": token, **address.environment}
        command = [str(program("fivetran")), "beta", "connection", "create", "--config-file", str(file)]
        subprocess.run(command, cwd=place, env=known, check=True, timeout=60, stdout=subprocess.DEVNULL)


WAYS = [("sh", by_shell), ("py", by_python), ("conductor", by_conductor), ("json", by_command_line)]


@pytest.mark.parametrize(("kind", "send"), WAYS)
def test_it_makes_the_connection_that_the_portal_makes(
    as_user: Callable[..., Client],
    conn_request: ConnectionRequest,
    sandbox: Sandbox,
    tmp_path: Path,
    kind: str,
    send: Callable[[str, Path], None],
) -> None:
    fivetran = Fivetran(sandbox.url)
    text = as_user("requester").get(f"/requests/{conn_request.pk}/connection.{kind}").content.decode()
    worker.run("submit", conn_request.pk)
    [by_portal] = fivetran.connections()
    fivetran.call("", method="DELETE")
    send(text, tmp_path)
    [taken_along] = fivetran.connections()
    assert without(taken_along) == without(by_portal)
    assert taken_along["config"]["named_range"] == TYPED


def calls(sandbox: Sandbox) -> list[dict[str, Any]]:
    """All that the sandbox was asked for."""
    return [entry for entry in Fivetran(sandbox.url).call("journal") if entry["path"].startswith("/v1/")]


def without(connection: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in connection.items() if key not in ITS_OWN}


def test_the_script_prints_the_id_and_its_tests(
    as_user: Callable[..., Client], conn_request: ConnectionRequest, sandbox: Sandbox, tmp_path: Path
) -> None:
    text = as_user("requester").get(f"/requests/{conn_request.pk}/connection.py").content.decode()
    done = run([sys.executable, "-I"], tmp_path, text)
    [there] = Fivetran(sandbox.url).connections()
    first, *tests = done.stdout.splitlines()
    assert (done.returncode, done.stderr, first) == (0, "", f"Created: {there['id']}")
    assert tests and all(line.startswith("Setup test: PASSED ") for line in tests)


def test_the_script_says_why_it_was_refused(
    as_user: Callable[..., Client], conn_request: ConnectionRequest, sandbox: Sandbox, tmp_path: Path
) -> None:
    text = as_user("requester").get(f"/requests/{conn_request.pk}/connection.py").content.decode()
    refused = run([sys.executable, "-I"], tmp_path, text, FIVETRAN_API_SECRET="wrong")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Fivetran refused it (401): " in refused.stderr
    assert run([sys.executable, "-I"], tmp_path, text).returncode == 0
    taken = run([sys.executable, "-I"], tmp_path, text)
    assert taken.returncode == 1 and "already exists" in taken.stderr


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 302, "body": "moved", "headers": {"Location": "/v1/account/info"}},
        {"status": 502, "body": "<html>\x1b[31m</html>"},
        {"status": 201, "body": "not JSON"},
        {"status": 201, "body": []},
        {"status": 201, "body": {"data": {}}},
        {"delivery": "reset"},
    ],
)
def test_the_script_meets_odd_answers(
    as_user: Callable[..., Client], conn_request: ConnectionRequest, sandbox: Sandbox, tmp_path: Path, answer: Any
) -> None:
    text = as_user("requester").get(f"/requests/{conn_request.pk}/connection.py").content.decode()
    Fivetran(sandbox.url).next({"method": "POST", "path": "/v1/connections", "times": 1, **answer})
    done = run([sys.executable, "-I"], tmp_path, text)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    [said] = done.stderr.splitlines()
    assert said.isprintable() and said.startswith(
        (f"Fivetran refused it ({answer.get('status')}): ", "No usable answer (")
    )
    assert [(entry["method"], entry["path"]) for entry in calls(sandbox)] == [("POST", "/v1/connections")]
