"""Pages that hold hostile texts, and pages in a foreign frame, in a real browser."""

from contextlib import suppress
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import DatabaseError, models, transaction
from django.utils import timezone
from playwright.sync_api import Page, Route

from connections.models import About, AccessRule, ConnectionRequest, DryRun, Event, EventKind
from connections.spec.dry_run import Check, CheckState, Result
from connections.states import Status
from connections.views.history.tabs import Tab
from tests import catalogs, factories
from tests.views.test_url_map import GETS, World, address, world
from tests.views.test_url_map_of_django import addresses

__all__ = ["addresses", "world"]  # the fixtures

HOSTILE = "\"'><script>window.ran=1</script><img src=x onerror=window.ran=1 data-injected>{{ 7|add:7 }}</textarea>"
_SEARCHED = "window.ran"
# What an address or a state is found by, and what a person logs in with.
_KEPT = {"check", "state", "acts", "status", "group_id", "service", "nonce", "username", "password", "fivetran_id"}

_EXCHANGE = {"method": "GET", "address": "/", "status": 200, "milliseconds": 1, "answer": "{}"}
_CHECK = Result(Check.NAME, CheckState.FAILED, ("Taken.",), exchanges=(_EXCHANGE,)).as_json()

# Constraints and triggers keep these, or no row is made here.
_HELD = {
    *(f"ConnectionRequest.{name}" for name in ("approved_digest", "connection_id", "digest", "schema")),
    *(f"Trust.{name}" for name in ("hash", "message", "proof", "shown")),
    *(f"Event.{name}" for name in ("about_id", "about_kind", "about_name", "address", "reason", "typed_name")),
    *("EventSeal.digest", "EventSeal.salt", "WebhookDelivery.digest"),
}


def _in_json(value: Any, key: str = "") -> Any:
    """With the hostile text instead of every text, but those that something is found by."""
    match value:
        case dict():
            return {name: _in_json(inner, name) for name, inner in value.items()}
        case list():
            return [_in_json(inner, key) for inner in value]
        case str() if key not in _KEPT:
            return HOSTILE
        case _:
            return value


def _fill_columns() -> set[str]:
    """Write the hostile text into every text column; returns those that do not take it, or have no row."""
    refused = set()
    tables: list[type[models.Model]] = [*apps.get_app_config("connections").get_models(), User]
    for model in tables:
        for field in model._meta.concrete_fields:
            is_text = isinstance(field, models.CharField | models.TextField)
            if not is_text or field.choices or field.primary_key or field.name in _KEPT:
                continue
            try:
                with transaction.atomic():
                    rows = model._default_manager.update(**{field.attname: HOSTILE[: field.max_length]})
            except DatabaseError:
                rows = 0  # a constraint or a trigger: this column cannot hold it
            if not rows:
                refused.add(f"{model.__name__}.{field.name}")
    return refused


def _fill_json() -> None:
    for model in apps.get_app_config("connections").get_models():
        names = [field.attname for field in model._meta.concrete_fields if isinstance(field, models.JSONField)]
        for pk, *values in model._default_manager.values_list("pk", *names) if names else ():
            with suppress(DatabaseError), transaction.atomic():  # nobody changes an event
                found = dict(zip(names, map(_in_json, values), strict=True))
                model._default_manager.filter(pk=pk).update(**found)


@pytest.fixture
def hostile(
    live_server: Any, cast: dict[str, Any], world: World, addresses: dict[str, str], settings: Any
) -> list[str]:
    """Rows of every kind whose texts are hostile; the addresses of all pages."""
    settings.PUBLIC_URL = live_server.url
    catalogs.offered()
    factories.draft(cast["requester"], reason=HOSTILE)
    for name, state in (("a", Status.PENDING), ("b", Status.REJECTED), ("c", Status.CREATED), ("d", Status.ATTENTION)):
        made = factories.request_in(
            state, cast["requester"], cast["approver"], **{"config.schema": name, "reason": HOSTILE}
        )
        DryRun.objects.create(request=made, asked_by=cast["requester"], finished_at=timezone.now(), checks=[_CHECK])
    AccessRule.objects.get().destinations.create(group_id="elsewhere", name="Elsewhere")
    # Events are never changed, so one is written with what the others cannot hold.
    about = About("page", HOSTILE, HOSTILE)
    Event.objects.record(EventKind.LOG_IN_REFUSED, by=None, about=about, typed_name=HOSTILE, reason=HOSTILE)
    assert _fill_columns() == _HELD
    _fill_json()
    own = [f"/requests/{pk}/" for pk in ConnectionRequest.objects.values_list("pk", flat=True)]
    named = [address(world, name, kind) for name, (kind, _codes) in GETS.items()]
    tabs = [f"/requests/?tab={tab}" for tab in Tab]
    return [*named, *own, *tabs]


@pytest.mark.parametrize("username", ["requester", "approver", "auditor", "operator", "admin"])
def test_no_stored_text_becomes_part_of_a_page(
    hostile: list[str], addresses: dict[str, str], browse: Any, username: str
) -> None:
    """The browser fixture fails on every error of the console: a refused inline script would be one."""
    page = browse(username)
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))  # a part of a page names no icon
    shown = 0
    admin = [path for route, path in addresses.items() if route.startswith("admin/connections/")]
    for path in [*hostile, *(admin if username == "admin" else [])]:
        answer = page.request.get(path)
        if answer.status in {403, 404} or "text/html" not in answer.headers.get("content-type", ""):
            continue  # not this person's, no such page in the admin, or a file
        assert answer.status == 200, path
        page.goto(path)
        assert page.evaluate("window.ran") is None, path
        assert page.locator("[data-injected]").count() == 0, path
        shown += _SEARCHED in page.content()
    assert shown > 30  # each of these pages held it


def test_a_page_in_a_foreign_frame_is_not_shown(live_server: Any, db: None, page: Page) -> None:
    login = f"{live_server.url}/accounts/login/"
    around = f'<!doctype html><title>Other</title><iframe src="{login}"></iframe>'
    page.route("http://other.example/", lambda route: route.fulfill(body=around, content_type="text/html"))
    page.goto("http://other.example/")
    assert page.frames[1].url.startswith("chrome-error:")
    assert page.frames[1].get_by_label("Username").count() == 0

    def without_headers(route: Route) -> None:
        route.fulfill(body="<label>Username <input></label>", content_type="text/html")

    page.route(login, without_headers)  # the same frame shows what does not forbid it
    page.goto("http://other.example/")
    assert page.frames[1].get_by_label("Username").count() == 1
