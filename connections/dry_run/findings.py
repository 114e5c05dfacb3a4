"""What a check looks at, and how it says what it found."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connections.catalog.metadata import Config
from connections.dry_run.judgement import Judgement
from connections.dry_run.reads import LATE, Read
from connections.dry_run.shown import NOTHING, shown
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized
from connections.models import CircuitBreaker, ConnectionRequest
from connections.spec.dry_run import Check, CheckState, Result
from connections.states import Owner

ORDER = (CheckState.FAILED, CheckState.WARNING, CheckState.NOT_POSSIBLE, CheckState.PASSED)  # what counts first
MOST, LONGEST = 20, 500  # sentences of a check, and characters of each


@dataclass
class Subject:
    """The request, what Fivetran has said so far, what the form says of it, and the results that are there."""

    row: ConnectionRequest
    body: dict[str, Any]  # as far as it is known before the form has judged
    breaker: CircuitBreaker
    done: dict[str, Read]
    results: dict[Check, Result]
    judgement: Judgement | None = None

    @property
    def judged(self) -> Judgement:
        assert self.judgement is not None  # noqa: S101  # the checks that ask for it come after
        return self.judgement

    @cached_property
    def config(self) -> dict[str, Any]:
        config = self.body.get("config")
        return dict(config) if isinstance(config, dict) else {}

    def of_form(self, check: Check) -> Iterable["Said"]:
        for words in self.judged.errors.get(check, []):
            yield Said(CheckState.FAILED, sentence(words), Owner.REQUESTER)
        for words in self.judged.doubts.get(check, []):
            yield Said(CheckState.WARNING, sentence(words), Owner.REQUESTER)


@dataclass(frozen=True)
class Said:
    state: CheckState
    words: str
    acts: Owner = Owner.NOBODY


def sentence(words: str) -> str:
    text = words.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", ":", "…")) else f"{text}."


def result(check: Check, said: Iterable[Said], *reads: Read | None, known: Config = NOTHING) -> Result:
    """The worst of what was said is the check's state, and who acts on it acts on the check."""
    found = list(said)
    worst = min(found, key=lambda one: ORDER.index(one.state))
    told = [one for one in found if one.state is not CheckState.PASSED or worst.state is CheckState.PASSED]
    exchanges = tuple(one for read in reads if read is not None for one in shown(read.name, read.exchanges, known))
    return Result(check, worst.state, _bounded(dict.fromkeys(one.words for one in told)), worst.acts, exchanges)


def _bounded(said: Iterable[str]) -> tuple[str, ...]:
    sentences = [words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…" for words in said]
    more = len(sentences) - MOST
    return (*sentences[:MOST], *([f"And {more} more."] if more > 0 else []))


def unread(read: Read, what: str) -> Said:
    """Why nothing can be said of `what`: nothing was asked, or there is no usable answer."""
    if read.why_not:
        return Said(CheckState.NOT_POSSIBLE, read.why_not)
    return Said(CheckState.NOT_POSSIBLE, f"{why(read.error)} So {what} is not known.", acts_on(read.error))


def why(error: FivetranError | None) -> str:
    match error:
        case Unauthorized():
            return "Fivetran does not accept the portal's API key."
        case RateLimited():
            return "Fivetran asked the portal to wait."
        case Refused(status=403):
            return "The portal's API key may not read this."
        case NotSent(late=True):
            return LATE
        case NotSent():
            return "Fivetran could not be reached."
        case Refused():
            return f"Fivetran refused to tell: {sentence(error.message[:200])}"
        case _:
            return f"Fivetran gave no usable answer: {sentence((error.message if error else '')[:200])}"


def acts_on(error: FivetranError | None) -> Owner:
    is_of_key = isinstance(error, Unauthorized) or (isinstance(error, Refused) and error.status == 403)
    return Owner.OPERATOR if is_of_key else Owner.NOBODY
