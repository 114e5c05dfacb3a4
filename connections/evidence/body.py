"""What an approver should notice in the text of a request and in the values of its body."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from connections.spec import characters
from connections.spec.payloads import config_of, is_secret

_HOST = re.compile(r"(^|_)(host|hosts|hostname|host_?names?|servers?|server_names?)$", re.IGNORECASE)
_PORT = re.compile(r"(^|_)ports?$", re.IGNORECASE)
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BEHIND_HOST = re.compile(r":(\d+)$")
_SHOWN = 120  # characters of a value
LAST_PORT = 65_535


def leaves(body: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of each plain value in `body`; the values of a list all have the list's path."""
    for key, value in body.items():
        here, waiting = f"{path}.{key}" if path else str(key), [value]
        while waiting:
            match waiting.pop(0):
                case Mapping() as group:
                    yield from leaves(group, here)
                case list() as items:
                    waiting = [*items, *waiting]
                case plain:
                    yield here, plain


def odd_addresses(body: Mapping[str, Any]) -> list[str]:
    """Hosts that are not only a host, and ports that do not exist, in words."""
    found: list[str] = []
    for path, value in leaves(config_of(body), "config"):
        name = path.rpartition(".")[2]
        if is_secret(name):
            continue  # its value would be shown
        if _PORT.search(name):
            found += odd_port(path, value)
        elif _HOST.search(name) and isinstance(value, str):
            found += odd_host(path, value)
    return list(dict.fromkeys(found))


def odd_host(path: str, value: str) -> Iterator[str]:
    rest = _SCHEME.sub("", value.strip())
    host, _, behind = rest.partition("/")
    if behind or "?" in rest or "#" in rest:
        yield f"{path} is an address with a path, not a host: {value[:_SHOWN]}"
    if "@" in host:
        yield f"{path} names a user before the host: {host.rpartition('@')[2][:_SHOWN]}"
    if (port := _BEHIND_HOST.search(host)) and host.count(":") == 1:
        yield from odd_port(path, port[1])
    if marks := characters.doubtful(value):
        yield f"{path} is not in plain letters: {', '.join(marks)}"


def odd_port(path: str, value: Any) -> Iterator[str]:
    if value is None or isinstance(value, bool) or value == "":
        return
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= LAST_PORT):
        yield f"{path} has a port that does not exist (1 to {LAST_PORT:,} do): {text[:_SHOWN]}"


def hidden_in(texts: Mapping[str, str], body: Mapping[str, Any]) -> list[str]:
    """Where invisible or direction-changing characters are, in words."""
    found: dict[str, list[str]] = {}
    said = [*texts.items(), *((path, value) for path, value in leaves(body) if isinstance(value, str))]
    for name, text in said:
        if marks := characters.hidden(text):
            found.setdefault(name, []).extend(marks)
    keys = "".join(path for path, _ in leaves(body))
    if marks := characters.hidden(keys):
        found["The name of a setting"] = marks
    return [
        f"{characters.visible(name)} holds hidden characters: {', '.join(marks[:5])}" for name, marks in found.items()
    ]
