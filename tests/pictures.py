"""`python -m tests.pictures`, behind `make pictures`: the pictures in docs/, from a demo of its own.

With `--check` nothing is taken: it says whether templates or styles changed since.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests import processes
from tests.trial import READY, demo, environment

ROOT = processes.ROOT
FOLDER = ROOT / "docs" / "pictures"
NOTED = FOLDER / "taken-of.txt"  # the digest of what the pictures show
SIZE = {"width": 1120, "height": 720}
OF = ("templates", "connections/static", "connections/demo/templates", "connections/demo/static")
# file -> who looks, at which page: an address, or the name of a connection whose request is opened
PICTURES = {
    "log-in.png": ("", "/accounts/login/"),
    "form.png": ("requester", "/requests/new/"),
    "decide.png": ("approver", "logistics_postgres_orders"),
    "request.png": ("requester2", "marketing_google_ads"),
    "history.png": ("auditor", "/requests/"),
}


def digest(root: Path = ROOT, folders: Iterable[str] = OF) -> str:
    """Of the names and contents of all templates and styles."""
    found = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*")):
        if path.is_file():
            found.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def warning(noted: str, present: str) -> str:
    """What there is to say about the pictures; empty where they show the present pages."""
    if noted.strip() == present:
        return ""
    return "The pictures in docs/pictures/ are older than the templates and styles: make pictures"


def take() -> None:
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        env = environment(Path(folder), EMPTY="")
        with demo(env) as process, sync_playwright() as playwright:
            found = READY.search(process.log.read_text())
            assert found is not None
            root = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=processes.chromium(), args=["--disable-gpu", *root])
            for name, (username, what) in PICTURES.items():
                page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
                _open(page, found[1], username, what)
                page.screenshot(path=FOLDER / name)
                page.context.close()
            browser.close()
    NOTED.write_text(f"{digest()}\n", encoding="utf-8")


def _open(page: Any, address: str, username: str, what: str) -> None:
    if username:
        page.goto(f"{address}/accounts/login/")
        page.locator(f'form:has(input[value="{username}"]) button').click()
    if what.startswith("/"):
        page.goto(address + what)
    else:
        page.goto(f"{address}/requests/?q={what}")
        page.locator("[data-request-id] a").first.click()
    page.wait_for_load_state("networkidle")


def main(arguments: list[str]) -> None:
    if "--check" in arguments:
        noted = NOTED.read_text(encoding="utf-8") if NOTED.exists() else ""
        if words := warning(noted, digest()):
            print(f"Warning: {words}")
        return
    take()


if __name__ == "__main__":
    main(sys.argv[1:])
