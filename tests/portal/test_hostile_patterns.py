"""Every regular expression of the product takes linear time. The tests find them in the source by themselves."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from connections.spec import diagnosis
from tests.hostile import LENGTHS, LIMIT, attacks, seconds

ROOT = Path(__file__).parents[2]
_FUNCTIONS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
_WRAPPERS = {"RegexValidator", "RegexField", "re_path"}  # Django's, which compile their first argument
_FLAGS_AT = {"compile": 1, "match": 2, "fullmatch": 2, "search": 2}
# Expressions that are put together at run time: the entry that reaches each is in `test_hostile_texts.py`.
MADE_AT_RUN_TIME = {
    "connections.spec.diagnosis.entry_of": "diagnose",
    "connections.spec.naming_rule.template_pattern": "follows, parts_in",
    "connections.spec.rules.When.holds": "addresses",
    "connections.sandbox.routes._compiled": "none: made of the sandbox's own table of routes",
}
# What only our own files are read with.
OF_OWN_TEXT = {"connections.sandbox.routes._compiled"}


@dataclass(frozen=True)
class Expression:
    """A pattern, where it stands, and the functions of `re` it is used with."""

    place: str
    pattern: re.Pattern[str]
    used: tuple[str, ...]


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted([*ROOT.glob("connections/**/*.py"), *ROOT.glob("portal/**/*.py")]):
        if "migrations" not in path.parts and path.stem != "__main__":
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def _calls(tree: ast.AST, inside: str) -> Iterator[tuple[str, str, ast.Call]]:
    """(where it stands, function, call) of every call that makes or uses an expression."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "re":
            raise AssertionError(f"{inside}: write `import re`, so that this test finds the expressions")
        here = f"{inside}.{node.name}" if isinstance(node, ast.FunctionDef | ast.ClassDef) else inside
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.removeprefix("re.") in _FUNCTIONS and called.startswith("re."):
                yield here, called.removeprefix("re."), node
            elif called.rpartition(".")[2] in _WRAPPERS:
                yield here, "compile", node
        yield from _calls(node, here)


def _value(node: ast.expr, module: ModuleType) -> Any:
    """What an expression of the source is at the level of its module; NameError where it is made at run time."""
    code = compile(ast.Expression(node), module.__file__ or "", "eval")
    return eval(code, vars(module))  # noqa: S307  # our own source


def _flags(function: str, call: ast.Call, module: ModuleType) -> int:
    at = _FLAGS_AT.get(function)
    given = [word.value for word in call.keywords if word.arg == "flags"]
    if at is not None and len(call.args) > at and ast.unparse(call.func).startswith("re."):
        given.append(call.args[at])
    return int(_value(given[0], module)) if given else 0


def _found() -> tuple[list[Expression], set[str]]:
    """Every expression of the product, and the functions that make one at run time."""
    found: dict[tuple[str, int, str], Expression] = {}
    at_run_time: set[str] = set()
    for name, path in _modules():
        for place, function, call in _calls(ast.parse(path.read_text()), name):
            module = import_module(name)
            try:
                source = _value(call.args[0], module)
            except NameError:
                at_run_time.add(place)
                continue
            made = source if isinstance(source, re.Pattern) else re.compile(source, _flags(function, call, module))
            used = ("fullmatch", "search", "sub") if function == "compile" else (function,)
            found[made.pattern, made.flags, function] = Expression(place, made, used)
    return list(found.values()), at_run_time


_ALL, _AT_RUN_TIME = _found()
EXPRESSIONS = [one for one in _ALL if one.place not in OF_OWN_TEXT]


def _slow(pattern: re.Pattern[str], used: tuple[str, ...]) -> Iterator[str]:
    """What takes too long, in words."""
    for length in LENGTHS:
        for text in attacks(pattern, length):
            for function in used:
                took = seconds(partial(_use, pattern, function), text)
                if took >= LIMIT:
                    yield f"{function}: {took:.3f} s for {len(text)} characters such as {text[:40]!r}"


def _use(pattern: re.Pattern[Any], function: str, hostile: str) -> None:
    text: Any = hostile.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else hostile
    if function in {"sub", "subn"}:
        pattern.sub(text[:0], text)
    elif function == "finditer":
        list(pattern.finditer(text))
    else:
        getattr(pattern, function)(text)


def test_the_expressions_are_found() -> None:
    places = {one.place for one in EXPRESSIONS}
    assert len(EXPRESSIONS) > 40
    assert {
        "connections.forms.batch",
        "portal.logs",
        "connections.spec.source_key.host_of",
        "connections.spec.naming_rule",
    } <= places
    assert "connections.models.policy.PortalPolicy" in places  # within a validator


def test_those_made_at_run_time_are_reached_by_an_entry() -> None:
    assert set(MADE_AT_RUN_TIME) == _AT_RUN_TIME


@pytest.mark.parametrize("one", EXPRESSIONS, ids=lambda one: f"{one.place}:{one.pattern.pattern[:30]}")
def test_it_takes_linear_time(one: Expression) -> None:
    assert next(_slow(one.pattern, one.used), None) is None


@pytest.mark.parametrize("name", ["test", "says"])
def test_the_file_of_diagnoses_takes_linear_time(name: str) -> None:
    """Its texts are cut before any expression of it sees them."""
    found = {pattern for entry in diagnosis.entries() if (pattern := getattr(entry, name)) is not None}
    assert len(found) > 5
    slow = [
        (pattern.pattern, text[:40])
        for pattern in found
        for text in attacks(pattern, diagnosis.LOOKED_AT)
        if seconds(pattern.search, text) >= LIMIT
    ]
    assert slow == []


@pytest.mark.parametrize(
    "careless",
    [
        r"(config(?:__[A-Za-z0-9_]+?)+)__([0-9]{1,4})",  # what froze the portal
        r"(a+)+$",
        r"(a|a)*b",
        r"(?:\w+\s?)*:",
        r"^(\d+)*x",
        r"\s+$",  # the square only
        r"<a.*?>.*?</a>",
        r"(x+x+)+y",
    ],
)
def test_a_careless_expression_is_noticed(careless: str) -> None:
    assert next(_slow(re.compile(careless), ("fullmatch", "search", "sub")), None)


def test_no_page_has_an_expression_of_its_own() -> None:
    """`pattern=` would be one that the browser runs on what is typed; the server judges it anyway."""
    pages = [*ROOT.glob("templates/**/*.html")]
    assert len(pages) > 60
    assert [path.name for path in pages if "pattern=" in path.read_text()] == []
