"""How a mail is laid out, as plain text and as HTML: one text, in the same order in both.

A person's text stands on one line behind its label or is marked as theirs, so that nobody can take it for the portal's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.text import wrap

from connections.spec.characters import QUOTE, one_line, quoted

_COLUMNS = 110


@dataclass(frozen=True)
class Mail:
    """`facts` are (label, value), `quotes` (heading, what somebody wrote); all but the first two may be empty."""

    subject: str
    says: str
    hello: str = "Hello,"
    facts: Sequence[tuple[str, object]] = ()
    quotes: Sequence[tuple[str, str]] = ()
    listed: Sequence[str] = ()
    code: str = ""
    button: str = ""
    page: str = ""  # the address behind the button
    steps: Sequence[str] = ()
    checks: Sequence[str] = ()
    closing: str = ""

    @property
    def text(self) -> str:
        return "\n\n".join([*self._paragraphs(), ""])

    def _paragraphs(self) -> Iterator[str]:
        yield self.hello
        yield wrap(self.says, _COLUMNS)
        told = [f"  {label + ':':14}{value}" for label, value in self._facts()]
        for heading, words in self.quotes:
            told += [f"  {heading} (these lines are not the portal's):", quoted(words)]
        blocks = ["\n".join(told), "\n".join(f"  {line}" for line in self.listed), self.code and f"  {self.code}"]
        yield from filter(None, [*blocks, self.page])
        if self.steps:
            marks = [f"  {number}. " for number in range(1, len(self.steps) + 1)]
            yield "\n".join(["What happens next:", *map(_marked, marks, self.steps)])
        if self.checks:
            yield "\n".join(["Is this mail genuine?", *(_marked("  - ", line) for line in self.checks)])
        if self.closing:
            yield wrap(self.closing, _COLUMNS)

    def _facts(self) -> list[tuple[str, str]]:
        return [(label, one_line(str(value))) for label, value in self.facts]

    @property
    def html(self) -> str:
        quotes = [(heading, _lines_of(words)) for heading, words in self.quotes]
        context = {"mail": self, "facts": self._facts(), "quotes": quotes}
        return render_to_string("connections/mail/mail.html", context | {"company": company(), "host": host()})


def company() -> str:
    return one_line(settings.COMPANY_NAME)


def host() -> str:
    """The portal's host as people see it in their browser's address bar."""
    return urlsplit(settings.PUBLIC_URL).netloc


def _lines_of(words: str) -> str:
    # As the plain text has them: wrapped nowhere else, shortened alike, and without invisible characters.
    return "\n".join(line.removeprefix(QUOTE) for line in quoted(words).split("\n")).replace("\n  >", "\n")


def _marked(mark: str, line: str) -> str:
    return mark + wrap(line, _COLUMNS - 6).replace("\n", "\n" + " " * len(mark))
