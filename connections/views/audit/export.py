"""The filtered record as a file of any size; that it was taken is an event, written before the first row leaves."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from connections import permissions, workflow
from connections.models import About
from connections.timezones import zone_of
from connections.views.audit import filters
from connections.views.audit.stretches import count_of, newest_key, rows_of
from connections.views.history.export import CHUNK, Echo, attachment, json_text, safe_cell
from connections.views.history.filters import refuse_unusable

_COLUMNS = {
    "id": "id",
    "at": "at",
    "kind": "kind",
    "by__username": "person",
    "typed_name": "typed_name",
    "actor": "actor",
    "address": "address",
    "request_id": "request",
    "request__group_id": "destination",
    "version": "version",
    "source": "from_status",
    "target": "to_status",
    "about_kind": "about",
    "about_id": "about_id",
    "about_name": "about_name",
    "reason": "reason",
    "detail": "detail",
}


def chunks_of(request: HttpRequest, form: str) -> Iterator[list[tuple[Any, ...]]]:
    visible = permissions.events_visible_to(request.user)
    chosen = filters.read(request.GET)
    events = chosen.events(visible, zone_of(request))
    # What happens while the file is written, this export too, stands in the next one.
    newest = newest_key()
    about, by = About("page", request.path, "Record"), permissions.logged_in(request.user)
    if request.method == "GET":  # HEAD takes nothing along
        query, rows = chosen.query().removesuffix("?"), count_of(events, newest)
        workflow.record_export(by=by, about=about, form=form, rows=rows, filters=query)
    return rows_of(events, list(_COLUMNS), newest, CHUNK)


@require_safe
@refuse_unusable("audit")
def export_csv(request: HttpRequest) -> StreamingHttpResponse:
    write = csv.writer(Echo()).writerow
    chunks = chunks_of(request, "csv")

    def lines() -> Iterator[str]:
        yield f"\ufeff{write(_COLUMNS.values())}"  # the byte order mark: without it Excel takes UTF-8 for ANSI
        for chunk in chunks:
            yield "".join(write([_cell(value) for value in row]) for row in chunk)

    return attachment(lines(), "text/csv; charset=utf-8", "csv", name="record")


def _cell(value: Any) -> Any:
    return safe_cell(json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value)


@require_safe
@refuse_unusable("audit")
def export_json(request: HttpRequest) -> StreamingHttpResponse:
    chunks = chunks_of(request, "json")

    def lines() -> Iterator[str]:
        separator = "["
        for chunk in chunks:
            for row in chunk:
                yield separator + json.dumps(dict(zip(_COLUMNS.values(), row, strict=True)), default=json_text)
                separator = ",\n"
        yield "[]\n" if separator == "[" else "]\n"

    return attachment(lines(), "application/json", "json", name="record")
