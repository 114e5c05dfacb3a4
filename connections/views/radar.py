"""The same source twice: what already reads the host, account, site or sheet that somebody is about to connect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from connections import catalog, permissions, sources
from connections.catalog import LiveConnection
from connections.forms.offers import offer
from connections.models import ConnectionRequest
from connections.sources import Source

MOST = 5  # that are named


@dataclass(frozen=True)
class Finding:
    """Something that reads the same source; `address` is its page, for those who may see it."""

    words: str
    address: str = ""


@dataclass(frozen=True)
class Radar:
    """What was found: the source in words ("host db.example.com"), and what reads it already."""

    source: str = ""
    findings: tuple[Finding, ...] = ()


def radar_of(body: Mapping[str, Any], *, by: User, edited: ConnectionRequest | None = None) -> Radar:
    """What reads the source of `body` (as it would be sent) already, in any destination; owners only as `by` may know.

    Whatever cannot be shown is one sentence that names nobody.
    """
    source = sources.source_of(str(body.get("service", "")), body.get("config", {}))
    if source is None:
        return Radar()
    requests = ConnectionRequest.objects.of_source(source.key).exclude(pk=edited.pk if edited else 0)
    visible = permissions.visible_to(by).filter(pk__in=requests.values("pk"))
    shown = [_request(row) for row in visible.select_related("requester").order_by("-id")[:MOST]]
    live = _not_ours(catalog.live.of_source(source.key, most=50))
    hidden = requests.count() - visible.count()
    if permissions.sees_everything(by):
        shown += [_live(one) for one in live]
    else:
        hidden += len(live)
    rest = [_hidden(hidden)] if hidden else []
    return Radar(_words(source), (*shown[:MOST], *rest))


def _words(source: Source) -> str:
    value = source.value if len(source.value) <= 100 else f"{source.value[:100]}…"
    return f"{source.what} {value}"


def _not_ours(found: list[LiveConnection]) -> list[LiveConnection]:
    """Those that came of no request: the others were found as requests."""
    ids = [one.id for one in found]
    ours = set(ConnectionRequest.objects.filter(connection_id__in=ids).values_list("connection_id", flat=True))
    return [one for one in found if one.id not in ours]


def _request(row: ConnectionRequest) -> Finding:
    words = f"Request {row.pk} of {row.requester} ({row.state.label}), into {row.group_name or row.group_id}"
    return Finding(f"{words} as {row.schema}", reverse("connections:request", args=[row.pk]))


def _live(one: LiveConnection) -> Finding:
    groups = offer("group_id")
    group = groups.name_of(one.group_id) if groups else ""
    return Finding(f"Connection {one.id} at Fivetran, into {group or one.group_id} as {one.schema}")


def _hidden(count: int) -> Finding:
    what = "A connection or request" if count == 1 else f"{count} connections or requests"
    return Finding(f"{what} of somebody else. Ask the platform team before you connect it again.")
