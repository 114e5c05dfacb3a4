"""Forms by number: what a browser, a link, a script or an attacker may send, the same for the same seed and number.

Each field of the form and of the services' settings holds a valid value, an odd one or a hostile one, or is left out.
"""

import random
from dataclasses import dataclass
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from connections.spec.fields import FIELDS
from tests.catalogs import SHAPES
from tests.escaping import ATTACKS
from tests.forms.test_request_form import COMPLETE

ODD = (
    *("", " ", "0", "-1", "1", "1e309", "NaN", "٣", "1,5", "TRUE", "null", "[]", "{}", "on", "off", "None", "é" * 300),
    *(
        "9" * 400,
        "0x10",
        "00:00",
        "24:00",
        "2026-02-30",
        "http://",
        "//host",
        "https://a.example:99999/",
        "a@b",
        "\n\n",
    ),
)
HOSTILE = (
    *ATTACKS,
    *("\x00", "a\x00b", "\ud800", "\udfff\ud800", "a\r\nSet-Cookie: b=1", "'; DROP TABLE x; --", "%00", "%n%s%(a)s"),
    *(
        "../../etc/passwd",
        "[" * 2000,
        '{"a":' * 400,
        "a" * 70_000,
        "😀" * 400,
        "\u0301" * 400,
        "\ufdfa" * 40,
        "\\u0000",
    ),
)
SETTINGS = (
    *("schema", "table", "schema_prefix", "host", "port", "password", "hosts", "prefix", "file_mapping_method", "auth"),
    *(
        "files__0__file_pattern",
        "files__0__table_name",
        "files__9999__table_name",
        "files__x__y",
        "a__b__0__c",
        "__",
        "",
    ),
)
OURS = (
    "form_token",
    "keep",
    "version",
    "edited",
    "preset",
    "user",
    "drawn_for",
    "use_connect_card",
    "team",
    "sort",
    "tz",
)
ACTIONS = (
    *("submit", "draft", "test", "fields", "check", "file", "add:config__files", "remove:config__files__0", "add:", ""),
)
ENTRANCES = {
    "submit": 6,
    "draft": 4,
    "review": 4,
    "settings": 2,
    "autosave": 3,
    "link": 3,
    "edit": 3,
    "table": 2,
    "pressed": 2,
    "json": 1,
}


@dataclass(frozen=True)
class Form:
    """What is sent to `entrance`."""

    number: int
    entrance: str
    fields: dict[str, Any]


def form(seed: int, number: int) -> Form:
    """The form of this number."""
    by = random.Random(f"{seed}/{number}")
    entrance = by.choices([*ENTRANCES], [*ENTRANCES.values()])[0]
    if by.random() < 0.15:  # nothing wrong with it but what somebody may write
        reason = f"{by.choice(ATTACKS)} {by.choice(ODD)}"
        return Form(
            number, entrance, {**COMPLETE, "config__schema": f"sheet_{number}", "reason": reason, "action": "submit"}
        )
    tame = by.random()  # how much of it is as it should be
    fields: dict[str, Any] = {**COMPLETE, "service": by.choice([*SHAPES])} if by.random() < 0.7 else {}
    for field in FIELDS:
        if by.random() < 0.4:
            fields[field.name] = _value(by, tame, [str(value) for value, _ in field.choices])
    for name in by.sample(SETTINGS, by.randrange(5)):
        fields[f"config__{name}"] = _value(by, tame, ["sales", "5432", "db.example.com"])
    for name in by.sample(OURS, by.randrange(4)):
        fields[name] = _value(by, tame, ["1", "true", ""])
    if by.random() < 0.15:
        fields[by.choice(HOSTILE)] = by.choice(HOSTILE)
    if by.random() < 0.05:
        fields[by.choice([*fields, "file"])] = SimpleUploadedFile("<injected>.csv", b"\x00\xff<injected>")
    if by.random() < 0.1 and fields:
        fields[by.choice([*fields])] = [by.choice(ODD), by.choice(HOSTILE)]
    fields["action"] = by.choice(ACTIONS)
    if by.random() < 0.1:
        fields["action"] = by.choice(HOSTILE)
    return Form(number, entrance, fields)


def _value(by: random.Random, tame: float, valid: list[str]) -> Any:
    if by.random() < tame and valid:
        return by.choice(valid)
    return by.choice(ODD) if by.random() < 0.5 else by.choice(HOSTILE)
