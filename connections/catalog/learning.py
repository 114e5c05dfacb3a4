"""What Fivetran's lists do not say, learnt by a call for each: which source a connection reads, what a group has that
people need when a setup test fails (its SSH public key, its service account at Google).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from connections.catalog.refresh import PATIENCE, due
from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, Refused
from connections.models import CatalogEntry, ConnectionRequest, Kind, SetupTest
from connections.spec.payloads import config_of
from connections.spec.source_key import source_key

log = logging.getLogger(__name__)
A_ROUND = 20  # calls; 80 an hour at a round each 15 minutes, of the 500 that Fivetran's trial plan allows
_LONGEST = 4_000


@dataclass(frozen=True)
class Group:
    region: str = ""
    public_key: str = ""
    service_account: str = ""
    is_asked_for: bool = False  # whether a worker may be asking just now


# Both take a call each, so a worker fetches them once a group, when a test of one of its connections first fails. A
# page never waits for Fivetran here.
def learn_group(request_id: int) -> bool:
    """Fetch key and service account of the request's group, if one of its tests failed and they are not known yet."""
    if not isinstance(request_id, int):
        return False
    failed = SetupTest.objects.filter(run__connection__request=request_id).exclude(status__in=("PASSED", "SKIPPED"))
    failing = ConnectionRequest.objects.filter(pk=request_id, pk__in=failed.values("run__connection__request"))
    group_id = failing.values_list("group_id", flat=True).first()
    entry = CatalogEntry.objects.filter(kind=Kind.GROUP, fivetran_id=group_id or "")
    if not group_id or not entry.filter(due()).exists():
        return False
    client = configured.client(**PATIENCE)
    try:
        detail = {
            "public_key": _unless_refused(client.get_group_public_key, group_id),
            "service_account": _unless_refused(client.get_group_service_account, group_id),
        }
    except (FivetranError, ValueError) as error:
        log.warning("the key of a group could not be learnt: %s", type(error).__name__)
        entry.update(detail_tried_at=Now())
        return False
    return entry.update(detail=detail, detail_at=Now(), detail_tried_at=Now()) == 1


def _unless_refused(ask: Callable[[str], str], group_id: str) -> str:
    try:
        return ask(group_id)[:_LONGEST]
    except Refused:
        return ""  # stored as empty, and fetched again after a week


def group_of(group_id: str) -> Group:
    rows = CatalogEntry.objects.filter(kind__in=(Kind.GROUP, Kind.DESTINATION), fivetran_id=group_id)
    found = {row.kind: row for row in rows}
    group, destination = found.get(Kind.GROUP), found.get(Kind.DESTINATION)
    detail: dict[str, Any] = group.detail if group and isinstance(group.detail, dict) else {}
    texts = {k: v if isinstance(v := detail.get(k), str) else "" for k in ("public_key", "service_account")}
    region = destination.data.get("region") if destination and isinstance(destination.data, dict) else ""
    return Group(
        region=str(region or "")[:100],
        public_key=texts["public_key"],
        service_account=texts["service_account"],
        is_asked_for=group is not None and group.detail is None and group.detail_tried_at is None,
    )


def learn_sources(most: int = A_ROUND) -> int:
    """Fetch connections whose source is not known, the newest first; returns how many sources were learnt."""
    client, learnt = configured.client(), 0
    # The request of a connection that the portal created knows its source already.
    known = ConnectionRequest.objects.filter(connection_id=OuterRef("fivetran_id")).exclude(source_key="")
    unknown = CatalogEntry.objects.filter(due(), ~Exists(known), kind=Kind.CONNECTION)
    for entry in unknown.order_by("-data__created_at", "-id")[:most]:
        mine = CatalogEntry.objects.filter(pk=entry.pk)
        try:
            data = client.get_connection(entry.fivetran_id).data
        except (FivetranError, ValueError) as error:
            log.warning("what a connection reads could not be learnt: %s", type(error).__name__)
            mine.update(detail_tried_at=Now())
            if not isinstance(error, Refused | ValueError):  # a refusal concerns one connection only
                break
            continue
        key = source_key(str(entry.data.get("service", "")), config_of(data))
        learnt += mine.update(source_key=key, detail={}, detail_at=Now(), detail_tried_at=Now())
    return learnt
