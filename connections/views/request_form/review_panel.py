"""The panel beside the form: what will be asked for, in words and as the exact body. Only the server draws it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User

from connections.evidence import SameSource, same_source_of
from connections.forms import RequestForm
from connections.forms.layout import closed_words
from connections.models import ConnectionRequest
from connections.spec import payloads
from connections.spec.fields import FIELDS, Section, applicable
from connections.views.request_form.names import Names, names_of, taken_words

__all__ = ["Review", "Row", "checks", "review_of", "syncs", "taken_words"]
_COST = (
    "As a rule Fivetran bills a row once a month, however often it syncs (monthly active rows). Each sync still reads "
    "the source and writes to the destination, which may cost there."
)
_REASON_SHOWN = 160  # characters
_DAY, _MONTH = 1440, 30  # minutes, days


@dataclass(frozen=True)
class Row:
    """A section, what was answered in it, and the id of the control that changes the answer."""

    title: str
    words: str
    control: str


@dataclass(frozen=True)
class Review:
    """`to_correct` has lists of (control's id, label); `closed` the lines of the closed groups."""

    subject: str
    rows: list[Row]
    checks: list[str]
    syncs: str
    cost: str
    body: str
    to_correct: list[tuple[str, list[tuple[str, str]]]]
    closed: dict[str, str]
    names: Names
    same_source: SameSource


def review_of(form: RequestForm, *, by: User, edited: ConnectionRequest | None = None) -> Review:
    asked = payloads.Asked(form.values())
    values = asked.values
    return Review(
        subject=_subject_of(form, asked),
        rows=_rows_of(values),
        checks=checks(values),
        syncs=syncs(values),
        cost="" if applicable(values)["schedule_type"] == "manual" else _COST,
        body=json.dumps(payloads.masked(asked.body), indent=2, ensure_ascii=False),
        to_correct=[(heading, controls) for heading, controls in _to_correct(form).items() if controls],
        closed=closed_words(form),
        names=names_of(form, asked, by=by, edited=edited),
        same_source=same_source_of(asked.body, by=by, edited=edited),
    )


def _to_correct(form: RequestForm) -> dict[str, list[tuple[str, str]]]:
    refused = [name for name in form.errors if name in form.fields and name not in form.missing]
    return {
        "Still needed:": [(f"id_{name}", str(field.label)) for name, field in form.missing.items()],
        "To be corrected:": [(f"id_{name}", form.plain_label(name)) for name in refused],
    }


def _subject_of(form: RequestForm, asked: payloads.Asked) -> str:
    service = form.name_of("service") or str(asked.values.get("service", ""))
    group = form.name_of("group_id") or str(asked.values.get("group_id", ""))
    name = asked.name
    words = [service or "No service yet", f"into {group}" if group else "", f"as {name}" if name else ""]
    return " ".join(word for word in words if word)


def _rows_of(values: Mapping[str, Any]) -> list[Row]:
    # Only sections in which something is worth saying.
    reason = str(values.get("reason") or "")
    said = {Section.WHO: [reason if len(reason) <= _REASON_SHOWN else f"{reason[:_REASON_SHOWN]}…"] if reason else []}
    for section, words in payloads.phrases(values):
        said.setdefault(section, []).append(words)
    first = {field.section: f"id_{field.name}" for field in reversed(FIELDS) if not field.constant}
    first[Section.WHO] = "id_reason"
    return [
        Row(section.value, " · ".join(said[section]) or "Not provided", first[section])
        for section in Section
        if section in said
    ]


# --- what comes of it ------------------------------------------------------------------------------------------------
def checks(values: Mapping[str, Any]) -> list[str]:
    """In the order in which they happen."""
    answers = applicable(values)
    found = ["Before it creates anything, the portal asks Fivetran whether the name is still free."]
    if answers["run_setup_tests"]:
        found.append("Fivetran tests the connection while creating it.")
    elif answers.get("use_connect_card"):
        found.append("The setup tests run after the source owner has handed over the credentials.")
    else:
        found.append("No setup tests run: nobody knows whether the connection works until its first sync.")
    return found


def syncs(values: Mapping[str, Any]) -> str:
    # A month has 30 days here.
    answers = applicable(values)
    if answers["schedule_type"] == "manual":
        return "No scheduled syncs: each one is started by hand."
    a_day = _DAY // int(answers["sync_frequency"])
    often = "1 sync a day" if a_day == 1 else f"{a_day:,} syncs a day"
    return f"{often}, about {a_day * _MONTH:,} a month{', once it is unpaused' if answers['paused'] else ''}."
