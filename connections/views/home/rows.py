"""The lines of the lists on the first page, and its cards, ready to be laid out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connections.models import Connection, Handover
from connections.people import display_name
from connections.spec.characters import visible
from connections.states import Status
from connections.views import labels
from connections.views.history.rows import health, in_pieces, last_sync


@dataclass(frozen=True)
class Row:
    """`mark` is a data attribute, for tests and scripts."""

    mark: SafeString
    number: int
    title: str
    url: str
    where: SafeString
    state: SafeString
    since: datetime
    verb: str = ""
    service: str = ""


_VERBS = {
    Status.CHANGES_REQUESTED: "Correct",
    Status.FAILED: "Correct",
    Status.CREATED: "Enter credentials",
}


def to_go_on_with(row: dict[str, Any]) -> Row:
    return replace(of_request(row), verb=_VERBS.get(Status(row["status"]), "Go on with"))


def to_decide(row: dict[str, Any]) -> Row:
    return replace(of_request(row), verb="Decide")


def of_request(row: dict[str, Any], address: str = "connections:request") -> Row:
    """Of a draft also its preset, and when it was saved."""
    setup_state = labels.GONE if row["deleted_at_fivetran_at"] else row["connection__setup_state"]
    draft = row if row["status"] == Status.DRAFT else {}
    return Row(
        mark=_mark("request-id", row["id"]),
        number=row["id"],
        title=row["service_name"] or "No service yet",
        url=reverse(address, args=[row["id"]]),
        where=_where(
            ("to", row["group_name"]),
            ("as", row["schema"]),
            ("· from", draft.get("preset__name")),
            ("· by", _name(row) if "requester__username" in row else ""),
        ),
        state=labels.state_tags(row["status"], setup_state),
        since=draft.get("saved_at") or row["status_since"],
        service=row["service"],
    )


def of_handover(handover: Handover) -> Row:
    conn_request = handover.request
    return Row(
        mark=_mark("handover", handover.state),
        number=conn_request.pk,
        title=conn_request.service_name,
        url=reverse("connections:handover", args=[handover.token]),
        where=_where(("as", conn_request.schema), ("· asked for by", display_name(conn_request.requester))),
        state=labels.tag("warning", handover.get_state_display()),
        since=handover.sent_at,
        verb="Enter credentials",
        service=conn_request.service,
    )


def of_trust(row: Connection) -> Row:
    asked = row.request
    who = display_name(asked.requester)
    return Row(
        mark=_mark("trust-of", asked.pk),
        number=asked.pk,
        title=asked.service_name,
        url=f"{reverse('connections:request', args=[asked.pk])}#trust",
        where=_where(("to", asked.group_name), ("as", asked.schema), ("· by", who)),
        state=labels.tag("warning", f"To be trusted: {row.trust_waiting}"),
        since=row.trust_since,  # type: ignore[arg-type]  # none waits without it
        verb="Compare and approve",
        service=asked.service,
    )


WHO = ("requester__username", "requester__first_name", "requester__last_name")


def _name(row: dict[str, Any]) -> str:
    username, first, last = (row[column] for column in WHO)
    return f"{first} {last}".strip() or str(username)


def _mark(name: str, value: object) -> SafeString:
    return format_html('data-{}="{}"', name, value)


def _where(*parts: tuple[str, str | None]) -> SafeString:
    named: Iterable[tuple[str, str, str]] = (
        (words, "name" if words == "as" else "", in_pieces(text)) for words, text in parts if text
    )
    return format_html_join(" ", '{} <bdi class="{}">{}</bdi>', named)


# --- the reader's connections at a glance ----------------------------------------------------------------------------
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
