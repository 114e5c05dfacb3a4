"""The body as a Python script that runs by itself, with the standard library alone."""

from collections.abc import Mapping
from typing import Any

from connections.spec.export.texts import script_notes

_HEAD = """\
import base64
import json
import os
import sys
import urllib.error
import urllib.request

"""

_MAIN = '''

class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key goes to that address and to no other."""

    def redirect_request(self, *_):
        return None


def main():
    """Create the connection; returns what went wrong, for the exit status."""
    key, secret = os.environ.get("FIVETRAN_API_KEY"), os.environ.get("FIVETRAN_API_SECRET")
    if not key or not secret:
        return "Set FIVETRAN_API_KEY and FIVETRAN_API_SECRET in the environment."
    headers = {
        "Authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode(),
        "Accept": "application/json;version=2",
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(URL, json.dumps(BODY).encode(), headers, method="POST")
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=600) as answer:  # setup tests take minutes
            connection = json.load(answer)["data"]
            print("Created:", plain(connection["id"]))
    except urllib.error.HTTPError as error:
        return f"Fivetran refused it ({error.code}): {said(error.read())}"
    except Exception as error:
        return f"No usable answer ({error!r}). The connection may exist: look at Fivetran before you try again."
    for test in connection.get("setup_tests") or []:
        print("Setup test:", *(plain(test.get(part) or "") for part in ("status", "title", "message")))
    return None


def said(answer):
    """The message of Fivetran's error, or the beginning of whatever came instead."""
    try:
        return plain(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return plain(answer[:500].decode(errors="replace"))


def plain(text):
    """`text` without what would steer a terminal."""
    return "".join(character for character in str(text) if character.isprintable())


if __name__ == "__main__":
    sys.exit(main())
'''


def as_python(body: Mapping[str, Any], api_root: str) -> str:
    values = f"URL = {python_value(f'{api_root}/v1/connections')}\nBODY = {python_value(body)}\n"
    return f"#!/usr/bin/env python3\n{script_notes(body)}{_HEAD}{values}{_MAIN}"


def python_value(value: Any, indent: str = "") -> str:
    """A literal of Python, an element on each line."""
    deeper = f"{indent}    "
    if isinstance(value, Mapping) and value:
        lines = (f"{deeper}{_text(key)}: {python_value(item, deeper)},\n" for key, item in value.items())
        return f"{{\n{''.join(lines)}{indent}}}"
    if isinstance(value, list) and value:
        return f"[\n{''.join(f'{deeper}{python_value(item, deeper)},{chr(10)}' for item in value)}{indent}]"
    if isinstance(value, str):
        return _text(value)
    return "{}" if isinstance(value, Mapping) else repr(value)  # a number, True, False, None or []


def _text(text: str) -> str:
    """In double quotes where that needs no escape, as people format Python; `repr` escapes what does not show."""
    quoted = repr(text)
    return quoted if '"' in text or "'" in text else f'"{quoted[1:-1]}"'
