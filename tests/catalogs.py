"""A copy of what a Fivetran account offers, as rows: one service of each naming shape, and one of each other thing."""

from collections.abc import Sequence
from typing import Any

from django.db.models.functions import Now

from connections.models import CatalogEntry, CatalogRefresh, Kind

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
