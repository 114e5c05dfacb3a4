"""`python -m tests.audit PROGRAM`, behind `make audit`: each package that a lock file names, looked up by pip-audit.

A package counts as audited only if the database of vulnerabilities answered about it. pip-audit says "No known
vulnerabilities found" where it found no package at all, so its words do not count: a package with a well-known
vulnerability is asked about each time, and a database that does not know it audits nothing. Python's packages come from
every requirements file, those for another Python or system too; the npm packages of the tests from their lock file.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NPM = ROOT / "tests" / "sign_on" / "certified"
KNOWN = ("jinja2", "2.4.1")  # PYSEC-2014-8 and others: an audit that finds nothing in it is none
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
Package = tuple[str, str]


@dataclass
class Audit:
    """Of `packages`, those that were `audited`, and what is `vulnerable` in them; `reasons` why others were not."""

    packages: set[Package]
    audited: set[Package] = field(default_factory=set)
    vulnerable: dict[Package, list[str]] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)

    @property
    def is_good(self) -> bool:
        return bool(self.packages) and self.audited == self.packages and not self.vulnerable

    def lines(self, what: str) -> Iterator[str]:
        yield f"{what}: {len(self.audited)} of {len(self.packages)} packages audited, {len(self.vulnerable)} vulnerable"
        yield from (f"  {name} {version}: {', '.join(ids)}" for (name, version), ids in sorted(self.vulnerable.items()))
        yield from (f"  not audited: {reason}" for reason in sorted(self.reasons)[:3])


def pinned(text: str) -> set[Package]:
    """The packages that a lock file names."""
    return {(name.lower(), version) for name, version in _PIN.findall(text)}


def rounds(packages: Iterable[Package]) -> list[dict[str, str]]:
    """Each package once; a round has no name twice, since pip-audit takes one version of each."""
    found: list[dict[str, str]] = []
    for name, version in sorted(packages):
        free = next((each for each in found if name not in each), None)
        if free is None:
            found.append(free := {})
        free[name] = version
    return found


def audit_python(packages: set[Package], ask: Callable[[dict[str, str]], Any]) -> Audit:
    """`ask` answers as pip-audit does: {"dependencies": [{"name", "version", "vulns"} or {"name", "skip_reason"}]}."""
    audit = Audit(packages)
    try:
        found: dict[Package, list[str]] = {}
        for each in rounds({*packages, KNOWN}):
            for one in ask(each)["dependencies"]:
                if "vulns" in one:
                    found[one["name"].lower(), one["version"]] = [str(vuln["id"]) for vuln in one["vulns"]]
                else:
                    audit.reasons.add(str(one.get("skip_reason", "no answer")))
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        return Audit(packages, reasons={f"{type(error).__name__}: {error}"[:300]})
    if not found.get(KNOWN):
        return Audit(packages, reasons={*audit.reasons, f"the database knows nothing bad of {' '.join(KNOWN)}"})
    audit.audited = {one for one in packages if one in found}
    audit.vulnerable = {one: found[one] for one in audit.audited if found[one]}
    return audit


def audit_npm(packages: set[Package], answer: Any) -> Audit:
    """`answer`: what `npm audit --json` prints; where the registry did not answer it has no `metadata`."""
    if not isinstance(answer, dict) or "metadata" not in answer:
        why = answer.get("message", "no answer") if isinstance(answer, dict) else "no answer"
        return Audit(packages, reasons={str(why)[:200]})
    vulnerable = {
        (name, str(one.get("range", ""))): [one["severity"]] for name, one in answer["vulnerabilities"].items()
    }
    return Audit(packages, audited=set(packages), vulnerable=vulnerable)


def npm_packages(lock: dict[str, Any]) -> set[Package]:
    """Those of a package-lock.json; `""` is the project itself."""
    return {(path.rpartition("node_modules/")[2], one["version"]) for path, one in lock["packages"].items() if path}


def _pip_audit(program: str) -> Callable[[dict[str, str]], Any]:
    def ask(packages: dict[str, str]) -> Any:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("".join(f"{name}=={version}\n" for name, version in packages.items()))
            file.flush()
            options = ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off"]
            run = subprocess.run(
                [program, *options, "-r", file.name], capture_output=True, text=True, timeout=600, check=False
            )
        if not run.stdout.strip():
            raise OSError(run.stderr.strip().splitlines()[-1] if run.stderr.strip() else "no answer")
        return json.loads(run.stdout)

    return ask


def _npm() -> Any:
    try:
        command = ["npm", "audit", "--package-lock-only", "--json"]
        run = subprocess.run(command, cwd=NPM, capture_output=True, text=True, timeout=600, check=False)
        return json.loads(run.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return {"message": str(error)}


def main(program: str) -> int:
    files = sorted(ROOT.glob("requirements*.txt"))
    packages = set().union(*(pinned(file.read_text()) for file in files))
    lock = json.loads((NPM / "package-lock.json").read_text())
    python = audit_python(packages, _pip_audit(program))
    npm = audit_npm(npm_packages(lock), _npm())
    for line in (*python.lines(f"Python ({len(files)} lock files)"), *npm.lines("npm (for the tests)")):
        print(line)
    together = [len(python.audited) + len(npm.audited), len(python.packages) + len(npm.packages)]
    print(f"audited={together[0]} of={together[1]} vulnerable={len(python.vulnerable) + len(npm.vulnerable)}")
    return 0 if python.is_good and npm.is_good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
