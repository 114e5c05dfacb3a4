"""What reads a text from outside takes linear time: each entry of the product, and each page that is posted to."""

import random
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.test import Client, RequestFactory

from connections.catalog import Option, Service, metadata
from connections.catalog.search import search as search_services
from connections.fivetran import answers, errors
from connections.forms import batch
from connections.forms import typed_text as typed
from connections.forms.config_controls import Lines, Number, Suggested, Whole, YesNo
from connections.forms.controls import control
from connections.forms.offers import Offer
from connections.forms.preset_editor import Paths, Values
from connections.forms.rows import folded, tidied, too_many
from connections.models import connection, search
from connections.spec import (
    characters,
    diagnosis,
    export,
    hosts_and_ports,
    naming_rule,
    payloads,
    rules,
    source_key,
)
from connections.spec.fields import FIELDS
from connections.timezones import zone_named
from connections.views.history import filters
from connections.views.request_form import form as filing
from connections.views.request_form import prefill
from connections.workflow import webhooks
from portal import logs, middleware
from tests import catalogs
from tests.forms.test_request_form import COMPLETE
from tests.hostile import LENGTHS, LIMIT, LONG, seconds, texts

MOST = 20_000  # characters of the longest text that is stored
HELP_OF_ADDRESSES = {"config.host": "", "config.port": "", "config.tunnel_host": ""}
ADDRESS_RULES = tuple(hosts_and_ports.address_rules("postgres", HELP_OF_ADDRESSES))
RULE = "{team}_{service}_{region}_{purpose}"
PART = metadata.Property("hosts", metadata.Shape.LIST, "Hosts", choices=("a", "b"))
# What may be said of a text instead of reading it.
REFUSALS = (ValueError, ValidationError, batch.Unreadable, webhooks.Unusable)


def _table(text: str) -> None:
    """As it is pasted, and as the cells of a table."""
    table = batch.read_table(text)
    table.as_text()


def _query(**parameters: str) -> QueryDict:
    found = QueryDict(mutable=True)
    found.update(parameters)
    return found


def _offer(text: str) -> None:
    """Names of destinations, as many as a large account has."""
    assert Offer(tuple(Option("id", name) for name in text.split(",")[:2_000]), known=True).choices


def _words(count: int, length: int) -> list[str]:
    """No two alike, each of letters that are near each other's, as in a language."""
    by = random.Random(length)
    return ["".join(by.choices("etaoinshrdlucmfwygpbvk", k=length)) for _ in range(count)]


SERVICES = [
    Service("_".join(three), " ".join(three).title()) for three in zip(*[iter(_words(3_000, 9))] * 3, strict=True)
]

ENTRIES: dict[str, Callable[[str], Any]] = {
    "search": lambda text: search_services(SERVICES, text),
    "tidied": lambda text: tidied({text: "x", f"config__{text}": "", "config__files__0__a": "b"}),
    "add": lambda text: tidied({"config__files__0__a": "b"}, f"add:config__{text}"),
    "remove": lambda text: tidied({"config__files__0__a": "b"}, f"remove:config__{text}"),
    "too_many": lambda text: too_many({f"config__{text}": ""}),
    "folded": lambda text: folded({f"config.{text[:2_000]}": ""}),  # only paths of controls come there
    "tidy": lambda text: [typed.tidy(name, text) for name in ("config__delimiter", "config__host", f"config__{text}")],
    "refusal": lambda text: (typed.refusal(text), typed.odd_blanks_in(text)),
    "codes": lambda text: (typed.from_codes(text), typed.in_codes(text), typed.in_names(text)),
    "in_sight": typed.in_sight,
    "readings": lambda text: list(typed.readings(text)),
    "normalized": naming_rule.normalized,
    "is_usable": naming_rule.is_usable,
    "suggestion": lambda text: naming_rule.suggestion(RULE, {"team": text, "service": text}, longest=63),
    "follows": lambda text: naming_rule.follows(RULE, text, {"service": text}),
    "parts_in": lambda text: naming_rule.parts_in(RULE, text, {"destination": text}),
    "placeholders": naming_rule.placeholders,
    "addresses": lambda text: rules.check(dict.fromkeys(HELP_OF_ADDRESSES, text), ADDRESS_RULES),
    "is_secret": payloads.is_secret,
    "lies_in_secret": lambda text: payloads.lies_in_secret(text.split("__")),
    "masked": lambda text: payloads.masked({text: {text: text}}),
    "described": lambda text: payloads.described({"config": {text: [text], "host": text}}),
    "source_of": lambda text: [
        source_key.source_of("x", {key: text}) for key in ("sheet_id", "bucket", "host", "account", "shop")
    ],
    "as_json": lambda text: export.as_json({"service": text[:MOST]}),
    "as_curl": lambda text: export.as_curl({"service": text[:MOST]}, "https://api.fivetran.com"),
    "as_script": lambda text: export.as_script({"service": text[:MOST]}, "https://api.fivetran.com"),
    "as_python": lambda text: export.as_python({"service": text[:MOST], text[:MOST]: [text[:MOST]]}, text[:MOST]),
    "as_conductor": lambda text: export.as_conductor({"service": text[:MOST]}, "https://api.fivetran.com", text[:MOST]),
    "as_terraform": lambda text: export.as_terraform({"service": text[:MOST], "config": {text[:MOST]: ""}}),
    "diagnose": lambda text: diagnosis.diagnose("postgres", text, "FAILED", text, {"host": text}),
    "plain_text": metadata.plain_text,
    "metadata": lambda text: metadata.parse({"properties": {text: {"description": text}, "a": {"title": text}}}),
    "words_of": metadata.words_of,
    "read_table": _table,
    "decoded": lambda text: batch.decoded(text.encode(errors="replace")),
    "is_column": batch.is_column,
    "offer": _offer,
    "read_json": lambda text: answers.read_json(text.encode(errors="replace")),
    "clean": lambda text: errors.clean(text, errors.MESSAGE_LENGTH),
    "webhook": lambda text: webhooks.read_event(text.encode(errors="replace")),
    "moment": connection.moment_of,
    "one_line": logs.one_line,
    "redacted": logs.redacted,
    "visible": lambda text: characters.visible(text[:MOST]),
    "doubtful": characters.doubtful,
    "words": search.words_of,
    "filters": lambda text: filters.read(_query(q=text)),
    "status": lambda text: filters.read(_query(status=text)),
    "cursor": filters.read_cursor,
    "date": lambda text: filters.read(_query(after=text)),
    "number": prefill.number,
    "token": filing.form_token,
    "zone": zone_named,
    "client_address": lambda text: middleware.client_address(
        RequestFactory().get("/", headers={"X-Forwarded-For": text.encode("latin-1", "replace").decode("latin-1")})
    ),
    "lines": Lines(PART).clean,
    "whole": Whole().clean,
    "float": Number().clean,
    "yes or no": YesNo().clean,
    "suggested": Suggested(choices=[("a", "A")]).clean,
    "values of a preset": Values().clean,
    "paths of a preset": Paths().clean,
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("length", LENGTHS)
def test_an_entry_takes_linear_time(entry: str, length: int) -> None:
    took = {text[:40]: seconds(ENTRIES[entry], text, refusals=REFUSALS) for text in texts(length)}
    assert {text: time for text, time in took.items() if time >= LIMIT} == {}


@pytest.mark.parametrize("length", [4, 6, 8, 10, 12, 30])
def test_a_search_that_finds_nothing_is_no_dearer(length: int) -> None:
    """Each word is forgiven its typing errors, and so compared with every word of every service."""
    assert seconds(partial(search_services, SERVICES), " ".join(_words(6, length))) < LIMIT


# --- the pages -------------------------------------------------------------------------------------------------------
ENTRANCES = {
    "form": "/requests/new/",
    "review": "/requests/new/review/",
    "autosave": "/requests/new/draft/",
    "settings": "/requests/new/config/",
}
_PAGE = 1.0  # seconds of the processor for a page, which takes some 0.2 without any hostile text


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form that knows a service with a list of objects among its settings."""
    catalogs.offered()
    catalogs.told()
    return as_user("requester")


def _actions(length: int) -> list[str]:
    name = "config" + "__a" * (length // 3)
    names = (
        name,
        name + "__0",
        "config__" + "_" * length,
        "config" + "__0" * (length // 3),
        "config__a" + "__0a" * (length // 4),
    )
    return [
        *(f"{verb}:{name}{tail}" for verb in ("add", "remove") for name in names for tail in ("", "!")),
        ":" * length,
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("method", ["post", "get"])
def test_no_action_holds_a_page_up(
    client: Client, cast: dict[str, User], method: str, entrance: str, length: int
) -> None:
    typed = {**COMPLETE, "service": "s3", "config__files__0__file_pattern": "a", "user": str(cast["requester"].pk)}

    def press(action: str) -> None:
        texts_of_form = {**typed, "form_token": str(uuid.uuid4()), "action": action}
        assert getattr(client, method)(ENTRANCES[entrance], texts_of_form).status_code in {200, 302, 405}

    press("draft")  # what is read only once
    slow = {action[:40]: took for action in _actions(length) if (took := seconds(press, action, limit=_PAGE)) >= _PAGE}
    assert slow == {}


@pytest.mark.django_db
def test_a_link_presses_no_button(client: Client) -> None:
    entries = {"service": "s3", "config__files__0__file_pattern": "kept"}
    pressed = {**entries, "action": "remove:config__files__0"}
    assert "kept" in client.get(ENTRANCES["settings"], pressed).content.decode()
    assert "kept" not in client.post(ENTRANCES["settings"], pressed).content.decode()
    assert "kept" in client.post(f"{ENTRANCES['settings']}?action=remove:config__files__0", entries).content.decode()


_MANY = {
    "entries": {f"config__files__{n}__file_pattern": "a" for n in range(900)},
    "levels": {"config" + f"__{n}" * 150: "a" for n in range(900)},
    "lists": {f"config__l{n}__{n}__a__{n}__b__{n}__c": "a" for n in range(900)},
    "names": {f"config__{n}" + "a" * 400: "a" for n in range(900)},
}


@pytest.mark.django_db
@pytest.mark.parametrize("many", _MANY)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_many_names_hold_no_page_up(client: Client, cast: dict[str, User], entrance: str, many: str) -> None:
    typed = {**COMPLETE, "service": "s3", "user": str(cast["requester"].pk), **_MANY[many]}
    address = ENTRANCES[entrance]
    assert seconds(lambda _: client.post(address, typed), "", limit=5 * _PAGE) < 5 * _PAGE  # the square took minutes


ACCENTS = "\u0315" * (LONG // 2) + "\u0300" * (LONG // 2)


@pytest.mark.django_db
@pytest.mark.parametrize("before", ["", "https://", "a@"])
def test_no_text_in_any_control_holds_the_review_up(client: Client, before: str) -> None:
    """Sorting accents takes the square of their number: nothing long is normalized."""
    form = {**COMPLETE, "service": "postgres"}
    names = [*COMPLETE, "source_owner", "connect_card_config__redirect_uri", "config__host", "config__schema_prefix"]
    for name in names:
        typed = {**form, name: before + ACCENTS}
        took = seconds(partial(client.post, ENTRANCES["review"]), typed, limit=_PAGE)
        assert took < _PAGE, name


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["service" + "," * 250_000, "service," * 30_000, ",".join(f"config__a{n}" for n in range(17_000)) + "\na"]
)
def test_no_table_holds_its_page_up(client: Client, text: str) -> None:
    def paste(table: str) -> None:
        assert "columns" in client.post("/requests/batch/", {"table": table}).content.decode()

    paste("service")  # what is loaded and compiled at the first time is no part of it
    assert seconds(paste, text, limit=_PAGE) < _PAGE


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["username", "password", "next"])
def test_no_text_holds_the_log_in_up(name: str) -> None:
    typed = {"username": "a", "password": "b", name: f"//{ACCENTS}"}
    assert seconds(lambda _: Client().post("/accounts/login/", typed), "", limit=_PAGE) < _PAGE


@pytest.mark.django_db
@pytest.mark.parametrize("list_of", ["connectionrequest", "event", "preset", "catalogentry"])
def test_no_search_holds_the_admin_up(as_user: Any, list_of: str) -> None:
    admin = as_user("admin")
    searched = '"' + '\\" ' * 10_000
    took = seconds(lambda text: admin.get(f"/admin/connections/{list_of}/", {"q": text}), searched, limit=_PAGE)
    assert took < _PAGE


@pytest.mark.django_db
def test_values_of_a_preset_are_not_nested_without_end(as_user: Any) -> None:
    admin = as_user("admin")
    for nested in ("[" * LONG, '{"config.a": ' + "[" * 900 + "]" * 900 + "}"):
        answer = admin.post("/admin/connections/preset/add/", {"name": "Deep", "values": nested, "position": "1"})
        assert "levels deep" in answer.content.decode()


@pytest.mark.django_db
def test_every_control_is_judged_in_time(client: Client) -> None:
    for field in FIELDS:
        made = control(field)
        for text in texts(LONG):
            assert seconds(made.clean, text, refusals=REFUSALS) < LIMIT, (field.path, text[:40])
