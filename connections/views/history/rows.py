"""The rows of the history as ready texts: look-ups and filters in a template's loop cost more than the query."""

import re
from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

from connections.spec import characters
from connections.states import Owner
from connections.views import labels

COLUMNS = (
    "status",
    "service",
    "service_name",
    "group_name",
    "schema",
    "requester_id",
    "requester__username",
    "requester__first_name",
    "requester__last_name",
    "since",
    "turn_now",
    "deleted_at_fivetran_at",
    "connection__setup_state",
    "connection__sync_state",
    "connection__drift",
    "connection__tests_count",
    "connection__tests_open",
    "connection__succeeded_at",
    "connection__failed_at",
)
_NOTHING = format_html('<span class="quiet no-value">{}</span>', "—")
IN_ONE_PIECE = 20  # characters of a name that fit in a line of its column


def prepared(found: Iterable[tuple[Any, ...]], reader: User, zone: tzinfo) -> list[tuple[Any, ...]]:
    now, start = timezone.now(), escape(reverse("connections:history"))
    return [_prepared(row, reader.pk, zone, now, start) for row in found]


def _prepared(row: tuple[Any, ...], reader: int, zone: tzinfo, now: datetime, start: SafeString) -> tuple[Any, ...]:
    pk, status, service, service_name, group_name, schema, asked_by, username, first, last, since, turn, *rest = row
    deleted, setup_state, sync_state, drift, count, unpassed, succeeded_at, failed_at = rest[:8]
    mine = asked_by == reader
    return (
        pk,
        start,
        service,
        _escaped(service_name or "(no service yet)"),
        "you" if mine else _escaped(f"{first} {last}".strip() or username),
        in_pieces(group_name),
        in_pieces(schema),
        _standing(
            status, turn, mine, labels.GONE if deleted else setup_state, sync_state, bool(drift), count, unpassed
        ),
        "" if deleted else last_sync(succeeded_at, failed_at, now),
        _escaped(labels.relative(since, now)),
        since.isoformat(),
        labels.exact(since, zone),
    )


# Many rows share these texts: each is made once.
@lru_cache(maxsize=4096)
def _escaped(text: str) -> SafeString:
    return escape(characters.visible(text))


@lru_cache(maxsize=4096)
def in_pieces(text: str) -> SafeString:
    """A long name may break behind its separators, and nowhere else."""
    shown = characters.visible(text)
    if len(shown) <= IN_ONE_PIECE:
        return escape(shown)
    pieces = re.split(r"(?<=[_.@])", shown)
    return format_html_join(format_html("<{}>", "wbr"), "{}", ((piece,) for piece in pieces))


@lru_cache(maxsize=4096)
def _standing(
    status: str,
    turn: str,
    mine: bool,
    setup_state: str | None,
    sync_state: str | None,
    drifted: bool,
    tests: int | None,
    unpassed: int | None,
) -> SafeString:
    """The cells of status, turn, health and setup tests."""
    return format_html(
        '<td class="cell-status" data-label="Status">{} <div class="{}" data-label="Whose turn">{}</div></td>'
        '<td data-label="Health">{}</td><td data-label="Setup tests">{}</td>',
        labels.status_tag(status),
        "turn turn-none" if turn == Owner.NOBODY else "turn",
        "you" if mine and turn == Owner.REQUESTER else turn,
        health(setup_state, sync_state, drifted),
        _tests(tests, unpassed),
    )


def health(setup_state: str | None, sync_state: str | None, drifted: bool) -> SafeString | str:
    if not setup_state:
        return _NOTHING
    if setup_state == labels.GONE:
        return labels.tag("danger", setup_state)
    if setup_state != "connected":
        return labels.tag(labels.SETUP_TONES.get(setup_state, "info"), setup_state)
    if drifted:
        return labels.tag("warning", "differs")
    return labels.tag("", "paused") if sync_state == "paused" else labels.tag("success", setup_state)


def _tests(count: int | None, unpassed: int | None) -> SafeString | str:
    if not count:
        return _NOTHING
    if unpassed:
        return format_html('<span class="text-bad">{} of {} failing</span>', unpassed, count)
    return f"{count} passed"


def last_sync(succeeded_at: datetime | None, failed_at: datetime | None, now: datetime) -> SafeString | str:
    if failed_at and (succeeded_at is None or failed_at > succeeded_at):
        return format_html('<span class="text-bad">failed {}</span>', labels.relative(failed_at, now))
    return labels.relative(succeeded_at, now) if succeeded_at else _NOTHING
