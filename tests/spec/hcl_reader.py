"""What Terraform reads, by python-hcl2, which leaves quotes, escapes and calls as they were written."""

import re
from typing import Any

import hcl2

# HCL's specification: a quoted string knows \n \r \t \" \\ \uNNNN \UNNNNNNNN, and `${` and `%{` begin a template.
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.S)
_JSON = "${jsonencode("
_PLAIN = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, preserve_scientific_notation=False)


def unquoted(quoted: str) -> str:
    """The text of a quoted string; fails where it is not one string from end to end, or holds a template."""
    whole = STRING.fullmatch(quoted)
    assert whole, quoted
    assert not re.search(r"[$%]\{", whole[1]), quoted
    plain = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
    return _ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else plain[m[3]], whole[1])


def read(source: str) -> dict[str, Any]:
    """The file's blocks, every string as its text; an expression other than `jsonencode` stays `${…}`."""
    found = _plain(_parsed(source))
    assert isinstance(found, dict)
    return found


def resource(source: str, kind: str) -> dict[str, Any]:
    """The attributes of the file's one resource of that kind."""
    [named] = [block[kind] for block in read(source)["resource"] if kind in block]
    [attributes] = named.values()
    return dict(attributes)


def _parsed(source: str) -> Any:
    return hcl2.loads(source, serialization_options=_PLAIN)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {unquoted(key) if key.startswith('"') else key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith(_JSON):
        return _plain(_parsed(f"value = {value.removeprefix(_JSON).removesuffix(')}')}\n"))["value"]
    return unquoted(value) if value.startswith('"') else value
