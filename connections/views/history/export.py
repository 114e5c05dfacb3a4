"""The filtered history, or the ticked rows of it, as a file."""

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from connections import permissions, workflow
from connections.models import About, search, with_turn
from connections.spec import characters, payloads
from connections.timezones import zone_of
from connections.views.history import filters

CHUNK = 500
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


def filtered_chunks(request: HttpRequest, form: str, *more: str) -> Iterator[list[tuple[Any, ...]]]:
    # Each chunk is a query of its own: an export holds neither a transaction nor the rows. The filters are read before
    # the stream begins, since an answer that has begun cannot become a 400.
    chosen = filters.read(request.GET)
    rows = chosen.rows(permissions.visible_to(request.user), zone_of(request), request.user)
    if ticked := filters.ids_in(request.GET):
        rows = rows.filter(pk__in=ticked)
    rows = search.contain(with_turn(rows), search.words_of(chosen.q)).order_by("-id")
    _record(request, form, rows.count(), chosen.query(**({"id": ",".join(map(str, ticked))} if ticked else {})))

    def read() -> Iterator[list[tuple[Any, ...]]]:
        last = filters.MAX_ID
        while chunk := list(rows.filter(id__lt=last).values_list(*_EXPORTED, *more)[:CHUNK]):
            last = chunk[-1][0]
            yield chunk

    return read()


def _record(request: HttpRequest, form: str, rows: int, query: str) -> None:
    about = About("page", request.path, "Requests")
    by = permissions.logged_in(request.user)
    if request.method == "GET":  # HEAD takes nothing along
        workflow.record_export(by=by, about=about, form=form, rows=rows, filters=query.removesuffix("?"))


_FORMULA = frozenset("=+-@＝＋－＠")


class Echo:
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
@filters.refuse_unusable("history")
def export_csv(request: HttpRequest) -> StreamingHttpResponse:
    # The byte order mark: without it Excel takes UTF-8 for ANSI.
    write = csv.writer(Echo()).writerow
    chunks = filtered_chunks(request, "csv")

    def lines() -> Iterator[str]:
        yield f"\ufeff{write(_HEADINGS)}"
        for chunk in chunks:
            yield "".join(write([safe_cell(value) for value in row]) for row in chunk)

    return attachment(lines(), "text/csv; charset=utf-8", "csv")


@require_safe
@filters.refuse_unusable("history")
def export_json(request: HttpRequest) -> StreamingHttpResponse:
    # Secrets in the bodies are masked.
    chunks = filtered_chunks(request, "json", "payload")

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


def attachment(
    lines: Iterator[str], content_type: str, extension: str, name: str = "connection-requests"
) -> StreamingHttpResponse:
    name = f"{name}-{timezone.now():%Y-%m-%d}.{extension}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return StreamingHttpResponse(lines, content_type=content_type, headers=headers)
