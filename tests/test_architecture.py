"""The house rules, read from the source: who imports whom, who writes a status, what no file may hold.

Each rule comes with bad samples that it must find, so that none can turn into one that finds nothing.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Model

from connections.models import CircuitBreaker, Handover, Trust
from connections.states import BREAKER, HANDOVER, MACHINES, TRUST, Machine
from tests import architecture

ROOT = Path(__file__).resolve().parent.parent
Check = Callable[[str], Iterator[str]]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def python_files(*folders: str) -> list[Path]:
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert files
    return [path for path in files if "migrations" not in path.parts and "__pycache__" not in path.parts]


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def findings(check: Check, files: list[Path]) -> list[str]:
    return [f"{path.relative_to(ROOT)}: {found}" for path in files for found in check(read(path))]


PRODUCT = python_files("connections", "portal")
SANDBOX = ROOT / "connections" / "sandbox"


# --- imports ---------------------------------------------------------------------------------------------------------


def test_nobody_imports_a_part_of_django_that_does_not_belong_there() -> None:
    found = [
        sentence
        for path in PRODUCT
        for sentence in architecture.unlawful_imports(module(path), read(path), is_package=path.name == "__init__.py")
    ]
    assert found == []


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("connections.workflow", "from django.http import HttpRequest"),
        ("connections.models.request", "def clean():\n    from django import forms"),
        ("connections.tasks", "from django.db import transaction"),
    ],
)
def test_a_part_of_django_that_does_not_belong_there_is_found(importer: str, source: str) -> None:
    assert list(architecture.unlawful_imports(importer, source))


def test_other_parts_of_django_are_let_pass() -> None:
    source = "from connections.models import transition\nfrom django.db import transaction"
    assert not list(architecture.unlawful_imports("connections.workflow", source))


# contract of pyproject.toml -> an import against it: who imports, and what
AGAINST: dict[str, tuple[str, str]] = {
    "layers": ("connections/models/request.py", "def late():\n    from connections import workflow"),
    "pages": ("connections/views/home/home.py", "from ...fivetran import client"),
    "verbs": ("connections/workflow/requests.py", "from connections import worker"),
    "tasks": ("connections/tasks.py", "from connections.models import ConnectionRequest"),
    "dry-run": ("connections/dry_run/conducting.py", "from connections.fivetran.client import FivetranClient"),
    "pure": ("connections/spec/rules.py", "import django.db"),
    "client": ("connections/fivetran/client.py", "from .configured import client"),
    "sandbox": ("connections/sandbox/server.py", "from ..fivetran.errors import Refused"),
    "sandbox-users": ("connections/worker/create.py", "from connections import sandbox"),
    "site": ("portal/urls.py", "from connections import views"),
    "network": ("connections/notifications/__init__.py", "import requests"),
}


def test_each_contract_of_the_import_law_finds_what_is_against_it(tmp_path: Path) -> None:
    for folder in ("connections", "portal"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "static"))
    for path, line in AGAINST.values():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n{line}\n")
    contracts = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    found = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), ROOT / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    broken = [one["id"] for one in contracts if f"{one['name']} BROKEN" in " ".join(found.split())]
    assert broken == [one["id"] for one in contracts] == list(AGAINST), found


# --- the states ------------------------------------------------------------------------------------------------------

# column -> file -> the functions in it that write the column: one moves rows, the others begin them
MOVES = {
    "models/state_columns.py": {"move", "move_one"},
    "worker/database_clock.py": {"put_right", "begin_again"},  # columns of moments, by computed names
}
WRITERS: dict[str, dict[str, set[str]]] = {
    "status": MOVES | {"models/transition.py": {"open_request", "open_change"}},
    "state": MOVES,  # begins with the default of the column
    "tests": MOVES | {"models/connection.py": {"described"}},
    # Of the circuit breaker; the others are why somebody did something.
    "reason": MOVES
    | {"models/event.py": {"note", "record"}, "worker/erase.py": {"_erase"}, "permissions/rights.py": {"__init__"}},
    "turn": MOVES
    | {
        "models/transition.py": {"open_request"},
        "models/step.py": {"store_turn"},
        "worker/connection_status.py": {"mark_deleted"},
        "workflow/operations.py": {"hand_back"},
    },
}


def writers(column: str) -> dict[str, set[str]]:
    """In the files that know Django's ORM."""
    found: dict[str, set[str]] = {}
    for path in PRODUCT:
        writes = list(architecture.state_writes(read(path), column))
        if writes and not {"fivetran", "sandbox"} & set(path.parts):
            name = str(path.relative_to(ROOT / "connections"))
            found[name] = {sentence.partition(":")[0] for sentence in writes}
    return found


@pytest.mark.parametrize("column", WRITERS)
def test_a_state_has_one_writer(column: str) -> None:
    assert writers(column) == WRITERS[column]


def test_every_machine_has_a_column_with_one_writer() -> None:
    assert {machine.column for machine in MACHINES} == set(WRITERS) - {"turn"}


@pytest.mark.parametrize(("machine", "model"), [(HANDOVER, Handover), (TRUST, Trust), (BREAKER, CircuitBreaker)])
def test_a_row_begins_as_its_table_says(machine: Machine[Any], model: type[Model]) -> None:
    default = model().__dict__[machine.column]
    assert {move.target for move in machine.moves if move.source is None} == {default}


# After these it is the same person's turn as before, or whoever calls them stores it, or they write it themselves.
KEEP_THE_TURN = {
    *("note_opened", "issue_card", "returned", "release", "put_back"),
    *("store_run", "conclude", "_run_tests", "_row", "mark_deleted"),
}
# These write it too, or move the circuit breaker, whose reason the page looks at.
NO_TURN = {"_move", "claim", "open", "record_success", "probe"}


def test_whoever_moves_a_state_stores_whose_turn_it_is() -> None:
    keep = set()
    for path in PRODUCT:
        moving = {name for name, called in architecture.calls(read(path)).items() if called & {"move", "move_one"}}
        keep |= moving - architecture.reaching(read(path), {"store_turn"})
    assert keep == KEEP_THE_TURN | NO_TURN


@pytest.mark.parametrize(
    "source",
    [
        "rows.filter(pk=1).update(status='approved')",
        "rows.update(**{'status': 'approved'})",
        "ConnectionRequest.objects.create(status='approved', requester=who)",
        "ConnectionRequest(status='approved')",
        "ConnectionChange(status='approved')",
        "rows.update(**{column: 'approved'})",
        "update_one(ConnectionRequest, Q(pk=1), columns={'status': 'approved'})",
        "update_one(ConnectionRequest, Q(pk=1), columns={column: 'approved'})",
        "update_one(Attempt, Q(pk=1), columns={}, also=[(request, {'note': '', 'status': 'approved'})])",
        "rows.update_or_create(pk=1, defaults={'status': 'approved'})",
        "request.status = 'approved'",
        "request.status: str = 'approved'",
        "setattr(request, 'status', 'approved')",
        "rows.bulk_update(found, ['status'])",
        "request.save(update_fields=['status', 'note'])",
        "cursor.execute('UPDATE connections_connectionrequest SET note = %s, status = %s', [])",
    ],
)
def test_a_second_writer_is_found(source: str) -> None:
    assert list(architecture.state_writes(source))


@pytest.mark.parametrize(
    ("column", "source"),
    [
        ("state", "Handover.objects.filter(pk=1).update(state='done')"),
        ("state", "Trust.objects.create(request=one, state='sent')"),
        ("tests", "Connection.objects.filter(pk=1).update(tests='due', tests_note='')"),
        ("tests", "connection.tests = 'due'"),
        ("reason", "CircuitBreaker.objects.update(reason='auth')"),
        ("reason", "CircuitBreaker.objects.update_or_create(pk=1, defaults={'reason': 'auth'})"),
    ],
)
def test_a_second_writer_of_another_machine_is_found(column: str, source: str) -> None:
    assert list(architecture.state_writes(source, column))


@pytest.mark.parametrize(
    "source",
    [
        *("HttpResponse(status=404)", "rows.filter(status='draft')", "print(request.status)"),
        "Event.objects.create(status='approved')",
    ],
)
def test_a_reader_is_let_pass(source: str) -> None:
    assert not list(architecture.state_writes(source))


# --- transactions ----------------------------------------------------------------------------------------------------


CHANGING = ("create_connection", "run_setup_tests", "update_connection", "delete_connection", "mint_connect_card")


def calls_to_fivetran() -> set[str]:
    """The client's methods, and every function of ours that ends in one of them."""
    client, reader = (read(ROOT / "connections" / "fivetran" / f"{name}.py") for name in ("client", "reader"))
    methods = architecture.methods(client, of="FivetranClient") | architecture.methods(reader, of="FivetranReader")
    rooms = {"worker", "dry_run", "queue", "catalog", "interactive"}
    calling = [p for p in python_files("connections") if rooms & set(p.relative_to(ROOT).parts)]
    return architecture.callers(map(read, calling), methods)


def test_a_dry_run_has_nothing_that_changes_anything_at_fivetran() -> None:
    """Its client's one call besides GETs is the sandbox's own, below an address that Fivetran does not have."""
    reader = read(ROOT / "connections" / "fivetran" / "reader.py")
    sends = {name for name, called in architecture.calls(reader).items() if called & {"_change", "_post", "_ending"}}
    assert sends == {"would_create"} and 'CHECK = "/_sandbox/check"' in reader
    assert not architecture.methods(reader, of="FivetranReader") & set(CHANGING)
    for path in python_files("connections"):
        if "dry_run" in path.relative_to(ROOT).parts:
            assert not re.search(r"configured\.client|_change|_post\b|requests", read(path)), path


def test_no_call_to_fivetran_is_made_in_a_transaction() -> None:
    forbidden = calls_to_fivetran()
    assert {"create_connection", "look_up", "reconcile", "refresh_service", "run_tests"} <= forbidden
    assert not {"transition", "tell", "atomic", "to_created"} & forbidden
    files = [path for path in PRODUCT if SANDBOX not in path.parents]
    assert findings(lambda source: architecture.calls_in_transactions(source, forbidden), files) == []


@pytest.mark.parametrize(
    "source",
    [
        "with transaction.atomic():\n    client.create_connection(body)",
        "with atomic(), other():\n    if x:\n        found = matching.look_up(client, request)",
        "@transaction.atomic\ndef verb():\n    configured.client().probe()",
    ],
)
def test_a_call_in_a_transaction_is_found(source: str) -> None:
    assert list(architecture.calls_in_transactions(source, {"create_connection", "look_up", "probe"}))


def test_a_call_after_a_transaction_is_let_pass() -> None:
    source = "with atomic():\n    save()\nclient.create_connection(body)"
    assert not list(architecture.calls_in_transactions(source, {"create_connection"}))


def test_callers_are_found_through_others() -> None:
    source = "def a():\n    b()\ndef b():\n    client.probe()\ndef c():\n    pass"
    assert architecture.callers([source], {"probe"}) == {"a", "b", "probe"}


def test_a_private_caller_counts_in_its_own_file_only() -> None:
    asks = "def look():\n    _ask()\ndef _ask():\n    client.probe()"
    saves = "def save():\n    with atomic():\n        _ask()\ndef _ask():\n    pass"
    forbidden = architecture.callers([asks, saves], {"probe"})
    assert forbidden == {"probe", "look"}
    assert not list(architecture.calls_in_transactions(saves, forbidden))
    assert list(architecture.calls_in_transactions(asks + "\nwith atomic():\n    _ask()", forbidden))


# --- one rule, one table of files and samples ------------------------------------------------------------------------

# Mails are plain text, whatever Django calls their files: escaped, a name like O'Hara would come out as O&#x27;Hara.
MAILS = sorted((ROOT / "templates" / "connections" / "mail").glob("*.html"))
TEMPLATES = [path for path in sorted((ROOT / "templates").rglob("*.html")) if path not in MAILS]
SCRIPTS = [path for path in sorted((ROOT / "connections" / "static").rglob("*.js")) if "vendor" not in path.parts]
TESTS = python_files("tests")

RULES: dict[str, tuple[Check, list[Path], list[str]]] = {
    "the code does not ask where it runs": (
        architecture.questions_where_it_runs,
        [path for path in PRODUCT if path.name != "settings.py"],
        ["if settings.DEBUG:\n    pass", "x = getattr(settings, 'TESTING', False)", "'pytest' in sys.modules"],
    ),
    "files and functions stay small": (
        architecture.too_long,
        [*PRODUCT, *TESTS],
        ["x = 1\n" * 501, "def f():\n" + "    x = 1\n" * 60],
    ),
    "views ask and answer": (
        architecture.long_views,
        [path for path in PRODUCT if "views" in path.parts],
        ["def page(request: HttpRequest) -> HttpResponse:\n" + "    x = 1\n" * 20],
    ),
    "each module says what it is for": (architecture.without_docstring, PRODUCT, ["x = 1"]),
    "no text is declared to be HTML": (
        architecture.marked_safe,
        PRODUCT,
        ["from django.utils.safestring import mark_safe", "x = safestring.mark_safe('<b>')", "x = SafeString('<b>')"],
    ),
    "templates escape and hold no script or style": (
        architecture.unsafe_template,
        TEMPLATES,
        [
            "{{ reason|safe }}",
            "{{ reason | safe }}",
            "{% autoescape off %}",
            '<p style="color: red">',
            '<p class="a"\n   style="color: red">',
            "<style>p {}</style>",
            "<script>go()</script>",
            '<script type="module">go()</script>',
            '<button onclick="go()">',
            '<a href="javascript:go()">',
            '<script src="https://cdn.example.com/x.js"></script>',
            '<link href="//cdn.example.com/x.css">',
            '<div hx-on:click="go()">',
            "{% if debug %}",
        ],
    ),
    "mails escape, and fetch nothing": (
        architecture.unsafe_mail,
        MAILS,
        ["{{ reason|safe }}", '<img src="https://a.example/x.png">', "<p style='background: url(x)'>", "<script>go()"],
    ),
    "tests wait for the page that they look at": (
        architecture.looks_without_waiting,
        [path for path in TESTS if path.name != "accessibility.py"],
        ["from axe_playwright_python.sync_playwright import Axe"],
    ),
    "scripts make no HTML and no code from text": (
        architecture.unsafe_script,
        SCRIPTS,
        [
            "box.innerHTML = text",
            "box.insertAdjacentHTML('beforeend', text)",
            "eval(text)",
            "setTimeout('go()', 1)",
            "fetch('https://other.example.com/x')",
        ],
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str) -> None:
    check, files, _samples = RULES[rule]
    assert files, "there is nothing to look at"
    assert findings(check, files) == []


@pytest.mark.parametrize(("rule", "sample"), [(rule, sample) for rule, row in RULES.items() for sample in row[2]])
def test_rule_finds_its_bad_samples(rule: str, sample: str) -> None:
    assert list(RULES[rule][0](sample))


@pytest.mark.parametrize(
    ("rule", "sample"),
    [
        ("templates escape and hold no script or style", '<script src="{% static "x.js" %}"></script>{{ a|safely }}'),
        ("templates escape and hold no script or style", "{# {{ x|safe }} was here #}<p class='style'>on = 1</p>"),
        ("scripts make no HTML and no code from text", "// innerHTML is never used\nbox.textContent = text"),
        ("each module says what it is for", '"""M."""\ndef f(): pass\nclass A:\n    def g(self): pass'),
        ("files and functions stay small", "x = 1\n" * 500),
    ],
)
def test_rule_lets_the_good_pass(rule: str, sample: str) -> None:
    assert not list(RULES[rule][0](sample))


# --- names and words -------------------------------------------------------------------------------------------------


def test_no_module_is_a_drawer() -> None:
    assert [name for name in map(module, [*PRODUCT, *TESTS]) if architecture.is_drawer(name)] == []


@pytest.mark.parametrize("name", ["connections.utils", "connections.helpers.dates", "portal.common", "x.date_utils"])
def test_a_drawer_is_found(name: str) -> None:
    assert architecture.is_drawer(name)


# The words are put together here, so that this file does not hold them.
WORKPLACE = {
    "a folder of the workplace": "/" + "work/" + r"(main|shared|\.)",
    "reference material": r"\bshared" + "/(design|fivetran)|[\"']shared[\"']",
}
DOCUMENTS = [
    path
    for pattern in ("*.md", "*.toml", "*.yml", "Makefile", "Dockerfile", ".env.example", ".ci/*", ".github/**/*.yml")
    for path in ROOT.glob(pattern)
]


def test_the_project_stands_on_its_own() -> None:
    def check(text: str) -> Iterator[str]:
        return architecture.foreign_words(text, WORKPLACE)

    files = [*PRODUCT, *TEMPLATES, *SCRIPTS, *DOCUMENTS]
    assert findings(check, files) == []
    for path in TESTS:
        if list(check(read(path))) and path != Path(__file__):
            assert "skip" in read(path), f"{path} needs reference material and does not skip where it is absent"


def test_a_foreign_word_is_found() -> None:
    for sample in ("see ../" + "shared/design/look.md", "cd /" + "work/main", 'ROOT / "' + 'shared"'):
        assert list(architecture.foreign_words(sample, WORKPLACE))
