"""What Fivetran reports about a connection, in words: its syncs, tasks, warnings, and differences from the approval."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.forms.utils import flatatt
from django.utils.html import format_html

from connections import catalog
from connections.models import Connection, SetupTestsState
from connections.spec import drift
from connections.spec.characters import visible
from connections.spec.fields import BY_PATH
from connections.views.labels import SETUP_TONES
from connections.views.request_page.last_syncs import LastSyncs, last_syncs
from connections.views.request_page.queries import known_at

MOST_NOTES = 20  # tasks and as many warnings that a page shows
_LONGEST = 2_000

_SYNC_STATES = {
    "scheduled": "Waits for its next sync",
    "syncing": "Syncs at this moment",
    "paused": "Paused: it does not sync",
    "rescheduled": "Fivetran moved its next sync",
}
_LABELS = {"paused": "Paused", "group_id": "Destination group"}  # where the form's label speaks of the creation
_MAY_BE_SECRET = "as in the body below", "another value, which the portal does not keep"  # of a key of `config`
_KINDS = (("tasks", "To do"), ("warnings", "Warning"))


@dataclass(frozen=True)
class Note:
    """A task or a warning; every text is Fivetran's."""

    kind: str
    code: str
    message: str
    details: str

    @property
    def said(self) -> str:
        code = format_html(" <code>{}</code>", visible(self.code)) if self.code else ""
        return format_html("{}: <bdi>{}</bdi>", code, visible(self.message)) if self.message else code


@dataclass(frozen=True)
class Difference:
    """A field, its approved and its present value."""

    label: str
    approved: str
    live: str


@dataclass(frozen=True)
class Facts:
    origin: str
    connection: Connection
    sync: str
    tests: str  # when they run, up to the moment of `tests_due`
    tests_due: datetime | None
    notes: list[Note]
    differences: list[Difference]
    last_syncs: LastSyncs | None

    @property
    def is_gone(self) -> bool:
        return self.connection.request.deleted_at_fivetran_at is not None

    @property
    def tags(self) -> Iterator[tuple[str, str, str]]:
        """(colour, words, attributes) of what stands beside the status."""
        state, gone = self.connection.setup_state, self.connection.request.deleted_at_fivetran_at
        if state and not gone:
            yield SETUP_TONES.get(state, "secondary"), state, flatatt({"data-setup-state": state})
        if self.connection.is_paused and not gone:
            yield "warning", "paused", ""
        if gone:
            yield "danger", "no longer at Fivetran", ""

    @property
    def rows(self) -> Iterator[tuple[str, str, datetime | None, str]]:
        """(label, words, moment, attributes) of what Fivetran reported last."""
        connection = self.connection
        gone, state = connection.request.deleted_at_fivetran_at, connection.setup_state
        if gone and state:
            yield "Setup, at last", isolated(state), None, ""
        if self.sync and not gone and state == "connected":
            yield "Syncs", isolated(self.sync), None, flatatt({"data-sync-state": connection.sync_state})
        first = connection.first_data_at
        words = "First data arrived" if first else "None has arrived yet"
        yield "First data", words, first, flatatt({"data-first-data": "yes" if first else "no"})
        for label, at in ("Last good sync", connection.succeeded_at), ("Last failed sync", connection.failed_at):
            if at:
                yield label, "", at, ""
        if not gone:
            yield "As of", "", known_at(connection.request), ""


def facts_of(connection: Connection | None) -> Facts | None:
    if connection is None:
        return None
    status = connection.fivetran_status if isinstance(connection.fivetran_status, dict) else {}
    running = connection.tests == SetupTestsState.RUNNING
    due = None if running else connection.tests_next_try_at
    words = "The setup tests are running" if running else "The setup tests will run by themselves"
    origin = ", found at Fivetran after an answer was lost" if connection.adopted else ""
    if connection.made_elsewhere:
        origin = ", made elsewhere and adopted"
    return Facts(
        origin=origin,
        connection=connection,
        sync=sync_words(connection.sync_state, status),
        tests=f"{words}, due " if due else words,
        tests_due=due,
        notes=notes_of(status),
        differences=differences_of(connection.drift),
        last_syncs=last_syncs(connection),
    )


def isolated(text: str) -> str:
    # <bdi>: Fivetran's text cannot turn the direction of the words beside it.
    return format_html("<bdi>{}</bdi>", visible(text))


def differences_of(found: list[Mapping[str, Any]]) -> list[Difference]:
    # Fivetran's ids of groups become their names where those are known.
    moved = [one for one in found if one.get("field") == "group_id"]
    names = catalog.group_names({str(one[side]) for one in moved for side in ("approved", "live")})
    shown = [difference_of(one) for one in found]
    if not names:
        return shown
    return [replace(o, approved=names.get(o.approved, o.approved), live=names.get(o.live, o.live)) for o in shown]


def sync_words(state: str, status: Mapping[str, Any]) -> str:
    words = _SYNC_STATES.get(state, state)
    until = status.get("rescheduled_for")
    if state == "rescheduled" and isinstance(until, str):
        words += f" to {until[:40]}"
    return words + (", late" if status.get("update_state") == "delayed" else "")


def notes_of(status: Mapping[str, Any]) -> list[Note]:
    # Documented as a list of {code, message, details}, but any shape is shown.
    found = []
    for key, kind in _KINDS:
        items = status.get(key)
        for item in (items if isinstance(items, list) else [items] if items else [])[:MOST_NOTES]:
            parts = item if isinstance(item, Mapping) else {"message": item}
            found.append(Note(kind, *(as_text(parts.get(part)) for part in ("code", "message", "details"))))
    return found


def as_text(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    return (value if isinstance(value, str) else json.dumps(value, default=str))[:_LONGEST]


def difference_of(one: Mapping[str, Any]) -> Difference:
    path = str(one.get("field", ""))
    if path == drift.TWINS:
        return Difference("Connections of this name", "this one", f"also {one.get('live')}")
    if path == drift.SCHEDULE:
        return Difference("Schedule", *(schedule_in_words(one.get(side)) for side in ("approved", "live")))
    field = BY_PATH.get(path)
    if field is None or drift.in_config(one):
        return Difference(path, *_MAY_BE_SECRET)
    return Difference(
        _LABELS.get(path, field.label),
        value_words(path, one.get("approved")),
        value_words(path, one.get("live")),
    )


def schedule_in_words(told: Any) -> str:
    """Of Fivetran's own words ("CRON 0 3 * * 1"); "not told" where there are none."""
    kind, _, rest = str(told or "").partition(" ")
    match kind:
        case "MANUAL":
            return "only when started by hand"
        case "INTERVAL" if rest:
            return f"every {rest} minutes"
        case "CRON" if rest:
            return f"by the cron expression {rest}"
        case "TIME_OF_DAY" if rest:
            time, _, days = rest.partition(" ")
            return f"at {time} UTC" + (f" on {days.replace(',', ', ')}" if days else " every day")
    return str(told or "not told")


def value_words(path: str, value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(dict(BY_PATH[path].choices).get(value, "" if value is None else value)) or "—"
