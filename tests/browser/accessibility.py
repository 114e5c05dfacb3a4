"""What every page has to pass: axe finds nothing, and nothing scrolls sideways."""

import os
from collections.abc import Sequence
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Response, expect

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
CONTRAST = ("color-contrast",)  # all of axe's rules that a theme can change
WIDTHS, NARROWEST = (1280, 390), 320
Expected = str | Locator | Response | None  # a heading, anything on the page, or what `goto` returned


def finds_nothing(
    page: Page,
    expected: Expected,
    *,
    widths: Sequence[int] = (),
    narrower: Sequence[int] = (),
    rules: Sequence[str] = RULES,
    name: str = "",
) -> None:
    """Axe and the scroll bar, at these widths or as wide as the page is, once what is `expected` is there.

    At those that are `narrower` the scroll bar alone. Where PICTURES names a folder, pictures of all of them go there.
    """
    wait_for(page, expected)
    found = [what for width in widths or (0,) for what in _at(page, width, rules, name)]
    found += [what for width in narrower for what in _at(page, width, (), name)]
    assert found == [], (name or page.url, found)


def wait_for(page: Page, expected: Expected) -> None:
    """Wait for what the last act brings.

    Neither axe nor `evaluate` waits: right after a click they meet the page before, or half of the one that comes.
    """
    if isinstance(expected, str):
        expected = page.get_by_role("heading", name=expected).first
    if isinstance(expected, Locator):
        expect(expected).to_be_visible()
    assert expected is not None, "nothing was loaded"
    page.wait_for_load_state()


def _at(page: Page, width: int, rules: Sequence[str], name: str) -> list[object]:
    if width:
        page.set_viewport_size({"width": width, "height": 900})
    found: list[object] = []
    if rules:  # without resultTypes axe describes whatever is right as well
        options = {"runOnly": list(rules), "resultTypes": ["violations"]}
        for one in Axe().run(page, options=options).response["violations"]:
            found += [(width, one["id"], node["failureSummary"], node["html"][:200]) for node in one["nodes"]]
    if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
        found.append((width, "scrolls sideways"))
    if folder := os.environ.get("PICTURES"):
        theme = page.evaluate("document.documentElement.dataset.bsTheme")
        page.screenshot(path=Path(folder) / f"{name}-{width}-{theme}.png", full_page=True)
    return found
