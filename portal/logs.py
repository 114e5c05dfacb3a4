"""Log lines that cannot be forged and tell no secrets: one record is one line, and Fivetran's key pair never shows."""

import base64
import logging
import re
import unicodedata

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

HIDDEN = "[hidden]"
# Unicode's categories of what shows nothing itself; a test compares them with `connections.spec.characters`.
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
_KNOWN_AT_ONCE = 5_000  # characters: a text that holds every one there is must not fill the memory


# Code point -> what is written for it: a table is quicker than a pattern.
class _Escapes(dict[int, str]):
    def __missing__(self, code: int) -> str:
        character = chr(code)
        unseen = unicodedata.category(character) in _UNSEEN
        written = f"\\u{code:04x}" if unseen else character
        if len(self) < _KNOWN_AT_ONCE:
            self[code] = written
        return written


_ESCAPES = _Escapes({ord("\t"): " ", ord("\n"): "\\n", ord("\r"): "\\r"})

# The addresses of hand-overs: Django names paths of refused requests.
_LINK = re.compile(
    r"((?:/|%2F)handover(?:/|%2F))(?!return)(?:(?!%2F)[\w.-])+|((?:/|%2F)handover(?:/|%2F)return(?:/|%2F)(?:\?|%3F))\S+",
    re.ASCII | re.IGNORECASE,
)


def one_line(text: str) -> str:
    """`text` with control characters, line ends and direction marks written as escapes, a tab as a space."""
    return text.translate(_ESCAPES)


class OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # Django logs each answer with what led to it. Below 500 that is a refusal, whose traceback says nothing of
        # ours.
        if record.exc_info and getattr(record, "status_code", 500) < 500:
            record = logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
        return one_line(redacted(super().format(record)))


def redacted(text: str) -> str:
    """`text` without the API key, its secret, the Basic token of both (RFC 7617), webhook secret and owners' links."""
    text = _LINK.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", text)
    for secret in secrets_now():
        text = text.replace(secret, HIDDEN)
    return text


def secrets_now() -> list[str]:
    shared = [settings.FIVETRAN_WEBHOOK_SECRET] if settings.FIVETRAN_WEBHOOK_SECRET else []
    try:
        key, secret = settings.FIVETRAN_CREDENTIALS()
    except ImproperlyConfigured:
        return shared
    token = base64.b64encode(f"{key}:{secret}".encode()).decode()
    # The longest first: a secret may be a part of another one.
    return sorted((token, key, secret, *shared), key=len, reverse=True)
