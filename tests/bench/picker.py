"""A key in the service picker over 800 services beside a plain select, and the calls of a whole refresh."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import processes
from tests.bench.pages import cookie_of, in_process
from tests.bench.readings import Reading, Site, compare, milliseconds, percentile
from tests.sandbox_client import Fivetran

SERVICES, DESTINATIONS = 800, 150
TIMES = 20
WORDS = ("s", "se", "service", "service number 4", "database", "47", "s number 79", "nothing like it", "srvc12", "")

# One key: the text changes, the list is drawn and laid out.
PRESS = """words => {
  const input = document.querySelector("[role=combobox]");
  const started = performance.now();
  input.value = words;
  input.dispatchEvent(new Event("input", {bubbles: true}));
  document.querySelector(".picker-panel").getBoundingClientRect();
  return performance.now() - started;
}"""
# The yardstick: the browser reads and lays out Django's own select of the same services.
PLAIN = """html => {
  const box = document.createElement("div");
  document.querySelector("main").append(box);
  const started = performance.now();
  box.innerHTML = html;
  box.firstElementChild.getBoundingClientRect();
  const took = performance.now() - started;
  box.remove();
  return took;
}"""


def a_key(site: Site) -> list[Reading]:
    """From a key to the drawn list, in Chromium; and the list's one answer beside Django's plain form."""
    from django.template import engines

    _offer()
    plain = engines["django"].from_string("{{ form }}")
    rendered = plain.render({"form": _plain_form()})
    listed = in_process("/requests/new/services.json", cookie_of("requester"))
    served = compare(listed, lambda: plain.render({"form": _plain_form()}), rounds=site.rounds, times=TIMES)
    keys, selects = [], []
    with processes.web({}) as address, _page(address) as page:
        for _ in range(site.rounds * TIMES):
            keys += [page.evaluate(PRESS, words) for words in WORDS]
            selects.append(page.evaluate(PLAIN, rendered))
    typical, select = percentile(keys, 50), percentile(selects, 50)
    beside = f"{typical:.1f} ms a key, the select {select:.1f} ms"
    return [
        Reading("a key / a plain select drawn", typical / select, "x", 1.0, beside),
        Reading("a key to the drawn list, p95", percentile(keys, 95), "ms", 50, f"{SERVICES} services"),
        Reading(
            "the list's answer / {{ form }} with a select",
            served.ratio,
            "x",
            1.6,
            f"{served.ours:.1f} ms, Django {served.yardstick:.1f} ms",
        ),
    ]


def a_refresh(site: Site) -> list[Reading]:
    """The calls that a refresh of everything takes."""
    from django.conf import settings

    from connections import catalog

    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        file = Path(folder) / "services.json"
        spec = {"schema_format": "schema", "config": {"host": {"type": "string"}}, "auth": None}
        file.write_text(json.dumps({"services": {f"service_{n:03}": spec for n in range(SERVICES)}}))
        with processes.sandbox(catalog=file) as sandbox:
            settings.FIVETRAN_BASE_URL = sandbox.url
            stand_in = Fivetran(sandbox.url)
            groups = [{"id": f"group_{n}", "name": f"Warehouse {n}"} for n in range(DESTINATIONS)]
            connected = [{**group, "service": "snowflake", "setup_status": "CONNECTED"} for group in groups]
            for path, items in (("/v1/groups", groups), ("/v1/destinations", connected)):
                body = {"code": "Success", "data": {"items": items}}
                stand_in.next({"method": "GET", "path": path, "status": 200, "body": body})
            took = milliseconds(lambda: _checked(catalog.refresh_all()))
            calls = [entry for entry in stand_in.call("journal") if entry["path"].startswith("/v1/")]
        assert len(catalog.services()) >= SERVICES and len(catalog.destinations()) == DESTINATIONS
    beside = f"{SERVICES} services and {DESTINATIONS} destinations in {took:.0f} ms"
    return [Reading("calls of a refresh", len(calls), "calls", 20, beside)]


def _checked(outcome: dict[Any, str]) -> None:
    assert not any(outcome.values()), outcome


def _offer() -> None:
    """A catalog as large as Fivetran's, in categories."""
    from django.db.models.functions import Now

    from connections.models import CatalogEntry, CatalogRefresh, Kind

    CatalogRefresh.objects.all().delete()
    CatalogEntry.objects.all().delete()
    CatalogRefresh.objects.bulk_create(CatalogRefresh(kind=kind, tried_at=Now(), fetched_at=Now()) for kind in Kind)
    categories = ("Database", "Marketing", "Finance", "File", "API")
    CatalogEntry.objects.bulk_create(
        CatalogEntry(
            kind=Kind.SERVICE,
            fivetran_id=f"service_{n:03}",
            name=f"Service number {n}",
            data={
                "type": categories[n % len(categories)],
                "service_status": "sunset" if n % 9 == 0 else "general_availability",
                "link_to_docs": f"https://fivetran.com/docs/connectors/service-{n}",
                "description": "What it is, in a sentence or two. " * 4,
            },
            detail={"config": {"required": ["schema"], "properties": {}}},
            detail_at=Now(),
        )
        for n in range(SERVICES)
    )


def _plain_form() -> Any:
    """What Django alone makes of the same list: one select, read from the same rows."""
    from django import forms

    from connections.models import CatalogEntry, Kind

    class Plain(forms.Form):
        service = forms.ModelChoiceField(CatalogEntry.objects.filter(kind=Kind.SERVICE).only("name", "fivetran_id"))

    return Plain()


@contextmanager
def _page(address: str) -> Iterator[Any]:
    """The form in Chromium, with the picker's list."""
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's synchronous API runs an event loop in this thread
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    name, _, value = cookie_of("requester").partition("=")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=processes.chromium(), args=flags)
        page = browser.new_page()
        page.context.add_cookies([{"name": name, "value": value, "url": address}])
        with page.expect_response("**/services.json"):
            page.goto(f"{address}/requests/new/")
        page.get_by_role("combobox", name="Service").click()
        page.get_by_role("option").first.wait_for()
        yield page
        browser.close()
