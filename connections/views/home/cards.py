"""The reader's connections at a glance."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from connections.spec.characters import visible
from connections.states import Status
from connections.views.history.rows import health, in_pieces, last_sync


@dataclass(frozen=True)
class Card:
    url: str
    service: str
    service_name: str
    name: SafeString
    state: SafeString | str
    synced: SafeString | str


def is_live(row: dict[str, Any]) -> bool:
    return row["status"] == Status.CREATED and not row["deleted_at_fivetran_at"]


def of_connection(row: dict[str, Any]) -> Card:
    return Card(
        url=reverse("connections:request", args=[row["id"]]),
        service=row["service"],
        service_name=visible(row["service_name"]),
        name=in_pieces(row["schema"]),
        state=health(row["connection__setup_state"], row["connection__sync_state"], drifted=False),
        synced=last_sync(row["connection__succeeded_at"], row["connection__failed_at"], timezone.now()),
    )
