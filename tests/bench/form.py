"""P14: the request form, as crispy renders it with our layout, beside Django's own rendering of the same fields."""

from django.forms import Form

from tests.bench.pages import cookie_of, in_process
from tests.bench.readings import Reading, Site, compare, milliseconds, percentile

SERVICES = 700  # about as many as Fivetran offers
TIMES = 25


def beside_django(site: Site) -> list[Reading]:
    """With errors on the required fields, and the page as a whole."""
    from django.template import engines

    from connections.forms import Purpose, RequestForm

    _offer()
    engine = engines["django"]
    crispy = engine.from_string("{% load crispy_forms_tags %}{% crispy form form.helper %}")
    plain = engine.from_string("{{ form }}")
    form = RequestForm.from_post({"service": "service_007", "sync_frequency": "7"}, Purpose.SUBMIT)
    assert len(form.errors) >= 4
    helper = form.helper
    assert helper is not None
    _same_fields(form, crispy.render({"form": form}), plain.render({"form": form}))
    found = compare(
        lambda: crispy.render({"form": form}), lambda: plain.render({"form": form}), rounds=site.rounds, times=TIMES
    )
    page = in_process("/requests/new/?service=service_007&group_id=group_01", cookie_of("requester"))
    for _ in range(3):
        page()
    took = [milliseconds(page) for _ in range(site.rounds * TIMES)]
    beside = (
        f"{len(form.fields)} fields, {len(form.errors)} errors: {found.ours:.1f} ms, Django {found.yardstick:.1f} ms"
    )
    return [
        Reading("form / {{ form }}", found.ratio, "x", 1.6, beside),
        Reading(
            "form page, undisturbed",
            percentile(took, 10),
            "ms",
            60,
            f"p50 {percentile(took, 50):.0f} ms, {SERVICES} services",
        ),
    ]


def _same_fields(form: Form, *pages: str) -> None:
    for page in pages:
        for name in form.fields:
            assert f'name="{name}"' in page, name


def _offer() -> None:
    """A catalog as large as Fivetran's."""
    from django.db.models.functions import Now

    from connections.models import CatalogEntry, CatalogRefresh, Kind

    if CatalogRefresh.objects.exists():
        return
    CatalogRefresh.objects.bulk_create(CatalogRefresh(kind=kind, tried_at=Now(), fetched_at=Now()) for kind in Kind)
    detail = {"config": {"required": ["schema", "table"], "properties": {}}}
    entries = [
        CatalogEntry(
            kind=Kind.SERVICE,
            fivetran_id=f"service_{n:03}",
            name=f"Service number {n}",
            data={"service_status": "general_availability"},
            detail=detail,
            detail_at=Now(),
        )
        for n in range(SERVICES)
    ]
    for n in range(50):
        group = {"fivetran_id": f"group_{n:02}", "name": f"Warehouse {n:02}"}
        connected = {"service": "snowflake", "region": "GCP_EUROPE_WEST3", "setup_status": "CONNECTED"}
        entries += [
            CatalogEntry(kind=Kind.GROUP, **group),
            CatalogEntry(kind=Kind.DESTINATION, data=connected, **group),
        ]
    CatalogEntry.objects.bulk_create(entries)
