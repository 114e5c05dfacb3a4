"""Failures on demand: a destination name that begins with one of these prefixes fails in that way. The start page lists
this table. The name is `config.schema` or `config.schema_prefix`; the longest prefix that fits counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import fault_answers as answers
from . import fault_tests as tests
from . import wire
from .fault_answers import After, Before, always, first, leaving

Tests = Callable[[dict[str, Any], list[dict[str, Any]], bool], list[dict[str, Any]]]


@dataclass(frozen=True)
class Fault:
    prefix: str  # of the destination name
    says: str  # one sentence for the start page
    before: Before | None = None
    after: After | None = None
    tests: Tests | None = None  # (connection, passed results, whether trust is given) -> results of every test run
    trust: str = ""  # which approval `tests` looks for: certificate or fingerprint


FAULTS = (
    Fault("lost_", "Creates the connection and never answers.", after=answers.never),
    Fault("lost_before_", "The first call is never answered and creates nothing.", before=first(answers.never)),
    Fault(
        "late_",
        "The first call is never answered; the connection appears 3 s after the caller gave up.",
        before=answers.late,
    ),
    Fault("slow_", "Creates the connection and answers after 5 s.", after=answers.slow),
    Fault("drop_", "Creates the connection and closes without an answer.", after=leaving(wire.hang_up)),
    Fault(
        "drop_before_",
        "Reads the first call, closes without an answer, creates nothing.",
        before=first(leaving(wire.hang_up)),
    ),
    Fault("reset_", "Creates the connection and resets the socket.", after=leaving(wire.reset)),
    Fault("cut_", "Creates the connection; the JSON of the 201 stops in the middle.", after=leaving(wire.cut)),
    Fault("short_", "Creates the connection; sends half of the announced bytes.", after=leaving(wire.short)),
    Fault("noid_", "Creates the connection; the 201 has no id.", after=answers.without_id),
    Fault("drip_", "Creates the connection; headers and body come a byte each 0.4 s.", after=answers.drip),
    Fault("bomb_", "Creates the connection; the 201 is 64 MiB long.", after=answers.bomb),
    Fault("html_", "Creates the connection; answers 502 with an HTML page.", after=answers.html(502, "Bad Gateway")),
    Fault("error_", "The first call is answered 500 and creates nothing.", before=first(answers.SERVER_ERROR)),
    Fault("error_after_", "Creates the connection and answers 500.", after=answers.SERVER_ERROR),
    Fault(
        "down_",
        "Always 503 with an HTML page; creates nothing.",
        before=always(answers.html(503, "Service Temporarily Unavailable")),
    ),
    Fault("busy_", "429 twice with Retry-After 2 s, then created.", before=answers.busy),
    Fault("limited_", "Always 429, without Retry-After.", before=always(answers.LIMITED)),
    Fault("unauthorized_", "The first call is answered 401.", before=first(answers.UNAUTHORIZED)),
    Fault("forbidden_", "Always 403.", before=always(answers.FORBIDDEN)),
    Fault("refused_", "Always 400 InvalidInput.", before=answers.refused),
    Fault("gone_", "Always 404 NotFound_Group, as if the group had been deleted.", before=answers.gone),
    Fault("taken_", "Always SchemaExists, as if somebody else had the name.", before=answers.taken),
    Fault("conflict_", "Always 409 Conflict; creates nothing.", before=always(answers.CONFLICT)),
    Fault("redirect_", "Always 307 to another address; creates nothing.", before=answers.redirect),
    Fault(
        "cert_",
        "Created, with a certificate to approve; passes once it is approved or certificates are trusted.",
        tests=tests.certificate,
        trust="certificate",
    ),
    Fault(
        "finger_",
        "Created, with an SSH fingerprint to approve; passes once it is approved or fingerprints are trusted.",
        tests=tests.fingerprint,
        trust="fingerprint",
    ),
    Fault("fails_", "Created; one setup test fails, the rest are skipped.", tests=tests.failed),
    Fault("warns_", "Created; all pass, one with a warning.", tests=tests.warned),
    Fault("odd_", "Created; unknown status, details as text and as a list, HTML in a message.", tests=tests.odd),
    Fault("huge_", "Created; 60 setup tests with very long messages.", tests=tests.huge),
)


def find(name: str) -> Fault | None:
    fitting = [fault for fault in FAULTS if name.startswith(fault.prefix)]
    return max(fitting, key=lambda fault: len(fault.prefix), default=None)
