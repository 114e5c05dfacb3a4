"""A body as curl, as a script and as JSON: exact, and unbreakable by what was typed. A real shell reads the curl."""

import json
import os
import stat
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from connections.spec import export
from tests.spec.export_samples import HOSTILE, JSON, ROOT, TEXT, body_of


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[list[str], str]]:
    """`shell(script)` runs it with a `curl` that only writes down its arguments and its standard input."""
    place = tmp_path_factory.mktemp("shell")
    curl = place / "curl"
    curl.write_text(f'#!/bin/sh\ncat > "{place}/stdin"\nprintf "%s\\0" "$@" > "{place}/arguments"\n')
    curl.chmod(curl.stat().st_mode | stat.S_IXUSR)

    def run(script: str, **environment: str) -> tuple[list[str], str]:
        known = {"FIVETRAN_API_KEY": "key", "FIVETRAN_API_SECRET": "a secret", **environment}
        path = {"PATH": f"{place}:{os.environ['PATH']}"}
        subprocess.run(["sh", "-c", script], cwd=place, env=path | known, check=True, timeout=10)  # noqa: S607
        assert {found.name for found in place.iterdir()} == {"curl", "stdin", "arguments"}, "something else was run"
        arguments, sent = (place / "arguments").read_bytes(), (place / "stdin").read_bytes()
        return arguments.decode().split("\0")[:-1], sent.decode()

    return run


@settings(max_examples=40, deadline=None)
@given(value=JSON, key=TEXT, root=TEXT.filter(lambda text: "\0" not in text))
def test_a_shell_reads_exactly_the_body(shell: Callable[..., Any], value: Any, key: str, root: str) -> None:
    body = body_of() | {key: value}
    arguments, sent = shell(export.as_curl(body, root))
    assert json.loads(sent) == body
    assert arguments == [
        *("--fail-with-body", "--request", "POST", f"{root}/v1/connections"),
        *("--user", "key:a secret", "--header", "Accept: application/json;version=2"),
        *("--header", "Content-Type: application/json", "--data-binary", "@-"),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_shell_runs_nothing_that_was_typed(shell: Callable[..., Any], text: str) -> None:
    for script in (export.as_curl(body_of(**{text: text}), ROOT), export.as_script(body_of(**{text: text}), ROOT)):
        _, sent = shell(script)
        assert json.loads(sent)["config"] == {text: text}
        assert "!" not in script.split("'FIVETRAN_BODY'\n")[1], "an interactive shell would replace it"


def test_the_script_stops_without_a_key() -> None:
    script = export.as_script(body_of(), ROOT)
    done = subprocess.run(["/bin/sh", "-c", script], env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "FIVETRAN_API_KEY" in done.stderr


@given(value=JSON)
def test_json_is_the_body_and_shows_what_it_holds(value: Any) -> None:
    text = export.as_json({"v": value})
    assert json.loads(text) == {"v": value}
    assert text.replace("\n", "").isprintable()
