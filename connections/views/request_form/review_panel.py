"""What the form says of itself while it is filled in: what is missing, the summary beside it, the exact body. Only the
server draws it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from connections.catalog import Option
from connections.evidence import SameSource, same_source_of
from connections.forms import RequestForm
from connections.forms.layout import closed_words, lowered, place_of
from connections.models import ConnectionRequest
from connections.spec import payloads
from connections.spec.fields import Section, applicable
from connections.views.request_form.names import Names, names_of
from connections.views.request_form.schedule import schedule_words

_COST = (
    "As a rule Fivetran bills a row once a month, however often it syncs (monthly active rows). Each sync still reads "
    "the source and writes to the destination, which may cost there."
)
_REASON_SHOWN = 160  # characters
_DAY, _MONTH = 1440, 30  # minutes, days


@dataclass(frozen=True)
class Row:
    """A section, and what was answered in it."""

    title: str
    words: str


@dataclass(frozen=True)
class Mark:
    """How a step of the form begins: with its number, or done."""

    number: int
    lacking: int  # answers that are missing or refused


@dataclass(frozen=True)
class Review:
    """`to_correct` has lists of (control's id, label); `closed` the lines of the closed groups; `marks` are by step."""

    service: Option
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
    marks: dict[str, Mark]
    schedule: str


def review_of(form: RequestForm, *, by: User, edited: ConnectionRequest | None = None) -> Review:
    asked = payloads.Asked(form.values())
    values = asked.values
    return Review(
        service=_service_of(form),
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
        marks=_marks_of(form),
        schedule=schedule_words(values, timezone.get_current_timezone(), timezone.now()),
    )


def _service_of(form: RequestForm) -> Option:
    chosen = form.data.get("service", "")
    return next((one for one in form.offers["service"].options if one.id == chosen), Option(chosen, chosen or "?"))


def _marks_of(form: RequestForm) -> dict[str, Mark]:
    wrong = form.missing.keys() | form.errors.keys()
    lacking = Counter(place_of(field)[0] for field in (*form.of_request, *form.of_service) if field.name in wrong)
    return {key: Mark(number, lacking[key]) for number, key in enumerate(("source", "place", "options"), 1)}


def _to_correct(form: RequestForm) -> dict[str, list[tuple[str, str]]]:
    refused = [name for name in form.errors if name in form.fields and name not in form.missing]
    return {
        f"{len(form.missing)} missing:": [(f"id_{n}", lowered(str(field.label))) for n, field in form.missing.items()],
        f"{len(refused)} to correct:": [(f"id_{name}", lowered(form.plain_label(name))) for name in refused],
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
    return [Row(section.value, " · ".join(said[section]) or "Not provided") for section in Section if section in said]


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
