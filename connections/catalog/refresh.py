"""Fetching what Fivetran offers: list calls with all pages, kind after kind, each replaced whole or not at all.

The budget: 800 services, 150 destinations and their groups, the links and agents take 8 list calls. The metadata of
services is a call each, so a large catalog has it fetched when a service is first chosen; ahead go only the few that
the company recommends. A refresh stays below 20 calls.
"""

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

log = logging.getLogger(__name__)
SMALL = 60  # services; the metadata of so few is fetched ahead, all of it
RECOMMENDED_AHEAD = 8  # services of a larger catalog whose metadata one refresh fetches ahead
STALE = timedelta(days=7)  # the age at which metadata is fetched again
RETRY = timedelta(seconds=60)  # the wait after a fetch of metadata that failed
# While somebody waits for the form, Fivetran gets this long (seconds, the whole call with its repetitions).
PATIENCE = {"connect_timeout": 2.0, "read_timeout": 3.0, "get_deadline": 4.0}
_NAME_LENGTH = 300
_NEVER_EMPTY = {Kind.ACCOUNT, Kind.SERVICE}


@dataclass(frozen=True)
class _Source:
    """Where a kind comes from, which key is its id, and which of its keys make a name for people."""

    fetch: Callable[[FivetranClient], Iterable[Mapping[str, Any]]]
    id_key: str
    names: tuple[str, ...]
    kept: Callable[[Mapping[str, Any]], dict[str, Any]] = dict


def _account(client: FivetranClient) -> list[Mapping[str, Any]]:
    return [client.get_account().data]


_SOURCES: dict[Kind, _Source] = {
    Kind.ACCOUNT: _Source(_account, "account_id", ("account_name",)),
    Kind.GROUP: _Source(FivetranClient.list_groups, "id", ("name",)),
    Kind.DESTINATION: _Source(FivetranClient.list_destinations, "id", ("service",)),
    Kind.SERVICE: _Source(FivetranClient.list_connector_types, "id", ("name",)),
    Kind.PRIVATE_LINK: _Source(FivetranClient.list_private_links, "id", ("name",)),
    Kind.PROXY_AGENT: _Source(FivetranClient.list_proxies, "id", ("display_name",)),
    Kind.HYBRID_AGENT: _Source(FivetranClient.list_hybrid_agents, "id", ("display_name",)),
    Kind.CONNECTION: _Source(FivetranClient.list_connections, "id", ("schema",), existing_connections.kept),
}


def refresh_all() -> dict[Kind, str]:
    """Fetch every kind; returns kind -> what went wrong ("" where nothing did).

    A kind that fails keeps its last good copy. A wait (429) or a bad key (401) ends the round: more calls cannot help.
    """
    client = configured.client()
    outcome: dict[Kind, str] = {}
    for kind in _SOURCES:
        outcome[kind], go_on = _refresh(client, kind)
        if not go_on:
            return outcome
    for service in _ahead():
        if not refresh_service(service, client=client):
            break
    return outcome


def due() -> Q:
    """The entries whose metadata is missing or old, and was not asked for in vain a moment ago."""
    now = timezone.now()
    wanted = Q(detail__isnull=True) | Q(detail_at=None) | Q(detail_at__lt=now - STALE)
    return wanted & (Q(detail_tried_at=None) | Q(detail_tried_at__lt=now - RETRY))


def _ahead() -> QuerySet[CatalogEntry, str]:
    """The services whose metadata this refresh fetches, those that waited longest first."""
    services = CatalogEntry.objects.filter(kind=Kind.SERVICE)
    wanted, most = services.filter(due()), SMALL
    if services.count() > SMALL:
        recommended = ServiceRule.objects.filter(stance=Stance.RECOMMENDED).values("service")
        wanted, most = wanted.filter(fivetran_id__in=recommended), RECOMMENDED_AHEAD
    oldest = Coalesce("detail_tried_at", "detail_at").asc(nulls_first=True)
    return wanted.order_by(oldest, "id").values_list("fivetran_id", flat=True)[:most]


def _refresh(client: FivetranClient, kind: Kind) -> tuple[str, bool]:
    """Fetch one kind; returns what went wrong, and whether the next kind is worth asking for."""
    source = _SOURCES[kind]
    log_row, _ = CatalogRefresh.objects.get_or_create(kind=kind)
    mine = CatalogRefresh.objects.filter(pk=log_row.pk)
    try:
        items = list(source.fetch(client))
        entries = {entry.fivetran_id: entry for item in items if (entry := _entry(kind, source, item))}
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
        CatalogEntry.objects.filter(kind=kind).exclude(fivetran_id__in=list(entries)).delete()
        mine.update(tried_at=Now(), fetched_at=Now(), error="")
    return "", True


def _entry(kind: Kind, source: _Source, item: Mapping[str, Any]) -> CatalogEntry | None:
    """An item as a row; None for one without an id, which nothing could refer to."""
    fivetran_id = item.get(source.id_key)
    if not isinstance(fivetran_id, str) or not 0 < len(fivetran_id) <= 200:
        return None
    name = next((str(item[key]) for key in source.names if item.get(key)), fivetran_id)
    return CatalogEntry(kind=kind, fivetran_id=fivetran_id, name=name[:_NAME_LENGTH], data=source.kept(item))


def refresh_service(service: str, *, client: FivetranClient | None = None) -> bool:
    """Fetch one service's metadata (its config and auth fields); whether it succeeded. An old copy stays otherwise.

    Without a `client` it is asked for with `PATIENCE`: somebody waits.
    """
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service)
    try:
        detail = (client or configured.client(**PATIENCE)).get_connector_type(service).data
        if not _is_config(detail.get("config")):
            raise Unknown("The metadata holds no config.")
    except (FivetranError, ValueError) as error:
        log.warning("the metadata of a service could not be fetched: %s", type(error).__name__)
        entry.update(detail_tried_at=Now())
        return False
    return entry.update(detail=dict(detail), detail_at=Now(), detail_tried_at=Now()) == 1


def _is_config(config: Any) -> bool:
    """Whether it is built like one: kept for days, nonsense would pass for a service without any settings."""
    if not isinstance(config, dict):
        return False
    return isinstance(config.get("properties", {}), dict) and isinstance(config.get("required") or [], list)
