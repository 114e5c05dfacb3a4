"""The record: everything that anybody did, for auditors, filtered, in pages without an offset."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from connections import permissions
from connections.models import EventSeal
from connections.models.search import Edge
from connections.timezones import zone_of
from connections.views.audit import filters
from connections.views.audit.filters import DATES, KINDS, TEXTS, Filters
from connections.views.audit.rows import rows_of
from connections.views.audit.sections import sections
from connections.views.audit.stretches import STRETCH, Page, page_of
from connections.views.history.filters import cursor, read_cursor, refuse_unusable


@dataclass(frozen=True)
class Control:
    name: str
    label: str
    value: str
    kind: str = "text"
    hint: str = ""


@require_safe
@refuse_unusable("audit")
def page(request: HttpRequest) -> HttpResponse:
    visible = permissions.events_visible_to(request.user)
    chosen = filters.read(request.GET)
    edge = read_cursor(request.GET.get("cursor", ""))
    events = chosen.events(visible, zone_of(request)).select_related("by", "request", "seal")
    found = page_of(events, edge, in_stretches=chosen.in_stretches)
    context = {
        "sections": sections(request),
        "chosen": chosen,
        "pairs": list(chosen.pairs()),
        "controls": list(controls(chosen)),
        "kinds": [(value, label, value == chosen.kind) for value, label in sorted(KINDS.items(), key=lambda k: k[1])],
        "rows": rows_of(found.events),
        "page": {"links": list(links(chosen, edge, found))},
        "sealed": EventSeal.objects.standing(),
        "searched_until": found.end_at,
        "stretch": f"{STRETCH:,}",
        "nothing": "Nothing fits so far." if found.end else "Nothing on record fits.",
    }
    return render(request, "connections/audit/audit.html", context)


def controls(chosen: Filters) -> Iterator[Control]:
    for name, (label, hint) in TEXTS.items():
        yield Control(name, label, getattr(chosen, name), hint=hint)
    for name, label in DATES.items():
        yield Control(name, label, str(getattr(chosen, name) or ""), kind="date")


def links(chosen: Filters, edge: Edge | None, found: Page) -> Iterator[SafeString]:
    for rel, words, beyond in edges(edge, found):
        yield format_html('<a href="{}" rel="{}">{}</a>', chosen.query(cursor=cursor(beyond)), rel, words)
    if edge:
        yield format_html('<a href="{}">Newest</a>', chosen.query())


def edges(edge: Edge | None, found: Page) -> Iterator[tuple[str, str, Edge]]:
    """What lies beyond the page, on both of its sides."""
    ids = [event.pk for event in found.events]
    newer = edge is not None and edge.newer
    if newer and found.end and not found.more:
        yield "prev", "← Search newer events", Edge(found.end, newer=True)
    elif ids and edge is not None and (found.more or not newer):
        yield "prev", "← Newer", Edge(ids[0], newer=True)
    if not newer and found.end and not found.more:
        yield "next", "Search older events →", Edge(found.end)
    elif ids and (found.more or newer):
        yield "next", "Older →", Edge(ids[-1])
