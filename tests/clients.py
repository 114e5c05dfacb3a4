"""Programs of others that the suite runs unchanged. `make test` installs them apart, since their pins are not ours."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import missing
from tests.processes import ROOT

FOLDER = ROOT / ".venv-clients"
# Read as Conductor's client reads what a server answers, made a task of, and written as the client would send it.
_MODELS = """\
import json, sys
from types import SimpleNamespace
from conductor.client.http.api_client import ApiClient
from conductor.client.workflow.task.http_task import HttpInput, HttpTask

client = ApiClient()
workflow = client.deserialize(SimpleNamespace(json=lambda: json.load(sys.stdin)), "WorkflowDef")
[task] = workflow.tasks
asked = task.input_parameters["http_request"]
names = {"contentType": "content_type", "connectionTimeOut": "connection_time_out", "readTimeOut": "read_timeout"}
typed = HttpInput(**{names.get(name, name): value for name, value in asked.items()})
again = HttpTask(task.task_reference_name, typed).to_workflow_task()
json.dump([client.sanitize_for_serialization(found) for found in (workflow, again)], sys.stdout)
"""


def program(name: str) -> Path:
    """Where that program lies; what is tried with it is not run where it is missing."""
    found = FOLDER / "bin" / name
    if not (FOLDER / ".ready").exists() or not found.exists():
        missing(f"{name} is not installed: make .venv-clients/.ready")
    return found


def through_conductor_models(definition: Any) -> tuple[Any, Any]:
    """A workflow definition as Conductor's Python client sends on what it has read; and its task made anew."""
    command = [str(program("python")), "-I", "-c", _MODELS]
    done = subprocess.run(command, input=json.dumps(definition), capture_output=True, text=True, check=True, timeout=60)
    workflow, task = json.loads(done.stdout)
    return workflow, task
