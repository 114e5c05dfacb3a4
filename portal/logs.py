"""Log lines that cannot be forged and do not talk: one record is one line, and Fivetran's key pair never shows."""

import base64
import logging
import re

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

HIDDEN = "[hidden]"
# Control characters, ends of lines and direction marks, each with its escape: a table is quicker than a pattern.
_MARKS = (*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\u{code:04x}" for code in _MARKS} | {ord("\t"): " ", ord("\n"): "\\n", ord("\r"): "\\r"}

# The addresses of hand-overs: Django names paths of refused requests.
_LINK = re.compile(
    r"((?:/|%2F)handover(?:/|%2F))(?!return)(?:(?!%2F)[\w.-])+|((?:/|%2F)handover(?:/|%2F)return(?:/|%2F)(?:\?|%3F))\S+",
    re.ASCII | re.IGNORECASE,
)


def one_line(text: str) -> str:
    """`text` with control characters, line ends and direction marks written as escapes, a tab as a space."""
    return text.translate(_ESCAPES)


class OneLine(logging.Formatter):
    """Formats a record, its traceback included, as one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line, without its end."""
        return one_line(redacted(super().format(record)))


def redacted(text: str) -> str:
    """`text` without the API key, its secret, the Basic token of both (RFC 7617), webhook secret and owners' links."""
    text = _LINK.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", text)
    for secret in _secrets():
        text = text.replace(secret, HIDDEN)
    return text


def _secrets() -> list[str]:
    """What must not be printed now, longest first: the webhook's secret and, once configured, the key pair."""
    shared = [settings.FIVETRAN_WEBHOOK_SECRET] if settings.FIVETRAN_WEBHOOK_SECRET else []
    try:
        key, secret = settings.FIVETRAN_CREDENTIALS()
    except ImproperlyConfigured:
        return shared
    token = base64.b64encode(f"{key}:{secret}".encode()).decode()
    return sorted((token, key, secret, *shared), key=len, reverse=True)
