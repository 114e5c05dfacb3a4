"""The mails of the demo: printed, and kept as files that a page shows."""

import email
import email.policy
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage as Read
from email.utils import format_datetime
from itertools import groupby
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends import console

from connections.demo import clock

SHOWN = 60  # on the page
KEPT = 1_000  # the newest, which the page looks through
ENDING = ".eml"


class EmailBackend(console.EmailBackend):
    """Prints like Django's, and keeps each mail. What the seed sends is dated back, and not printed."""

    def write_message(self, message: EmailMessage) -> None:
        moment = clock.now()
        message.extra_headers["Date"] = format_datetime(moment)
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{moment:%Y%m%d%H%M%S}-{time.time_ns()}"
        (folder / f"{name}{ENDING}").write_bytes(message.message().as_bytes())
        if not clock.is_put_back():
            super().write_message(message)


@dataclass(frozen=True)
class Mail:
    name: str
    message: Read

    @property
    def sent_at(self) -> datetime:
        header = self.message["Date"]
        found: datetime | None = getattr(header, "datetime", None)
        return found or datetime.fromtimestamp(0, UTC)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def recipient(self) -> str:
        return str(self.message["To"] or "")

    @property
    def sender(self) -> str:
        return str(self.message["From"] or "")

    def part(self, kind: str) -> str:
        """Its text as `plain` or `html`; empty without such a part."""
        body = self.message.get_body((kind,))
        return str(body.get_content()) if body is not None else ""


def _folder() -> Path:
    return Path(settings.EMAIL_FILE_PATH or "")


def newest() -> list[Mail]:
    names = sorted((path.name for path in _folder().glob(f"*{ENDING}")), reverse=True)
    return [_read(name.removesuffix(ENDING)) for name in names[:KEPT]]


def gathered(found: list[Mail]) -> list[list[Mail]]:
    """What went to several people at once is together: each approver gets a mail of their own."""
    return [list(same) for _, same in groupby(found, key=lambda mail: (mail.subject, mail.sent_at))]


def find(name: str) -> Mail | None:
    """`name` as the list tells it, and never a path."""
    known = {path.name for path in _folder().glob(f"*{ENDING}")}
    return _read(name) if f"{name}{ENDING}" in known else None


def _read(name: str) -> Mail:
    content = (_folder() / f"{name}{ENDING}").read_bytes()
    return Mail(name, email.message_from_bytes(content, policy=email.policy.default))
