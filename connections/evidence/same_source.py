"""The same source twice: what already reads the host, account, site or sheet of a request."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from connections import catalog, permissions
from connections.catalog import LiveConnection
from connections.models import ConnectionRequest
from connections.people import display_name
from connections.permissions import Person
from connections.spec import source_key
from connections.spec.payloads import config_of
from connections.spec.source_key import Source

MOST = 5  # that are named
_READ = 1000  # requests and connections that are read at once, whatever reads their sources


@dataclass(frozen=True)
class Finding:
    words: str
    address: str = ""  # its page, for those who may see it


@dataclass(frozen=True)
class SameSource:
    source: str = ""  # in words: "host db.example.com"
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Readers:
    """What reads some sources, by their keys; what the person may not see is only counted."""

    requests: dict[str, list[ConnectionRequest]] = field(default_factory=dict)
    hidden: dict[str, set[int]] = field(default_factory=dict)
    live: dict[str, list[LiveConnection]] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)  # how many more there are of each
    groups: Mapping[str, str] = field(default_factory=dict)

    def of(self, source: Source | None, key: str, *, without: int | None = None) -> SameSource:
        """What reads the source with this key, except the request `without`."""
        if not key:
            return SameSource()
        requests = [conn_request for conn_request in self.requests.get(key, []) if conn_request.pk != without]
        shown = [found_request(conn_request) for conn_request in requests[:MOST]]
        # A person who may not see everything learns that something reads the source, and not whose it is.
        hidden = len(self.hidden.get(key, set()) - {without})
        live = self.live.get(key, [])
        for one in live:
            group = self.groups.get(one.group_id, one.group_id)
            shown.append(Finding(f"Connection {one.id} at Fivetran, into {group} as {one.schema}"))
        rest = len(requests) + len(live) - MOST
        more = [Finding(f"{rest} more connections or requests")] if rest > 0 else []
        if hidden := hidden + self.others.get(key, 0):
            what = "A connection or request" if hidden == 1 else f"{hidden} connections or requests"
            more.append(Finding(f"{what} of somebody else. Ask the platform team before you connect it again."))
        value = source.value if source and len(source.value) <= 100 else f"{source.value[:100]}…" if source else ""
        return SameSource(f"{source.what} {value}" if source else "source", (*shown[:MOST], *more))


def readers_of(keys: Collection[str], by: Person) -> Readers:
    """Two or three queries, none without a key."""
    wanted = {key for key in keys if key}
    if not wanted:
        return Readers()
    everything, approver = permissions.sees_everything(by), permissions.is_approver(by)
    rows = ConnectionRequest.objects.of_sources(wanted).select_related("requester").order_by("-id")
    seen = None
    if approver:  # what an approver sees is told by the row itself
        rows = rows.annotate(**permissions.answers(by))
    elif not everything:
        seen = set(permissions.visible_to(by).filter(source_key__in=wanted).values_list("pk", flat=True))
    requests: dict[str, list[ConnectionRequest]] = {}
    hidden: dict[str, set[int]] = {}
    for conn_request in rows[:_READ]:
        if approver:
            permissions.keep_answer(by, conn_request, conn_request)
        if everything or (permissions.can_see(by, conn_request) if seen is None else conn_request.pk in seen):
            requests.setdefault(conn_request.source_key, []).append(conn_request)
        else:
            hidden.setdefault(conn_request.source_key, set()).add(conn_request.pk)
    live = _not_ours(catalog.existing_connections.of_sources(wanted, most=_READ, by=by))
    told = {key: [one for one in several if everything or (approver and one.is_told)] for key, several in live.items()}
    others = {key: len(live[key]) - len(told[key]) for key in live}
    groups = catalog.group_names({one.group_id for several in told.values() for one in several})
    return Readers(requests, hidden, told, others, groups)


def same_source_of(body: Mapping[str, Any], *, by: User, edited: ConnectionRequest | None = None) -> SameSource:
    """What already reads the source of `body`; what `by` may not see is one sentence that names nobody."""
    source = source_in(body)
    if source is None:
        return SameSource()
    return readers_of([source.key], by).of(source, source.key, without=edited.pk if edited else None)


def source_in(body: Mapping[str, Any]) -> Source | None:
    return source_key.source_of(str(body.get("service", "")), config_of(body))


def _not_ours(found: Mapping[str, list[LiveConnection]]) -> dict[str, list[LiveConnection]]:
    # Those that came of a request are among the requests already.
    ids = [one.id for several in found.values() for one in several]
    if not ids:
        return {}
    ours = set(ConnectionRequest.objects.filter(connection_id__in=ids).values_list("connection_id", flat=True))
    return {key: [one for one in several if one.id not in ours] for key, several in found.items()}


def found_request(conn_request: ConnectionRequest) -> Finding:
    group = conn_request.group_name or conn_request.group_id
    who = display_name(conn_request.requester)
    words = f"Request {conn_request.pk} of {who} ({conn_request.state.label}), into {group} as {conn_request.schema}"
    return Finding(words, reverse("connections:request", args=[conn_request.pk]))
