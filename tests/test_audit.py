"""`make audit` counts as audited what the database answered about, and nothing else. No test asks a real one."""

import json
import subprocess
import sys
import tomllib
from typing import Any

import pytest

from tests import audit

PACKAGES = {("django", "5.2.9"), ("celery", "5.7.0"), ("six", "1.16.0"), ("six", "1.17.0")}


def answering(vulnerable: dict[str, list[str]], *, away: tuple[str, ...] = ()) -> Any:
    """A database that knows these, and has no entry about what is `away`."""

    def ask(packages: dict[str, str]) -> Any:
        return {
            "dependencies": [
                {"name": name, "skip_reason": f"not found: {name}"}
                if name in away
                else {"name": name, "version": version, "vulns": [{"id": one} for one in vulnerable.get(name, [])]}
                for name, version in packages.items()
            ]
        }

    return ask


KNOWN = {"jinja2": ["PYSEC-2014-8"]}


def test_all_of_them_are_audited_and_two_versions_of_one_package_too() -> None:
    found = audit.audit_python(PACKAGES, answering(KNOWN))
    assert found.audited == PACKAGES and found.is_good
    assert list(found.lines("Python")) == ["Python: 4 of 4 packages audited, 0 vulnerable"]


def test_a_vulnerable_package_is_named() -> None:
    found = audit.audit_python(PACKAGES, answering({**KNOWN, "celery": ["CVE-1"]}))
    assert not found.is_good and "  celery 5.7.0: CVE-1" in list(found.lines("Python"))


def test_what_the_database_lacks_is_not_audited() -> None:
    found = audit.audit_python(PACKAGES, answering(KNOWN, away=("celery",)))
    assert not found.is_good and list(found.lines("x"))[0] == "x: 3 of 4 packages audited, 0 vulnerable"


@pytest.mark.parametrize("away", [("jinja2", "django", "celery", "six"), ("jinja2",)])
def test_a_database_that_does_not_know_the_known_one_audits_nothing(away: tuple[str, ...]) -> None:
    for database in (answering({}), answering(KNOWN, away=away)):
        found = audit.audit_python(PACKAGES, database)
        assert not found.is_good and list(found.lines("x"))[0] == "x: 0 of 4 packages audited, 0 vulnerable"


@pytest.mark.parametrize("error", [OSError("no network"), ValueError("no JSON"), KeyError("dependencies")])
def test_without_network_nothing_is_audited(error: Exception) -> None:
    def ask(_packages: dict[str, str]) -> Any:
        raise error

    found = audit.audit_python(PACKAGES, ask)
    assert not found.is_good and found.audited == set() and found.reasons


def test_npm_counts_only_where_its_registry_answered() -> None:
    lock = json.loads((audit.NPM / "package-lock.json").read_text())
    packages = audit.npm_packages(lock)
    assert len(packages) > 20
    assert not audit.audit_npm(packages, {"message": "405 Method Not Allowed"}).is_good
    assert audit.audit_npm(packages, {"vulnerabilities": {}, "metadata": {}}).is_good
    bad = audit.audit_npm(packages, {"vulnerabilities": {"a": {"severity": "high", "range": "<2"}}, "metadata": {}})
    assert not bad.is_good and bad.vulnerable == {("a", "<2"): ["high"]}


def test_every_lock_file_is_read_whole() -> None:
    for file in audit.ROOT.glob("requirements*.txt"):
        text = file.read_text()
        assert len(audit.pinned(text)) == sum("==" in line and line[0].isalnum() for line in text.splitlines()), file


# --- the security rules of the linter ---------------------------------------------------------------------------------
def test_the_linters_security_rules_are_on() -> None:
    lint = tomllib.loads((audit.ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert {rule for rule in lint["ignore"] if rule.startswith("S")} == {"S603", "S607"}
    product = {path for path, rules in lint["per-file-ignores"].items() if any(rule[0] == "S" for rule in rules)}
    assert product == {"tests/**"}


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("S307", "eval(input())"),
        ("S602", "import subprocess\n\nsubprocess.run(input(), shell=True)"),
        ("S501", 'import requests\n\nrequests.get("https://example.com", verify=False, timeout=1)'),
        ("S608", "def find(cursor, name):\n    cursor.execute(f\"SELECT 1 FROM t WHERE name = '{name}'\")"),
        ("S308", "from django.utils.safestring import mark_safe\n\nmark_safe(input())"),
        ("S324", 'import hashlib\n\nhashlib.md5(b"a")'),
    ],
)
def test_careless_code_is_found(rule: str, code: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "json", "--stdin-filename"]
    command += [str(audit.ROOT / "connections" / "careless.py"), "-"]
    run = subprocess.run(command, input=code, capture_output=True, text=True, cwd=audit.ROOT, check=False)
    assert rule in {one["code"] for one in json.loads(run.stdout)}
