"""Learning which source each connection at Fivetran reads: their list does not say it."""

import logging

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from connections.catalog.refresh import due
from connections.fivetran import configured
from connections.fivetran.errors import FivetranError, Refused
from connections.models import CatalogEntry, ConnectionRequest, Kind
from connections.spec.source_key import source_key

log = logging.getLogger(__name__)
A_ROUND = 20  # calls; 80 an hour at a round each 15 minutes, of the 500 that Fivetran's trial plan allows


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
        config = data.get("config")
        key = source_key(str(entry.data.get("service", "")), config if isinstance(config, dict) else {})
        learnt += mine.update(source_key=key, detail={}, detail_at=Now(), detail_tried_at=Now())
    return learnt
