"""Fetching what Fivetran offers: list calls with all pages, each kind replaced whole or not at all."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from connections.catalog import existing_connections
from connections.fivetran import configured
from connections.fivetran.client import FivetranClient
from connections.fivetran.errors import FivetranError, RateLimited, Unauthorized, Unknown
from connections.models import CatalogEntry, CatalogRefresh, Kind, ServiceRule, Stance
from connections.spec.characters import visible

log = logging.getLogger(__name__)
# The budget: 800 services, 150 destinations and their groups, the links and agents take 8 list calls. The metadata of
# services is a call each, so a large catalog has it fetched when a service is first chosen. A refresh of a
# large catalog stays below 20 calls.
SMALL = 150  # services; the metadata of so few is fetched ahead, all of it
RECOMMENDED_AHEAD = 8  # services of a larger catalog whose metadata one refresh fetches ahead
STALE = timedelta(days=7)  # the age at which metadata is fetched again
RETRY = timedelta(seconds=60)  # the wait after a fetch of metadata that failed
# While somebody waits for the form, Fivetran gets this long (seconds, the whole call with its repetitions).
PATIENCE = {"connect_timeout": 2.0, "read_timeout": 3.0, "get_deadline": 4.0}
_NAME_LENGTH = 300
DELETED_AT_ONCE = 10_000  # PostgreSQL takes at most 65,535 values with a statement
_NEVER_EMPTY = {Kind.ACCOUNT, Kind.SERVICE}


@dataclass(frozen=True)
class _Source:
    fetch: Callable[[FivetranClient], Iterable[Mapping[str, Any]]]
    id_key: str
    names: tuple[str, ...]  # the keys that make a name for people, the best first
    kept: Callable[[Mapping[str, Any]], dict[str, Any]] = dict


_SOURCES: dict[Kind, _Source] = {
    Kind.ACCOUNT: _Source(lambda client: [client.get_account().data], "account_id", ("account_name",)),
    Kind.GROUP: _Source(FivetranClient.list_groups, "id", ("name",)),
    Kind.DESTINATION: _Source(FivetranClient.list_destinations, "id", ("service",)),
    Kind.SERVICE: _Source(FivetranClient.list_connector_types, "id", ("name",)),
    Kind.PRIVATE_LINK: _Source(FivetranClient.list_private_links, "id", ("name",)),
    Kind.PROXY_AGENT: _Source(FivetranClient.list_proxies, "id", ("display_name",)),
    Kind.HYBRID_AGENT: _Source(FivetranClient.list_hybrid_agents, "id", ("display_name",)),
    Kind.CONNECTION: _Source(FivetranClient.list_connections, "id", ("schema",), existing_connections.kept),
}


def refresh_all() -> dict[Kind, str]:
    """Returns kind -> what went wrong ("" where nothing did). A kind that fails keeps its last copy."""
    client = configured.client()
    outcome: dict[Kind, str] = {}
    for kind in _SOURCES:
        outcome[kind], go_on = refresh_kind(client, kind)
        if not go_on:  # a wait (429) or a bad key (401): more calls cannot help
            return outcome
    for service in services_to_fetch():
        if not refresh_service(service, client=client):
            break
    return outcome


def due() -> Q:
    """The entries whose metadata is missing or old, except those whose last fetch failed just now."""
    now = timezone.now()
    wanted = Q(detail__isnull=True) | Q(detail_at=None) | Q(detail_at__lt=now - STALE)
    return wanted & (Q(detail_tried_at=None) | Q(detail_tried_at__lt=now - RETRY))


def services_to_fetch() -> QuerySet[CatalogEntry, str]:
    services = CatalogEntry.objects.filter(kind=Kind.SERVICE)
    wanted, most = services.filter(due()), SMALL  # of a small catalog all, else what the company recommends
    if services.count() > SMALL:
        recommended = ServiceRule.objects.filter(stance=Stance.RECOMMENDED).values("service")
        wanted, most = wanted.filter(fivetran_id__in=recommended), RECOMMENDED_AHEAD
    oldest = Coalesce("detail_tried_at", "detail_at").asc(nulls_first=True)
    return wanted.order_by(oldest, "id").values_list("fivetran_id", flat=True)[:most]


def refresh_kind(client: FivetranClient, kind: Kind) -> tuple[str, bool]:
    """Returns what went wrong, and whether fetching the next kind makes sense."""
    source = _SOURCES[kind]
    log_row, _ = CatalogRefresh.objects.get_or_create(kind=kind)
    mine = CatalogRefresh.objects.filter(pk=log_row.pk)
    try:
        items = list(source.fetch(client))
        entries = {entry.fivetran_id: entry for item in items if (entry := entry_of(kind, source, item))}
        if not entries and (items or kind in _NEVER_EMPTY):
            raise Unknown("The list holds nothing that can be used.")
    except FivetranError as error:
        why = f"{type(error).__name__}: {error.message}"[:500]
        mine.update(tried_at=Now(), error=why)
        log.warning("the catalog's %s could not be refreshed: %s", kind.label, type(error).__name__)
        return why, not isinstance(error, (RateLimited, Unauthorized))
    with transaction.atomic():
        CatalogEntry.objects.bulk_create(
            entries.values(),
            update_conflicts=True,
            unique_fields=["kind", "fivetran_id"],
            update_fields=["name", "data"],
        )
        known = CatalogEntry.objects.filter(kind=kind)
        gone = [pk for pk, name in known.values_list("pk", "fivetran_id") if name not in entries]
        for start in range(0, len(gone), DELETED_AT_ONCE):
            known.filter(pk__in=gone[start : start + DELETED_AT_ONCE]).delete()
        mine.update(tried_at=Now(), fetched_at=Now(), error="")
    return "", True


def entry_of(kind: Kind, source: _Source, item: Mapping[str, Any]) -> CatalogEntry | None:
    fivetran_id = item.get(source.id_key)
    # Without a usable id nothing could refer to the item.
    if not isinstance(fivetran_id, str) or not 0 < len(fivetran_id) <= 200:
        return None
    name = next((str(item[key]) for key in source.names if item.get(key)), fivetran_id)
    return CatalogEntry(
        kind=kind, fivetran_id=fivetran_id, name=visible(name)[:_NAME_LENGTH], data=_marked(source.kept(item))
    )


def _marked(value: Any) -> Any:
    """What nobody sees is marked in every text, which pages show in many places."""
    match value:
        case str():
            return visible(value)
        case dict():
            return {key: _marked(inner) for key, inner in value.items()}
        case list():
            return [*map(_marked, value)]
        case _:
            return value


def refresh_service(service: str, *, client: FivetranClient | None = None) -> bool:
    """Fetch one service's metadata; returns whether it succeeded."""
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service)
    try:
        # Without a client somebody waits for a page.
        detail = (client or configured.client(**PATIENCE)).get_connector_type(service).data
        # Kept for days, nonsense would look like a service without any settings.
        if not is_metadata(detail):
            raise Unknown("The metadata holds no config.")
    except (FivetranError, ValueError) as error:
        log.warning("the metadata of a service could not be fetched: %s", type(error).__name__)
        entry.update(detail_tried_at=Now())
        return False
    return keep_metadata(service, detail)


def is_metadata(detail: Mapping[str, Any]) -> bool:
    config = detail.get("config")
    return (
        isinstance(config, dict)
        and isinstance(config.get("properties", {}), dict)
        and isinstance(config.get("required") or [], list)
    )


def keep_metadata(service: str, detail: Mapping[str, Any]) -> bool:
    """Store what Fivetran has just told of a service that is in its list."""
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service)
    return entry.update(detail=dict(detail), detail_at=Now(), detail_tried_at=Now()) == 1
