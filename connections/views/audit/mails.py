"""The mails of the portal: to whom, about what, when, and whether they went out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from connections import notifications, permissions
from connections.models import Notice
from connections.models.search import Edge
from connections.views.audit.sections import Cell, Table, people_cell, sections
from connections.views.audit.stretches import PAGE
from connections.views.history.filters import cursor, read_cursor, refuse_unusable, text_in

_GAVE_UP = Q(sent_at=None, tries__gte=notifications.TRIES)
_CLOSED = Q(sent_at__isnull=False)  # it is no longer tried
_NOT_DUE = notifications.NO_LONGER_DUE
STATES: dict[str, tuple[str, Q]] = {
    "": ("All", Q()),
    "sent": ("Sent", _CLOSED & Q(error="")),
    "waiting": ("Waiting", Q(sent_at=None) & ~_GAVE_UP),
    "failed": ("Not sent", _GAVE_UP | (_CLOSED & ~Q(error__in=("", _NOT_DUE)))),
    "dropped": ("No longer due", _CLOSED & Q(error=_NOT_DUE)),
}


@dataclass(frozen=True)
class Filters:
    state: str = ""
    to: str = ""

    def query(self, **more: str) -> str:
        chosen = {name: value for name, value in {"state": self.state, "to": self.to, **more}.items() if value}
        return f"?{urlencode(chosen)}"

    def rows(self, notices: QuerySet[Notice, Any]) -> QuerySet[Notice, Any]:
        found = notices.filter(STATES[self.state][1])
        if not self.to:
            return found
        people = User.objects.filter(Q(username__iexact=self.to) | Q(email__iexact=self.to))
        return found.filter(Q(recipient__in=people.values("pk")) | Q(address__iexact=self.to))


@require_safe
@refuse_unusable("audit_mails")
def page(request: HttpRequest) -> HttpResponse:
    notices = permissions.notices_visible_to(request.user)
    state = request.GET.get("state", "")
    chosen = Filters(state if state in STATES else "", text_in("To", request.GET.get("to", "")))
    edge = read_cursor(request.GET.get("cursor", ""))
    found, more = _found(chosen.rows(notices).select_related("recipient", "request"), edge)
    context = {
        "sections": sections(request),
        "chosen": chosen,
        "states": [(value, words, value == chosen.state) for value, (words, _) in STATES.items()],
        "table": _table(request, found),
        "page": {"links": list(_links(chosen, edge, [notice.pk for notice in found], more))},
    }
    return render(request, "connections/audit/mails.html", context)


def _found(rows: QuerySet[Notice, Any], edge: Edge | None) -> tuple[list[Notice], bool]:
    """One page, newest first, and whether there is more beyond its last row."""
    newer = edge is not None and edge.newer
    if edge is not None:
        rows = rows.filter(pk__gt=edge.id) if newer else rows.filter(pk__lt=edge.id)
    found = list(rows.order_by("pk" if newer else "-pk")[: PAGE + 1])
    more, found = len(found) > PAGE, found[:PAGE]
    return found[::-1] if newer else found, more


def _links(chosen: Filters, edge: Edge | None, ids: list[int], more: bool) -> Iterator[SafeString]:
    newer, link = edge is not None and edge.newer, '<a href="{}" rel="{}">{}</a>'
    if ids and edge is not None and (more or not newer):
        yield format_html(link, chosen.query(cursor=cursor(Edge(ids[0], newer=True))), "prev", "← Newer")
    if ids and (more or newer):
        yield format_html(link, chosen.query(cursor=cursor(Edge(ids[-1]))), "next", "Older →")


def _table(request: HttpRequest, notices: list[Notice]) -> Table:
    rows = [
        (
            Cell(at=notice.created_at),
            people_cell(request.user, [notice.recipient]) if notice.recipient else Cell(notice.address),
            Cell(str(notice.get_kind_display())),
            _about(notice),
            _became(notice),
        )
        for notice in notices
    ]
    return Table("Mails", ("Written", "To", "What", "About", "What became of it"), rows, nothing="No mail fits.")


def _about(notice: Notice) -> Cell:
    if notice.request is None:
        return Cell("their account")
    link = reverse("connections:request", args=[notice.request.pk])
    name = notice.request.schema or notice.request.service_name
    return Cell(f"#{notice.request.pk} {name}", link=link)


def _became(notice: Notice) -> Cell:
    tag = _tag(notice)
    return Cell(" ".join(_words(notice)), tags=(tag,), at=notice.sent_at)


def _tag(notice: Notice) -> tuple[str, str]:
    if notice.sent_at is None:
        return ("danger", "Not sent") if notice.tries >= notifications.TRIES else ("info", "Waiting")
    if notice.error == _NOT_DUE:
        return "secondary", "No longer due"
    return ("danger", "Not sent") if notice.error else ("success", "Sent")


def _words(notice: Notice) -> Iterator[str]:
    if notice.error and notice.error != _NOT_DUE:
        yield f"{notice.error}."
    if notice.sent_at is None and notice.tries:
        yield f"Tried {notice.tries} time{'' if notice.tries == 1 else 's'}."
