"""The two sides of a comparison: the tree that is here, and an earlier commit of it with its own environment."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import processes
from tests.bench.goals import GOALS


class Unusable(Exception):
    """The earlier commit cannot be measured; the message says why."""


@dataclass(frozen=True)
class Checkout:
    """A tree of the project and the Python that runs it; `label` heads its column."""

    label: str
    root: Path
    python: str


HERE = Checkout("now", processes.ROOT, sys.executable)


@contextlib.contextmanager
def earlier(commit: str) -> Iterator[Checkout]:
    """`commit` cloned from this repository into a folder of its own, with what its own lock file names installed.

    Raises Unusable for a commit that is not there, or one whose environment cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="portal-bench-base-") as folder:
        root = Path(folder)
        _run("no copy of the repository", "git", "clone", "--quiet", "--no-checkout", str(processes.ROOT), str(root))
        _run(f"no such commit: {commit}", "git", "-C", str(root), "checkout", "--quiet", "--detach", _sha(commit))
        if not (root / "tests" / "bench" / "inside.py").is_file():
            raise Unusable(f"{commit} has no benchmark that can be run beside this one")
        _add_goals(root / "tests" / "bench")
        _run(f"no environment for {commit}", "make", "-C", str(root), f"PYTHON={sys.executable}", ".venv/.dev-ready")
        label = _run("no name for it", "git", "-C", str(root), "rev-parse", "--short", "HEAD")
        yield Checkout(label, root, str(root / ".venv" / "bin" / "python"))


def _sha(commit: str) -> str:
    """The commit that a name such as `HEAD~3` has here, where the clone may have none of it."""
    return _run(
        f"no such commit: {commit}", "git", "-C", str(processes.ROOT), "rev-parse", "--verify", f"{commit}^{{commit}}"
    )


def _add_goals(bench: Path) -> None:
    """Give an older benchmark the goals that came later, and the present way to measure.

    The modules of goals that it lacks ask the product by its pages.
    """
    here, always = Path(__file__).parent, ("goals.py", "inside.py", "readings.py")
    for name in (*always, *(f"{goal.module}.py" for goal in GOALS.values())):
        if name in always or not (bench / name).exists():
            shutil.copy(here / name, bench / name)


def _run(otherwise: str, *command: str) -> str:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise Unusable(f"{otherwise} ({done.stderr.decode(errors='replace').strip()[-400:]})")
    return done.stdout.decode().strip()
