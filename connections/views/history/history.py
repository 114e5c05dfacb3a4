"""The history: every request that the reader may see, newest first, filtered, in pages without a count or an offset."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache, wraps
from typing import Any

from django.db.models import IntegerField, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from connections import permissions
from connections.models import search, with_turn
from connections.models.request import ConnectionRequestQuerySet
from connections.models.search import Edge
from connections.spec import characters, payloads
from connections.states import Status
from connections.timezones import zone_of
from connections.views import labels
from connections.views.history import filters

PAGE = 50
COUNTED = 1000
CHUNK = 500
UNCOUNTED = -1


class CappedCount(Subquery):
    # COUNT reads every row; the slice inside ends it early.
    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"


@dataclass(frozen=True)
class Page:
    """`count` is in words; `limited` says that only the newest rows were searched."""

    rows: list[tuple[Any, ...]]
    links: list[SafeString]
    count: str
    limited: bool


def refuse_unusable(view: Callable[..., Any]) -> Callable[..., Any]:
    """Answer 400, with a page that offers to clear the filters, where the view raises filters.Unusable."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return view(request, *args, **kwargs)
        except filters.Unusable as problem:
            return render(request, "connections/history/bad_filter.html", {"sentence": str(problem)}, status=400)

    return wrapped


@require_safe
@refuse_unusable
def history(request: HttpRequest) -> HttpResponse:
    chosen = filters.read(request.GET)
    edge = filters.read_cursor(request.GET.get("cursor", ""))
    page = read_page(permissions.visible_to(request.user), chosen, edge, zone_of(request))
    sees_everything = permissions.sees_everything(request.user)
    parts = ("table", "pages") if page.rows else ("none",)
    context = {
        "chosen": chosen,
        "chips": chosen.chips(),
        "statuses": [(s.value, s.label, s in chosen.status) for s in Status],
        "fields": list(chosen.fields(sees_everything)),
        "searched": f"Name, service, destination{', requester' if sees_everything else ''}",
        "query": chosen.query(),
        "page": page,
        "parts": [f"connections/history/_{name}.html" for name in parts],
        "none": None if page.rows else _none(chosen, edge, sees_everything),
        "short_reach": search.SHORT_NEWEST,
    }
    return render(request, "connections/history/history.html", context)


def _none(chosen: filters.Filters, edge: Edge | None, sees_everything: bool) -> dict[str, Any]:
    """What an empty list says, and where it leads."""
    if not (edge or chosen.any):
        whose = "" if sees_everything else " that you made"
        sentence = f"Here stands every request for a connection{whose}, with what became of it. There is none yet."
        return {"sentence": sentence, "links": [(reverse("connections:new"), "Ask for the first one")]}
    links = [(chosen.query(), "Newest")] if edge else []
    links += [(reverse("connections:history"), "Clear the filters")] if chosen.any else []
    where = "is beyond this point of the list" if edge else "fits these filters"
    return {"sentence": f"No request {where}.", "links": links}


def read_page(visible: ConnectionRequestQuerySet, chosen: filters.Filters, edge: Edge | None, zone: tzinfo) -> Page:
    # One query, or two where the words are rare (`connections.models.search`).
    rows = chosen.rows(visible, zone)
    found: list[tuple[Any, ...]] = []
    stage = search.Stage(rows, complete=True)
    for stage in search.stages(rows, search.words_of(chosen.q), edge):
        found = list(_beyond(stage, edge).values_list(*_COLUMNS, "count")[: PAGE + 1])
        if len(found) > PAGE:
            break
    more, found = len(found) > PAGE, found[:PAGE]
    if edge and edge.newer:
        found.reverse()
    newer = edge is not None and (more or not edge.newer)
    older = bool(edge and edge.newer) or more
    links = []
    if newer and found:
        links.append(_page_link(chosen.query(cursor=filters.cursor(Edge(found[0][0], newer=True))), "← Newer", "prev"))
    if older and found:
        links.append(_page_link(chosen.query(cursor=filters.cursor(Edge(found[-1][0]))), "Older →", "next"))
    if edge:
        links.append(format_html('<a href="{}">Newest</a>', chosen.query()))
    return Page(
        rows=_prepared(found, zone),
        links=links,
        count=count_in_words(found[0][-1] if found else 0, exact=len(found) if not (edge or more) else None),
        limited=stage.limited,
    )


def _page_link(address: str, words: str, relation: str) -> SafeString:
    return format_html('<a href="{}" rel="{}">{}</a>', address, relation, words)


_COLUMNS = (
    "id",
    "status",
    "service_name",
    "group_name",
    "schema",
    "requester__username",
    "since",
    "deleted_at_fivetran_at",
    "connection__setup_state",
    "turn_now",
)


def _beyond(stage: search.Stage, edge: Edge | None) -> ConnectionRequestQuerySet:
    # The capped count is a part of the query of the rows, so that a page is one query.
    counted = CappedCount(stage.rows.order_by().values("pk")[: COUNTED + 1], output_field=IntegerField())
    rows = with_turn(stage.rows).annotate(
        since=Coalesce("submitted_at", "created_at"),
        count=counted if stage.complete else Value(UNCOUNTED),
    )
    if edge is None:
        return rows.order_by("-id")
    return rows.filter(id__gt=edge.id).order_by("id") if edge.newer else rows.filter(id__lt=edge.id).order_by("-id")


@lru_cache(maxsize=4096)
def escaped_once(text: str) -> SafeString:
    # Many rows share these texts: each is escaped once.
    return escape(characters.visible(text))


@lru_cache(maxsize=256)
def labels_of(status: str, setup_state: str | None, turn: str) -> tuple[SafeString, SafeString]:
    # The same for many rows: each is made once.
    return labels.state_tags(status, setup_state), escape(turn)


def _prepared(found: Iterable[tuple[Any, ...]], zone: tzinfo) -> list[tuple[Any, ...]]:
    # Ready texts: look-ups and filters in a template's loop cost more than the query.
    now, start = timezone.now(), escape(reverse("connections:history"))
    return [
        (
            pk,
            start,
            *labels_of(status, labels.GONE if deleted else setup_state, turn),
            escaped_once(service_name or "(no service yet)"),
            escaped_once(group_name),
            characters.visible(schema),
            escaped_once(requester),
            escaped_once(labels.relative(since, now)),
            since.isoformat(),
            labels.exact(since, zone),
        )
        for pk, status, service_name, group_name, schema, requester, since, deleted, setup_state, turn, _count in found
    ]


def count_in_words(counted: int, exact: int | None) -> str:
    # Exact where one page holds all rows, else counted up to 1,000, else unknown.
    number = exact if exact is not None else counted
    if number == UNCOUNTED:
        return f"More than {PAGE} requests"
    if number > COUNTED:
        return f"{COUNTED:,}+ requests"
    return f"{number:,} request{'' if number == 1 else 's'}"


# --- export --------------------------------------------------------------------------------------------------------
_EXPORTED = (
    "id",
    "status",
    "service",
    "group_id",
    "schema",
    "service_name",
    "group_name",
    "requester__username",
    "source_owner",
    "reason",
    "created_at",
    "submitted_at",
    "status_since",
    "decided_by__username",
    "decided_at",
    "decision_reason",
    "approved_by__username",
    "approved_at",
    "approved_digest",
    "digest",
    "connection_id",
    "connection__setup_state",
    "failure_code",
    "failure_message",
    # At the end, so that whoever reads by place finds the others where they were.
    "deleted_at_fivetran_at",
    "turn_now",
)
_HEADINGS = [
    *(name.replace("__username", "").replace("connection__", "") for name in _EXPORTED[:-2]),
    "gone_at",
    "whose_turn",
]


def filtered_chunks(request: HttpRequest, *more: str) -> Iterator[list[tuple[Any, ...]]]:
    # Each chunk is a query of its own: an export holds neither a transaction nor the rows. The filters are read before
    # the stream begins, since an answer that has begun cannot become a 400.
    chosen = filters.read(request.GET)
    rows = chosen.rows(permissions.visible_to(request.user), zone_of(request))
    rows = search.contain(with_turn(rows), search.words_of(chosen.q)).order_by("-id")

    def read() -> Iterator[list[tuple[Any, ...]]]:
        last = filters.MAX_ID
        while chunk := list(rows.filter(id__lt=last).values_list(*_EXPORTED, *more)[:CHUNK]):
            last = chunk[-1][0]
            yield chunk

    return read()


_FORMULA = frozenset("=+-@＝＋－＠")


class _Echo:
    # csv.writer needs a file; this one hands each line back instead of keeping it.
    def write(self, line: str) -> str:
        return line


def safe_cell(value: Any) -> Any:
    # No spreadsheet takes the cell for a formula (OWASP, CSV injection).
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str):
        return value
    text = characters.visible(value)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA or text[:1] in ("\t", "\r") else text


@require_safe
@refuse_unusable
def export_csv(request: HttpRequest) -> StreamingHttpResponse:
    # The byte order mark: without it Excel takes UTF-8 for ANSI.
    write = csv.writer(_Echo()).writerow
    chunks = filtered_chunks(request)

    def lines() -> Iterator[str]:
        yield f"\ufeff{write(_HEADINGS)}"
        for chunk in chunks:
            yield "".join(write([safe_cell(value) for value in row]) for row in chunk)

    return attachment(lines(), "text/csv; charset=utf-8", "csv")


@require_safe
@refuse_unusable
def export_json(request: HttpRequest) -> StreamingHttpResponse:
    # Secrets in the bodies are masked.
    chunks = filtered_chunks(request, "payload")

    def lines() -> Iterator[str]:
        separator = "["
        for chunk in chunks:
            for *row, body in chunk:
                item = dict(zip(_HEADINGS, row, strict=True)) | {"payload": payloads.masked(body) if body else None}
                yield separator + json.dumps(item, default=json_text)
                separator = ",\n"
        yield "[]\n" if separator == "[" else "]\n"

    return attachment(lines(), "application/json", "json")


def json_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def attachment(lines: Iterator[str], content_type: str, extension: str) -> StreamingHttpResponse:
    name = f"connection-requests-{timezone.now():%Y-%m-%d}.{extension}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return StreamingHttpResponse(lines, content_type=content_type, headers=headers)
