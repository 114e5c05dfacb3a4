"""A body as a Python script: the script holds exactly the body, and runs nothing that was typed."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from connections.spec import export
from connections.spec.payloads import MASK
from tests.spec.export_samples import HOSTILE, JSON, ROOT, TEXT, body_of

KEYS = {"FIVETRAN_API_KEY": "sandbox-key", "FIVETRAN_API_SECRET": "sandbox-secret"}


def run(script: str, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as somebody would who downloaded it."""
    file = place / "connection.py"
    file.write_text(script, encoding="utf-8")
    known = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [sys.executable, "-I", str(file)], cwd=place, env=known, capture_output=True, text=True, check=False, timeout=60
    )


def constants(script: str) -> dict[str, Any]:
    """What its names in capitals hold, each of which must be a literal."""
    assigned = [line for line in ast.parse(script).body if isinstance(line, ast.Assign)]
    return {ast.unparse(line.targets[0]): ast.literal_eval(line.value) for line in assigned}


@given(value=JSON, key=TEXT, root=TEXT)
def test_the_script_holds_exactly_the_body(value: Any, key: str, root: str) -> None:
    body = body_of(field=[value]) | {key: value}
    script = export.as_python(body, root)
    assert constants(script) == {"URL": f"{root}/v1/connections", "BODY": body}
    assert script.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_was_typed_leaves_its_literal(text: str) -> None:
    plain, hostile = export.as_python(body_of(a="b"), ROOT), export.as_python(body_of(**{text: text}), text)
    assert [type(line) for line in ast.parse(hostile).body] == [type(line) for line in ast.parse(plain).body]
    assert constants(hostile)["BODY"]["config"] == {text: text}


def test_it_stops_without_a_key(tmp_path: Path) -> None:
    done = run(export.as_python(body_of(), ROOT), tmp_path, FIVETRAN_API_KEY="only-the-key")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Set FIVETRAN_API_KEY and FIVETRAN_API_SECRET in the environment.\n"


def test_it_says_when_nobody_answers(tmp_path: Path) -> None:
    done = run(export.as_python(body_of(), "http://127.0.0.1:1"), tmp_path, **KEYS)
    assert (done.returncode, done.stdout) == (1, "")
    assert "No usable answer" in done.stderr and "The connection may exist" in done.stderr


def test_it_speaks_of_a_masked_secret() -> None:
    assert f"# {MASK} stands where a secret was" in export.as_python(body_of(password=MASK), ROOT)
