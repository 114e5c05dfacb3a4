"""The history: every request that the reader may see, in tabs, filtered and sorted, in pages without an offset."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from connections import permissions
from connections.context_processors import WAITING
from connections.models import ConnectionRequest, search, with_turn
from connections.models.capped_count import CappedCount, Together, in_words
from connections.models.request import ConnectionRequestQuerySet
from connections.models.search import Edge
from connections.timezones import zone_of
from connections.views.history import filters, rows, sorting, tabs
from connections.views.history.filters import Filters
from connections.views.history.frame import frame_of
from connections.views.history.tabs import COUNTED

PAGE = 50
UNCOUNTED = -1


@dataclass(frozen=True)
class Page:
    """`count` is in words; `limited` says that only the newest rows were searched."""

    rows: list[tuple[Any, ...]]
    links: list[SafeString]
    count: str
    limited: bool


@require_safe
@filters.refuse_unusable("history")
def history(request: HttpRequest) -> HttpResponse:
    chosen = filters.read(request.GET)
    edge = filters.read_cursor(request.GET.get("cursor", ""), chosen.sort)
    reader = permissions.logged_in(request.user)
    counts = {} if chosen.within_tab else tabs.counts(request)
    if chosen.q:
        setattr(request, WAITING, 0)  # a search may ask twice: the number in the navigation would be one query more
    visible = tabs.visible_in(chosen.tab, reader, in_order=True)
    page = read_page(visible, chosen, edge, zone_of(request), reader, size=counts.get(chosen.tab))
    frame = frame_of(request, chosen)
    context = {
        "frame": frame,
        "tabs": frame.tabs(chosen, counts, hidden=tabs.hidden(reader)),
        "pairs": list(chosen.pairs()),
        "page": page,
        "parts": [f"connections/history/_{name}.html" for name in (("table", "pages") if page.rows else ("none",))],
        "none": None if page.rows else _none(chosen, edge, reader),
        "short_reach": search.SHORT_NEWEST,
    }
    return render(request, "connections/history/history.html", context)


@require_safe
def apply(request: HttpRequest) -> HttpResponse:
    """Where the form of the filters leads: to the address of the list, without what was left empty."""
    known = (*Filters.__dataclass_fields__,)
    pairs = [(name, value.strip()) for name in known for value in request.GET.getlist(name) if value.strip()]
    return redirect(f"{reverse('connections:history')}{'?' if pairs else ''}{urlencode(pairs)}")


def _none(chosen: Filters, edge: Edge | None, reader: User) -> dict[str, Any]:
    """What an empty list says, and where it leads."""
    start = reverse("connections:history")
    if not (edge or chosen.within_tab or chosen.tab):
        whose = "" if permissions.sees_others(reader) else " that you or your team made"
        sentence = f"Here stands every request for a connection{whose}, with what became of it. There is none yet."
        ask = [] if permissions.reads_only(reader) else [(reverse("connections:new"), "Ask for the first one")]
        return {"sentence": sentence, "links": ask}
    if not (edge or chosen.within_tab):
        return {"sentence": tabs.NOTHING[chosen.tab], "links": [(start, "All requests")]}
    links = [(chosen.query(), "Newest")] if edge else []
    links += [(start, "Clear the filters")] if chosen.within_tab else []
    where = "is beyond this point of the list" if edge else "fits these filters"
    return {"sentence": f"No request {where}.", "links": links}


def read_page(
    visible: list[ConnectionRequestQuerySet],
    chosen: Filters,
    edge: Edge | None,
    zone: tzinfo,
    reader: User,
    size: int | None = None,
) -> Page:
    """One query, or two where the words are rare (`connections.models.search`). `visible` is in parts, which may
    overlap; `size` is the tab's, if known.
    """
    words = search.words_of(chosen.q)
    found: list[tuple[Any, ...]] = []
    narrowed = [chosen.rows(part, zone, reader) for part in visible]
    looks = ([search.whole(part, words)] if chosen.sort.key else search.stages(part, words, edge) for part in narrowed)
    parts: tuple[search.Stage, ...] = ()
    for parts in zip(*looks, strict=True):
        found = list(_beyond(parts, chosen, edge, count=size is None)[: PAGE + 1])
        if len(found) > PAGE:
            break
    more, found = len(found) > PAGE, found[:PAGE]
    if edge and edge.newer:
        found.reverse()
    if size is None:
        size = found[0][-1] if found else 0
    return Page(
        rows=rows.prepared(found, reader, zone),
        links=list(_links(chosen, edge, found, more)),
        count=count_in_words(size, exact=len(found) if not (edge or more) else None),
        limited=any(stage.limited for stage in parts),
    )


def _beyond(parts: tuple[search.Stage, ...], chosen: Filters, edge: Edge | None, count: bool) -> Any:
    if len(parts) == 1:
        found = parts[0].rows
    else:
        firsts = (sorting.ordered(stage.rows, chosen.sort, edge).values("pk")[: PAGE + 1] for stage in parts)
        found = ConnectionRequest.objects.filter(pk__in=Together(*firsts))
    # The capped count is a part of the query of the rows, so that a page is one query.
    found = sorting.ordered(with_turn(found), chosen.sort, edge).annotate(since=sorting.SINCE)
    columns = ["id", *rows.COLUMNS, *(["sorted_by"] if chosen.sort.key else [])]
    if count:
        complete = all(stage.complete for stage in parts)
        counted: Any = CappedCount(*(s.rows for s in parts), most=COUNTED) if complete else Value(UNCOUNTED)
        found, columns = found.annotate(count=counted), [*columns, "count"]
    return found.values_list(*columns)


def _links(chosen: Filters, edge: Edge | None, found: list[tuple[Any, ...]], more: bool) -> Iterator[SafeString]:
    link = '<a href="{}" rel="{}">{}</a>'
    if found and edge is not None and (more or not edge.newer):
        cursor = filters.cursor(_edge(chosen, found[0], newer=True))
        yield format_html(link, chosen.query(cursor=cursor), "prev", "← Newer")
    if found and (more or (edge is not None and edge.newer)):
        yield format_html(link, chosen.query(cursor=filters.cursor(_edge(chosen, found[-1]))), "next", "Older →")
    if edge:
        yield format_html('<a href="{}">Newest</a>', chosen.query())


def _edge(chosen: Filters, row: tuple[Any, ...], newer: bool = False) -> Edge:
    return chosen.sort.edge(row[0], row[len(rows.COLUMNS) + 1] if chosen.sort.key else "", newer)


def count_in_words(counted: int, exact: int | None) -> str:
    # Exact where one page holds all rows, else counted up to 1,000, else unknown.
    number = exact if exact is not None else counted
    if number == UNCOUNTED:
        return f"More than {PAGE} requests"
    return f"{in_words(number, COUNTED)} request{'' if number == 1 else 's'}"
