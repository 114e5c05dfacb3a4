"""Small pieces of pages: a status, a time, doubtful characters, data as JSON."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import template
from django.forms import BoundField
from django.template.defaultfilters import stringfilter
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connections.spec import characters
from connections.spec.export.texts import json_escape
from connections.spec.reference import anchor_of
from connections.templatetags.icons import service_icon
from connections.views import labels
from connections.views.history import rows

register = template.Library()
MAX_JSON = 20_000  # characters of foreign data that a page shows


# One format for a row: a variable in a template's loop costs five times as much, and 700 of them were half the page.
_ROW = """
<tr data-request-id="{0}">
  <td class="cell-tick"><input class="form-check-input" type="checkbox" name="id" value="{0}" form="export"
    aria-label="Tick request {0}"></td>
  <th scope="row"><div class="cell-service">{2}
    <div><a href="{1}{0}/" class="row-link">{3} <span class="number">#{0}</span></a>
    <div class="quiet">by <bdi>{4}</bdi></div></div></div></th>
  <td data-label="Destination"><bdi>{5}</bdi></td>
  <td data-label="Name"><bdi class="name">{6}</bdi></td>
  {7}
  <td data-label="Last sync">{8}</td>
  <td data-label="Submitted">{9} <span class="exact"><time datetime="{10}" data-exact>{11}</time></span></td>
</tr>"""


@register.simple_tag
def history_rows(rows: list[tuple[Any, ...]]) -> SafeString:
    # `views.history` prepares the rows; every text in them is escaped here.
    icons = ((pk, start, service_icon(service, name, "sm"), name, *cells) for pk, start, service, name, *cells in rows)
    return format_html_join("", _ROW, icons)


_AGES = {"age": labels.relative, "since": labels.since}


@register.simple_tag
def moment(value: datetime | None, style: str = "both") -> SafeString | str:
    """`<time>` with the age and the exact time ("both"), or only `exact` or `age`, or `since` when it is so."""
    if value is None:
        return ""
    # The browser replaces the text by the time in its own zone.
    zone = timezone.get_current_timezone()
    full = labels.exact(value, zone)
    stamp = format_html('<time datetime="{}" data-exact>{}</time>', value.isoformat(), full)
    if style == "exact":
        return stamp
    if style in _AGES:
        return format_html('<time datetime="{}">{}</time>', value.isoformat(), _AGES[style](value, timezone.now()))
    return format_html('{} <span class="exact">{}</span>', labels.relative(value, timezone.now()), stamp)


@register.simple_tag
def denied_text(reason: str, element_id: str) -> SafeString | str:
    """The paragraph that `disabled_for` points to."""
    return format_html('<p id="{}" class="why-not">{}</p>', element_id, reason) if reason else ""


@register.simple_tag
def disabled_for(reason: str, element_id: str) -> SafeString | str:
    """The attributes of a disabled button; `element_id` holds the `reason`."""
    return format_html('disabled aria-describedby="{}"', element_id) if reason else ""


@register.simple_tag
def live_part(name: str, swap: bool, headed: object = False, look: str = "") -> SafeString:
    """The attributes of a part that the open page exchanges (`swap`); its heading names it, and `look` is its class."""
    swapped = format_html(' hx-swap-oob="{}"', "true") if swap else ""
    named = format_html(' aria-labelledby="{}-heading"', name) if headed else ""
    looks = format_html(' class="{}"', look) if headed and look else ""
    return format_html('id="{}"{}{}{}', name, swapped, named, looks)


@register.simple_tag
def polled(url: str, seconds: int, query: str = "") -> SafeString | str:
    """The attributes of a part that asks for its next version every so many seconds; none for 0."""
    asks = 'hx-get="{}{}" hx-trigger="every {}s" hx-swap="outerHTML" hx-target="this"'
    return format_html(asks, url, query, seconds) if seconds else ""


_REMARKS = {
    "warning": '<p class="form-text field-note mb-0" id="{}_warning" data-warning>{}</p>',
    "note": '<div class="form-text field-note" id="{}_note" data-note>{}</div>',
    "applies": '<noscript><div class="form-text">Counts {1}.</div></noscript>',
    "help_text": '<div id="{}_helptext" class="form-text">{}</div>',
    "listed": '<details class="form-text"><summary>The {2} values that Fivetran lists</summary>{1}</details>',
}


_REFERENCE = (
    '<a class="field-reference" href="{}{}#{}" target="_blank" rel="noopener">'
    '<span class="visually-hidden">Reference of {} (new tab)</span></a>'
)


def reference_link(bound: BoundField) -> SafeString | str:
    """What the API says of the field: a link beside its control, for whoever asks."""
    path, form = getattr(bound.field, "reference", ""), bound.form
    beside = {"service": form.data.get("service"), "request": getattr(form, "edited", 0)}
    query = urlencode({name: value for name, value in beside.items() if value})
    asked = f"?{query}" if query else ""
    return format_html(_REFERENCE, reverse("connections:reference"), asked, anchor_of(path), path) if path else ""


@register.simple_tag
def remarks(bound: BoundField) -> SafeString:
    """What stands below a control of the request's form."""
    said = {name: getattr(bound.field, name, "") for name in _REMARKS}
    listed = said["listed"] or ()
    said["listed"] = ", ".join(listed)
    rows = [(format_html(_REMARKS[name], bound.auto_id, text, len(listed)),) for name, text in said.items() if text]
    return format_html_join("", "{}", [*rows, (reference_link(bound),)])


@register.filter
def as_json(value: Any) -> str:
    """Indented JSON, with invisible and direction-changing characters escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return "".join(json_escape(c) if c != "\n" and characters.is_invisible(c) else c for c in text)


@register.filter
def short_json(value: Any) -> str:
    text = as_json(value)
    return text if len(text) <= MAX_JSON else text[:MAX_JSON] + "…"


@register.filter
def cards_of(cards: Any, test: Any) -> list[Any]:
    """The card of a diagnosis for `test`, if there is one."""
    card = cards.by_test.get(test.pk) if cards else None
    return [card] if card else []


register.simple_tag(labels.status_tag, name="status_label")
register.filter(labels.test_tone)
register.filter(labels.duration)
register.filter("in_pieces", stringfilter(rows.in_pieces))
register.filter("doubtful", stringfilter(characters.doubtful))
register.filter("hidden_marks", stringfilter(characters.hidden))
register.filter("visible", stringfilter(characters.visible), is_safe=True)
