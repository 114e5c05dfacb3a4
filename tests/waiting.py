"""Which files hold tests that wait for processes or drive a browser: no other need be read to run those."""

from pathlib import Path

TESTS = Path(__file__).parent


def may_wait(path: Path) -> bool:
    """Whether that file may have a test marked slow, or one with a page; conftest.py refuses them elsewhere."""
    text = path.read_text()
    return path.parent.name == "browser" or "mark.slow" in text or "playwright" in text


def files() -> list[str]:
    """The paths of those files."""
    return [str(path.relative_to(TESTS.parent)) for path in sorted(TESTS.rglob("test_*.py")) if may_wait(path)]
