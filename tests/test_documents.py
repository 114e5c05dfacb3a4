"""The documents against the code: what they name is there, and their tables and pictures are the code's own."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from django.urls import resolve

from tests import pictures, settings_table
from tests.processes import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ARCHITECTURE = ROOT / "docs" / "architecture.md"
ASVS = ROOT / "docs" / "asvs.md"
# A path is named from the project's folder; in tables that say so from one of these.
BELOW = (ROOT, ROOT / "tests", ROOT / "connections", ROOT / "connections" / "spec", ROOT / "templates" / "connections")
SUFFIXES = (".conf", ".css", ".example", ".html", ".js", ".json", ".md", ".py", ".sql", ".toml", ".txt", ".yml")
MADE_BY_WHOEVER_DEPLOYS = ("secrets/", "portal.dump", ".env")
WIDTH = 120


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def quoted(text: str) -> list[str]:
    """What stands in backticks, outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))


def paths(text: str) -> list[str]:
    """The paths of files and folders among what stands in backticks."""
    words = [word for word in quoted(text) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", word)]
    named = [word for word in words if "/" in word or word.endswith(SUFFIXES)]
    return [word for word in named if not word.startswith(MADE_BY_WHOEVER_DEPLOYS) or word == ".env.example"]


def tables(text: str, *head: str) -> list[list[str]]:
    """The rows of the tables with this head, without backticks."""
    found = re.findall(rf"^\| {re.escape(' | '.join(head))} \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [
        [cell.strip().replace("`", "") for cell in row.split("|")[1:-1]]
        for table in found
        for row in table.splitlines()
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_that_a_document_names_is_there(document: Path) -> None:
    assert [path for path in paths(text_of(document)) if not any((root / path).exists() for root in BELOW)] == []


def test_paths_are_found() -> None:
    text = "`connections/none.py`, `/operations/`, `make test`, `pyproject.toml`, `redis://h`, `secrets/x`, `a b/c`"
    assert paths(text + "\n```console\n$ cat `gone/away.py`\n```\n") == ["connections/none.py", "pyproject.toml"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = document.parent / path if path else document
        assert there.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", text_of(there), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_of_a_document_is_too_wide(document: Path) -> None:
    # A row of a table cannot go on in the next line; those of one document name functions of the tests.
    lines = [line for line in text_of(document).splitlines() if document != ASVS or not line.startswith("|")]
    assert [line for line in lines if len(line) > WIDTH] == []


def test_the_tests_that_a_document_names_are_there() -> None:
    named = re.findall(r"`([\w/]+\.py)`((?:,? (?:and )?`test_\w+`)+)", text_of(ASVS))
    assert len(named) > 20
    for path, tests in named:
        source = text_of(ROOT / "tests" / path)
        assert [test for test in re.findall(r"test_\w+", tests) if f"def {test}(" not in source] == [], path


# The sections of ASVS 5.0 with requirements of levels 1 and 2, and how many; those of level 3 come behind them.
SECTIONS = """
1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1 4.3:2 4.4:4 5.1:1
5.2:3 5.3:2 5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2 8.1:2 8.2:3 8.3:1
8.4:1 9.1:3 9.2:4 10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3 11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3
12.2:2 12.3:4 13.1:1 13.2:5 13.3:2 13.4:5 14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3 16.5:3
17.1:1 17.2:4 17.3:2
"""
NONE_HERE = {"10.3", "10.4", "10.6", "10.7", "17.1", "17.2", "17.3"}  # said above their chapters' tables


def test_every_requirement_of_asvs_in_scope_has_one_answer() -> None:
    rows = tables(text_of(ASVS), "number", "what is asked", "answer")
    sections = {name: int(count) for name, _, count in (pair.partition(":") for pair in SECTIONS.split())}
    asked = [f"{name}.{n}" for name, count in sections.items() if name not in NONE_HERE for n in range(1, count + 1)]
    assert [number for number, *_ in rows] == asked
    assert [number for number, what, answer in rows if not what or not answer] == []


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    text = text_of(ROOT / "README.md")
    assert len(text.splitlines()) <= 120
    assert re.findall(r"^\$ (make \w+)", text, re.MULTILINE) == ["make run", "make test"]


def test_the_pictures_are_small_and_each_is_in_a_document() -> None:
    shown = {path for one in DOCUMENTS for path in re.findall(r"pictures/([\w-]+\.png)\)", text_of(one))}
    assert {path.name for path in pictures.FOLDER.glob("*.png")} == set(pictures.PICTURES) == shown
    assert [path.name for path in pictures.FOLDER.glob("*.png") if path.stat().st_size > 150_000] == []


def test_pictures_older_than_templates_or_styles_are_said_to_be(tmp_path: Path) -> None:
    page, style = tmp_path / "templates" / "a.html", tmp_path / "static" / "a.css"
    for path in (page, style):
        path.parent.mkdir()
        path.write_text("1")
    taken_of = pictures.digest(tmp_path, ("templates", "static"))
    assert pictures.warning(f"{taken_of}\n", pictures.digest(tmp_path, ("templates", "static"))) == ""
    for path in (page, style):
        path.write_text("2")
        assert "make pictures" in pictures.warning(taken_of, pictures.digest(tmp_path, ("templates", "static")))
        path.write_text("1")
    page.rename(page.with_name("b.html"))
    assert pictures.warning(taken_of, pictures.digest(tmp_path, ("templates", "static")))


def test_the_settings_in_the_document_are_those_that_the_code_reads() -> None:
    document = text_of(settings_table.DOCUMENT)
    assert document == settings_table.written(document), "run: python -m tests.settings_table"
    rows = tables(document, "variable", "takes", "default", "meaning")
    assert [name for name, _, _, meaning in rows if not meaning] == []


def test_the_floors_are_the_layers_of_the_import_law() -> None:
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    rows = tables(text_of(ARCHITECTURE), "room", "what is in it")
    assert [room.split(", ") for room, _ in rows] == [layer.split(" | ") for layer in layers]


def test_the_markers_are_those_of_the_suite() -> None:
    markers = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["pytest"]["ini_options"]["markers"]
    rows = tables(text_of(ROOT / "CONTRIBUTING.md"), "marker", "what it says")
    assert [name for name, _ in rows] == [marker.partition(":")[0] for marker in markers]


def test_every_decision_is_listed_and_says_what_else_was_possible() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("0*.md"))
    assert re.findall(r"\]\((\d{4}-[\w.-]+)\)", text_of(folder / "README.md")) == records
    for name in records:
        heads = re.findall(r"^## (.*)$", text_of(folder / name), re.MULTILINE)
        assert heads[:3] == ["Context", "Alternatives", "Decision"], name


def test_the_walk_names_functions_that_are_in_their_files() -> None:
    rows = [
        *tables(text_of(ARCHITECTURE), "file", "function", "what it does"),
        *tables(text_of(ARCHITECTURE), "file", "function", "when"),
    ]
    assert rows
    for path, functions, _ in rows:
        defined = {getattr(node, "name", "") for node in ast.walk(ast.parse(text_of(ROOT / path)))}
        assert set(functions.split(", ")) <= defined, path


def test_each_address_leads_to_the_file_that_the_document_names() -> None:
    rows = tables(text_of(ARCHITECTURE), "address", "view", "template, below `templates/connections/`")
    assert rows
    for address, view, _ in rows:
        assert resolve(address).func.__module__.replace(".", "/") + ".py" == view, address
