"""Readers of source text that find what the house rules forbid; each returns its findings as sentences.

They take text and not files, so that tests can show them bad samples: a check that cannot fail is none.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

LONGEST_FILE = 500  # lines
LONGEST_FUNCTION = 60
LONGEST_VIEW = 20

Function = ast.FunctionDef | ast.AsyncFunctionDef

# --- imports ---------------------------------------------------------------------------------------------------------

# The law between rooms stands in pyproject.toml; import-linter sees Django as one package, and these are its parts.
WITHOUT: dict[str, str] = {
    **dict.fromkeys(
        ("models", "permissions", "limits", "notifications", "catalog", "queue", "worker", "workflow"),
        "django.forms django.http django.shortcuts django.views",
    ),
    "tasks": "django.forms django.http django.db django.views",
}


def imported(module: str, source: str, *, is_package: bool = False) -> set[str]:
    """Every module (or name in a module) that `source` imports, at any depth, relative imports resolved."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{origin}.{alias.name}" for alias in node.names}
    return found


def unlawful_imports(module: str, source: str, *, is_package: bool = False) -> Iterator[str]:
    """The parts of Django that `source`, being `module`, imports although its room is WITHOUT them."""
    room = module.partition(".")[2].partition(".")[0]
    for name in sorted(imported(module, source, is_package=is_package)):
        for package in WITHOUT.get(room, "").split():
            if name == package or name.startswith(f"{package}."):
                yield f"{module} imports {name}"


# --- a column that tells a state has named writers -------------------------------------------------------------------

_MODELS = {"ConnectionRequest", "ConnectionChange", "Connection", "Handover", "Trust", "CircuitBreaker"}
_WRITERS = {"update", "update_one", "create", "acreate", "aupdate", "get_or_create", "update_or_create", *_MODELS}


COMPUTED = "a name that is computed"


def state_writes(source: str, column: str = "status") -> Iterator[str]:
    """Where `source` writes a column or attribute `column`, by the ORM, an attribute or SQL: the function, and how."""
    tree = ast.parse(source)
    functions = {id(node): function.name for function in _functions(tree) for node in ast.walk(function)}
    update_sql = re.compile(rf"\bupdate\b.*\bset\b.*\b{column}\b\s*=", re.IGNORECASE | re.DOTALL)
    for node in ast.walk(tree):
        where = f"{functions.get(id(node), 'the module')}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and _is_anothers(node):
            continue
        if isinstance(node, ast.Call) and _called(node) in _WRITERS and {column, COMPUTED} & _keywords(node):
            yield f"{where}: {_called(node)}({column}=…)"
        elif isinstance(node, ast.Call) and _called(node) in {"bulk_update", "save", "setattr"}:
            if _mentions(node, column):
                yield f"{where}: {_called(node)}(… {column} …)"
        elif isinstance(node, ast.Attribute) and node.attr == column and isinstance(node.ctx, ast.Store):
            yield f"{where}: .{column} = …"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and update_sql.search(node.value):
            yield f"{where}: SQL"


def _is_anothers(node: ast.Call) -> bool:
    """Whether the call is of the manager of a model without a state: `Event.objects.create(…)`."""
    manager = node.func.value if isinstance(node.func, ast.Attribute) else None
    if not (isinstance(manager, ast.Attribute) and manager.attr == "objects" and isinstance(manager.value, ast.Name)):
        return False
    return manager.value.id not in _MODELS


def _called(node: ast.Call) -> str:
    """The last part of the name that is called: `update` for `a.b.update(…)`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _keywords(node: ast.Call) -> set[str]:
    """The keywords of a call, those in a `**{…}` and in `defaults={…}` included; COMPUTED for any that is."""
    named = {keyword.arg for keyword in node.keywords if keyword.arg}
    for keyword in node.keywords:
        if keyword.arg in {None, "columns", "defaults", "create_defaults"} and isinstance(keyword.value, ast.Dict):
            keys = [key for key in keyword.value.keys if key is not None]
            named |= {str(key.value) if isinstance(key, ast.Constant) else COMPUTED for key in keys}
        if keyword.arg == "also":
            dicts = [node for node in ast.walk(keyword.value) if isinstance(node, ast.Dict)]
            named |= {str(key.value) for one in dicts for key in one.keys if isinstance(key, ast.Constant)}
    return named


def _mentions(node: ast.Call, text: str) -> bool:
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(isinstance(part, ast.Constant) and part.value == text for v in values for part in ast.walk(v))


# --- no HTTP in a transaction ----------------------------------------------------------------------------------------


def methods(source: str, of: str) -> set[str]:
    """The public methods of the class `of`."""
    [found] = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == of]
    return {n.name for n in found.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")}


def calls(source: str) -> dict[str, set[str]]:
    """What each function in `source` calls itself."""
    return {
        function.name: {_called(node) for node in ast.walk(function) if isinstance(node, ast.Call)}
        for function in _functions(ast.parse(source))
    }


def reaching(source: str, of: set[str]) -> set[str]:
    """The names in `of` and those of all functions in `source` that call one of them, through any number of others."""
    inside, found = calls(source), set(of)
    while more := {name for name, called in inside.items() if called & found} - found:
        found |= more
    return found


def callers(sources: Iterable[str], of: set[str]) -> set[str]:
    """As `reaching`, over several files; a private name counts only in its own file and is left out."""
    sources, found = list(sources), set(of)
    while more := {n for source in sources for n in reaching(source, found) if not n.startswith("_")} - found:
        found |= more
    return found


def calls_in_transactions(source: str, forbidden: set[str]) -> Iterator[str]:
    """Where one of `forbidden` is called, directly or not, inside `with atomic()` or a function decorated with it."""
    forbidden = reaching(source, forbidden)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.With, ast.AsyncWith)):
            held = any(_is_atomic(item.context_expr) for item in node.items)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            held = any(_is_atomic(decorator) for decorator in node.decorator_list)
        else:
            continue
        for statement in node.body if held else []:
            for part in ast.walk(statement):
                if isinstance(part, ast.Call) and _called(part) in forbidden:
                    yield f"line {part.lineno}: {_called(part)}(…) inside a transaction"


def _is_atomic(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        node = node.func
    return (isinstance(node, ast.Attribute) and node.attr == "atomic") or (
        isinstance(node, ast.Name) and node.id == "atomic"
    )


def _functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


# --- the code does not ask where it runs -----------------------------------------------------------------------------

_PLACE = re.compile(r"^(DEBUG|TEST(S|ING)?|DEMO|DEV(ELOPMENT)?|PRODUCTION|ENV(IRONMENT)?)(_.*)?$")


def questions_where_it_runs(source: str) -> Iterator[str]:
    """Where `source` reads a setting that says where it runs, or looks for a test runner."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and _PLACE.match(node.attr) and "settings" in ast.unparse(node.value):
            yield f"line {node.lineno}: settings.{node.attr}"
        elif isinstance(node, ast.Call) and _called(node) == "getattr" and len(node.args) > 1:
            name = node.args[1]
            if isinstance(name, ast.Constant) and _PLACE.match(str(name.value)):
                yield f"line {node.lineno}: settings.{name.value!r}"
        elif isinstance(node, ast.Constant) and node.value in {"pytest", "PYTEST_CURRENT_TEST"}:
            yield f"line {node.lineno}: {node.value}"


# --- sizes, names and docstrings -------------------------------------------------------------------------------------

_DRAWERS = re.compile(r"(^|_)(utils?|helpers?|services|common|misc|shared|tools)$")


def is_drawer(module: str) -> bool:
    """Whether a module's name says nothing about what is in it."""
    return any(_DRAWERS.search(part) for part in module.split("."))


def too_long(source: str) -> Iterator[str]:
    """A file or functions beyond what one can hold in mind."""
    lines = source.count("\n")
    if lines > LONGEST_FILE:
        yield f"{lines} lines"
    for function in _functions(ast.parse(source)):
        length = (function.end_lineno or 0) - function.lineno + 1
        if length > LONGEST_FUNCTION:
            yield f"{function.name} has {length} lines"


def long_views(source: str) -> Iterator[str]:
    """Public functions whose first argument is an HttpRequest and that do more than ask and answer."""
    for function in _functions(ast.parse(source)):
        first = function.args.args[0].annotation if function.args.args else None
        if function.name.startswith("_"):
            continue
        length = (function.end_lineno or 0) - function.lineno + 1
        if first is not None and "HttpRequest" in ast.unparse(first) and length > LONGEST_VIEW:
            yield f"{function.name} has {length} lines"


def without_docstring(source: str) -> Iterator[str]:
    """A module that does not say what it is for; functions and classes need a docstring only where it says more."""
    tree = ast.parse(source)
    if not ast.get_docstring(tree) and tree.body:
        yield "the module"


# --- markup ----------------------------------------------------------------------------------------------------------

_EVERYWHERE: dict[str, str] = {
    r"\|\s*safe(seq)?\b": "the filter safe",
    r"autoescape\s+off": "autoescape off",
    r"<[^>]*\sstyle\s*=": "an inline style",
    r"<style\b": "an inline style sheet",
    r"<script(?![^>]*\b(src=|type=\"application/json\"))[^>]*>": "an inline script",
    r"<[^>]*\son[a-z]+\s*=": "an inline event handler",
    r"\bhx-on\b": "an inline event handler",
    r"javascript:": "a javascript: address",
    r"\b(src|href)\s*=\s*[\"']?(https?:)?//": "an outside address",
    r"{%\s*if\s+debug\b": "a question where it runs",
}
_SCRIPTS: dict[str, str] = {
    r"\b(inner|outer)HTML\b": "HTML from text",
    r"insertAdjacentHTML|document\.write|createContextualFragment|DOMParser": "HTML from text",
    r"\beval\s*\(|new\s+Function\s*\(|set(Timeout|Interval)\s*\(\s*[\"'`]": "code from text",
    r"\.setAttribute\(\s*[\"']style": "an inline style",
    r"\bhttps?://[a-z0-9-]+(\.[a-z0-9-]+)+/": "an outside address",
}
_MARKED_SAFE = {"mark_safe", "html_safe"}
_SAFE_TYPES = {"SafeString", "SafeText", "SafeData"}  # fine as annotations


def unsafe_template(text: str) -> Iterator[str]:
    """What a template must not hold: unescaped text, or what the content security policy refuses."""
    text = re.sub(r"{#.*?#}|{%\s*comment.*?endcomment\s*%}", "", text, flags=re.DOTALL)
    for pattern, name in _EVERYWHERE.items():
        if re.search(pattern, text, re.IGNORECASE):
            yield name


def unsafe_mail(text: str) -> Iterator[str]:
    """As `unsafe_template`; but no policy holds in a mail, whose program drops style sheets, and it fetches nothing."""
    yield from (name for name in unsafe_template(text) if not name.startswith("an inline style"))
    if re.search(r"<(img|link|script|iframe|form|input)\b|url\(|@import", text, re.IGNORECASE):
        yield "something that is fetched or sent"


def unsafe_script(text: str) -> Iterator[str]:
    """What a script must not do: make HTML or code from text, or reach another host."""
    text = re.sub(r"/\*.*?\*/|^\s*//.*$", "", text, flags=re.DOTALL | re.MULTILINE)
    for pattern, name in _SCRIPTS.items():
        if re.search(pattern, text, re.IGNORECASE):
            yield name


def marked_safe(source: str) -> Iterator[str]:
    """Where Python declares text to be HTML."""
    for node in ast.walk(ast.parse(source)):
        names: set[str] = set()
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names} & _MARKED_SAFE
        elif isinstance(node, ast.Attribute):
            names = {node.attr} & _MARKED_SAFE
        elif isinstance(node, ast.Call):
            names = {_called(node)} & _SAFE_TYPES
        for name in names:
            yield f"line {getattr(node, 'lineno', 0)}: {name}"


# --- words -----------------------------------------------------------------------------------------------------------


def foreign_words(text: str, words: Mapping[str, str]) -> Iterator[str]:
    """The names of `words` (name -> pattern) whose pattern occurs in `text`."""
    for name, pattern in words.items():
        if re.search(pattern, text):
            yield name


def looks_without_waiting(source: str) -> Iterator[str]:
    """Axe of its own: it takes whatever page is there, where `finds_nothing` waits for the one that is meant."""
    if any(name.startswith("axe_playwright_python") for name in imported("tests.module", source)):
        yield "call finds_nothing of tests/browser/accessibility.py"
