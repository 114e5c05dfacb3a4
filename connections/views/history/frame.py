"""What stands around the rows. It depends on the filters alone, so it is rendered once for each choice of them."""

import time
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connections import permissions
from connections.models.capped_count import in_words
from connections.views.history import pickers
from connections.views.history.filters import Filters
from connections.views.history.tabs import COUNTED, Tab

KEPT = 60  # seconds: the names in the lists change rarely, and cost more than the rows of the page

_HEADS = {
    "Service": "service",
    "Destination": "destination",
    "Name": "name",
    "Status": "",
    "Health": "",
    "Setup tests": "",
    "Last sync": "",
    "Submitted": "submitted",
}


@dataclass(frozen=True)
class Frame:
    filters: SafeString
    heads: SafeString
    addresses: dict[Tab, str]

    def tabs(
        self, chosen: Filters, counts: dict[Tab, int], hidden: tuple[Tab, ...] = ()
    ) -> list[tuple[str, str, str, str]]:
        """(address, words, size, aria-current); sizes are known where nothing else narrows the list."""
        return [
            (
                address,
                tab.label,
                in_words(counts[tab], COUNTED) if tab in counts else "",
                "page" if tab is chosen.tab else "false",
            )
            for tab, address in self.addresses.items()
            if tab not in hidden or tab is chosen.tab
        ]


def frame_of(request: HttpRequest, chosen: Filters) -> Frame:
    minute = int(time.monotonic() // KEPT)
    reader = permissions.logged_in(request.user)
    if permissions.sees_every_submitted(reader):
        return _frame(chosen, None, None, minute)
    return _frame(chosen, reader, permissions.sight_of(reader), minute)


@lru_cache(maxsize=512)
def _frame(chosen: Filters, reader: User | None, sight: Hashable, minute: int) -> Frame:
    names = pickers.names_in_use(reader, sight, minute)
    context = {
        "chosen": chosen,
        "chips": chosen.chips(dict(pair for options in names for pair in options)),
        "controls": pickers.controls(chosen, *names),
        # What no control of the form holds: its select has room for one status.
        "kept": [
            *(pair for pair in chosen.pairs() if pair[0] in ("tab", "sort")),
            *(("status", status.value) for status in chosen.status[1:]),
        ],
        "searched": f"Name, service, destination{', requester' if names[2] else ''}",
    }
    heads = [_head(chosen, words, key) for words, key in _HEADS.items()]
    return Frame(
        filters=render_to_string("connections/history/_filters.html", context),
        heads=format_html("{}" * len(heads), *heads),
        addresses={tab: replace(chosen, tab=tab).address for tab in Tab},
    )


def _head(chosen: Filters, words: str, key: str) -> SafeString:
    column = words.lower().replace(" ", "-")
    if not key:
        return format_html('<th scope="col" class="col-{}">{}</th>', column, words)
    direction, sign = ("descending", "↓") if chosen.sort.descending else ("ascending", "↑")
    is_sorted = chosen.sort.key == key
    return format_html(
        '<th scope="col" class="col-{}"{}><a href="{}" class="sort">{} <span aria-hidden="true">{}</span></a></th>',
        column,
        format_html(' aria-sort="{}"', direction) if is_sorted else "",
        replace(chosen, sort=chosen.sort.next(key)).address,
        words,
        sign if is_sorted else "↕",
    )
