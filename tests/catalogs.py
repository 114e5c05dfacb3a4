"""A copy of what a Fivetran account offers, as rows: one service of each naming shape, and one of each other thing."""

from collections.abc import Sequence
from typing import Any

from django.db.models.functions import Now

from connections import catalog
from connections.models import CatalogEntry, CatalogRefresh, Kind
from connections.sandbox import catalog as sandbox_catalog

SHAPES: dict[str, tuple[str, ...]] = {
    "google_sheets": ("schema", "table"),
    "salesforce": ("schema",),
    "postgres": ("schema_prefix",),
    "s3": ("schema", "table_group_name"),
}
UNTOLD = "mystery"  # a service whose metadata Fivetran has not told yet


def _add(kind: Kind, fivetran_id: str, name: str, data: dict[str, Any] | None = None, **columns: Any) -> None:
    CatalogEntry.objects.create(kind=kind, fivetran_id=fivetran_id, name=name, data=data or {}, **columns)


def offered(*, without: Sequence[Kind] = (), error: str = "") -> None:
    """Store the copy; of the kinds in `without` there is none, and since then every refresh failed with `error`."""
    for kind in Kind:
        if kind not in without:
            CatalogRefresh.objects.create(kind=kind, tried_at=Now(), fetched_at=Now(), error=error)
    if Kind.SERVICE not in without:
        for service, keys in SHAPES.items():
            detail = {"config": {"required": list(keys), "properties": {}}}
            name = service.replace("_", " ").title()
            status = {"service_status": "beta" if service == "s3" else "general_availability"}
            _add(Kind.SERVICE, service, name, status, detail=detail, detail_at=Now())
        _add(Kind.SERVICE, UNTOLD, "Mystery", detail=None, detail_tried_at=Now())
    if Kind.DESTINATION not in without:
        for group, name in (("projected_sickle", "Warehouse"), ("decent_dropsy", "Sandbox warehouse")):
            _add(Kind.GROUP, group, name)
            data = {"service": "snowflake", "region": "GCP_EUROPE_WEST3", "setup_status": "CONNECTED"}
            _add(Kind.DESTINATION, group, "snowflake", data)
    if Kind.PRIVATE_LINK not in without:
        _add(Kind.PRIVATE_LINK, "link_one", "Link one", {"state": "OK"})
    if Kind.PROXY_AGENT not in without:
        _add(Kind.PROXY_AGENT, "proxy_one", "Proxy one", {"status": "CONNECTED"})
    if Kind.HYBRID_AGENT not in without:
        _add(Kind.HYBRID_AGENT, "agent_one", "Agent one", {"online": True, "group_id": "projected_sickle"})


def tell(service: str, properties: dict[str, Any], *, required: Sequence[str] = ()) -> None:
    """Store what Fivetran would tell about the settings of `service`, besides its naming keys."""
    keys = SHAPES.get(service, ())
    config = {
        "type": "object",
        "required": [*keys, *required],
        "properties": {**{key: {"type": "string"} for key in keys}, **properties},
    }
    CatalogEntry.objects.update_or_create(
        kind=Kind.SERVICE,
        fivetran_id=service,
        defaults={"detail": {"config": config}, "detail_at": Now()},
        create_defaults={"name": service, "data": {}, "detail": {"config": config}, "detail_at": Now()},
    )


FILES = {
    "type": "array",
    "title": "Files",
    "description": "Which files go into which table.",
    "items": {
        "type": "object",
        "properties": {
            "file_pattern": {"type": "string", "title": "File pattern", "example": ".*[.]csv"},
            "table_name": {"type": "string", "title": "Table name"},
        },
    },
}
METHODS = {"type": "string", "enum": ["EXTRACT_TABLES", "DEFINE_PER_TABLE"], "title": "File mapping method"}


def told() -> None:
    """The settings of `SHAPES` as the sandbox tells them, with a list of objects for s3."""
    known = sandbox_catalog.load()
    for service in SHAPES:
        found = known.get(service)
        assert found is not None
        more = {"file_mapping_method": METHODS, "files": FILES} if service == "s3" else {}
        tell(service, {**found.metadata()["config"]["properties"], **more})


_FETCHED: tuple[list[CatalogEntry], list[CatalogRefresh]] = [], []


def fetched() -> None:
    """What this process knows after `refresh_all` from a fresh sandbox, which has the same forty answers each time."""
    entries, refreshes = _FETCHED
    if not refreshes:
        if not any(catalog.refresh_all().values()):
            entries += CatalogEntry.objects.all()
            refreshes += CatalogRefresh.objects.all()
        return
    CatalogEntry.objects.bulk_create(entries)
    CatalogRefresh.objects.bulk_create(refreshes)
    CatalogEntry.objects.exclude(detail_at=None).update(detail_at=Now(), detail_tried_at=Now())
    CatalogRefresh.objects.update(fetched_at=Now(), tried_at=Now())
