"""Pages that hold hostile texts, and pages in a foreign frame, in a real browser."""

from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, models, transaction
from playwright.sync_api import Page, Route

from connections.models import CatalogEntry, ConnectionRequest, Notice
from connections.states import Status
from tests import catalogs, factories

HOSTILE = "\"'><script>window.ran=1</script><img src=x onerror=window.ran=1 data-injected>{{ 7|add:7 }}</textarea>"
_PAGES = ("/", "/requests/", "/requests/new/", "/approvals/", "/catalog/", "/operations/", "/requests/batch/")
_SEARCHED = "window.ran"


def _fill_columns() -> set[str]:
    """Write the hostile text into every text column that takes it; the columns that did."""
    filled = set()
    for model in apps.get_app_config("connections").get_models():
        for field in model._meta.concrete_fields:
            is_text = isinstance(field, models.CharField | models.TextField)
            if not is_text or field.choices or field.primary_key or field.name in {"status", "group_id", "service"}:
                continue
            try:
                with transaction.atomic():
                    rows = model._default_manager.update(**{field.attname: HOSTILE[: field.max_length]})
            except DatabaseError:
                continue  # a constraint or a trigger: this column cannot hold it
            if rows:
                filled.add(f"{model.__name__}.{field.name}")
    return filled


@pytest.fixture
def hostile(live_server: Any, cast: dict[str, Any], settings: Any) -> list[str]:
    """Rows in several states whose texts are hostile; the addresses of the pages that show them."""
    settings.PUBLIC_URL = live_server.url
    catalogs.offered()
    factories.draft(cast["requester"], reason=HOSTILE)
    for name, state in (("a", Status.PENDING), ("b", Status.REJECTED), ("c", Status.CREATED), ("d", Status.ATTENTION)):
        factories.request_in(state, cast["requester"], cast["approver"], **{"config.schema": name, "reason": HOSTILE})
    filled = _fill_columns()
    assert {"ConnectionRequest.reason", "Notice.last_error", "CatalogEntry.name"} & filled, filled
    assert ConnectionRequest.objects.count() == 5 and Notice.objects.exists() and CatalogEntry.objects.exists()
    own = [f"/requests/{pk}/" for pk in ConnectionRequest.objects.values_list("pk", flat=True)]
    return [*_PAGES, *own, *(f"{address}clone/" for address in own[1:2]), *(f"{own[3]}{end}" for end in ("export/",))]


def _admin_pages() -> list[str]:
    found = []
    for model in apps.get_app_config("connections").get_models():
        row = model._default_manager.first()
        if row is not None:
            address = f"/admin/connections/{model._meta.model_name}/"
            found += [address, f"{address}{row.pk}/change/"]
    return found


@pytest.mark.parametrize("username", ["requester", "approver", "auditor", "operator", "admin"])
def test_no_stored_text_becomes_part_of_a_page(hostile: list[str], browse: Any, username: str) -> None:
    """The browser fixture fails on every error of the console: a refused inline script would be one."""
    page = browse(username)
    shown = 0
    for address in [*hostile, *(_admin_pages() if username == "admin" else [])]:
        answer = page.request.get(address)
        if answer.status in {403, 404}:  # not this person's, or no such page in the admin
            continue
        assert answer.status == 200, address
        page.goto(address)
        assert page.evaluate("window.ran") is None, address
        assert page.locator("[data-injected]").count() == 0, address
        shown += _SEARCHED in page.content()
    assert shown > 2


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
