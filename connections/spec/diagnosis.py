"""What a failing setup test means, who has to act, and the text to hand on: from `diagnosis.toml`."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from connections.states import Labelled

FILE = Path(__file__).with_name("diagnosis.toml")
# Characters of a title or message that are searched: both are from outside and of any length. With no unbounded
# repetition in the file's patterns, a search takes time in proportion to this; a message's point is at its beginning.
LOOKED_AT = 2_000
FAILED = frozenset({"FAILED", "JOB_FAILED"})
WARNING = "WARNING"
LONGEST_FACT = 1_000
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
# What a requester typed becomes part of statements that an administrator runs: it must not end one, comment it out, or
# add a second name to a grant. Only what comes from Fivetran, or from the portal, may have blanks in it.
_NAME = re.compile(r"[A-Za-z0-9_.@-]+")
_LINE = re.compile(r"[A-Za-z0-9_.:@/+=, -]+")
_LINES = frozenset({"addresses", "public_key", "service_account"})


class Who(Labelled):
    SOURCE_OWNER = "source_owner", "The source owner"
    NETWORK = "network", "Who looks after the network"
    DBA = "dba", "The database's administrator"
    PLATFORM = "platform", "The operators of Fivetran"
    APPROVER = "approver", "Who may approve what is trusted"


# Placeholder -> what stands in its place while the value is not known, or not fit to stand in a statement.
PLACEHOLDERS: dict[str, str] = {
    "addresses": "<the addresses on that page for your region>",
    "bucket": "<bucket>",
    "database": "<database>",
    "group_id": "<group id of the destination>",
    "host": "<host>",
    "port": "<port>",
    "public_key": "<public key of the destination: shown in Fivetran on the connection's setup form>",
    "region": "<region of the destination>",
    "schema": "<destination schema>",
    "service": "<service>",
    "service_account": "<service account of the destination: shown in Fivetran on the connection's setup form>",
    "tunnel_host": "<SSH host>",
    "tunnel_port": "<SSH port>",
    "tunnel_user": "<SSH user>",
    "user": "<user>",
}


@dataclass(frozen=True)
class Sample:
    title: str
    message: str = ""
    service: str = ""
    status: str = "FAILED"


@dataclass(frozen=True)
class Entry:
    id: str
    means: str
    who: Who
    act: str
    source: str  # where it is known from, in words for the page
    samples: tuple[Sample, ...]
    outside: str = ""  # instead of `act` on the source owner's page; empty: the same
    paste: str = ""
    services: frozenset[str] = frozenset()  # empty: any
    test: re.Pattern[str] | None = None  # of the title
    says: re.Pattern[str] | None = None  # of the message
    status: str = ""  # only with this one
    warning: bool = False  # also where the test only warns

    @property
    def weight(self) -> int:
        """How specific the entry is: a service counts most, then the message, then the title, then a status."""
        return 8 * bool(self.services) + 4 * bool(self.says) + 2 * bool(self.test) + bool(self.status)

    def fits(self, service: str, title: str, status: str, message: str) -> bool:
        """The texts are already shortened."""
        if not (status == self.status if self.status else status in FAILED or (self.warning and status == WARNING)):
            return False
        if self.services and service not in self.services:
            return False
        return all(not p or p.search(text) for p, text in ((self.test, title), (self.says, message)))


@dataclass(frozen=True)
class Diagnosis:
    entry: str
    means: str
    who: Who
    act: str
    outside: str  # what the source owner is told to do
    source: str
    paste: str = ""
    needs: frozenset[str] = frozenset()  # the placeholders of `paste`


@cache
def entries() -> tuple[Entry, ...]:
    """The most specific first; equally specific ones in the file's order."""
    data = tomllib.loads(FILE.read_text())
    found = [entry_of(item, data["families"]) for item in data["entry"]]
    return tuple(sorted(found, key=lambda entry: -entry.weight))


def diagnose(service: str, title: str, status: str, message: str, facts: Mapping[str, str]) -> Diagnosis | None:
    """The most specific entry that fits, filled with `facts` (placeholder -> value); None where none does."""
    title, message = (" ".join(text[:LOOKED_AT].split()) for text in (title, message))
    for entry in entries():
        if entry.fits(service, title, status, message):
            needs = frozenset(_PLACEHOLDER.findall(entry.paste))
            said = (entry.id, entry.means, entry.who, entry.act, entry.outside or entry.act, entry.source)
            return Diagnosis(*said, _filled(entry.paste, facts), needs)
    return None


def addresses(region: str) -> str:
    """Fivetran's published addresses for a region in its API's spelling; empty where the file has none."""
    return str(tomllib.loads(FILE.read_text())["addresses"].get(region, "")) if region else ""


def _filled(text: str, facts: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        known = facts.get(found[1], "").strip()
        allowed = _LINE if found[1] in _LINES else _NAME
        fit = len(known) <= LONGEST_FACT and allowed.fullmatch(known) and "--" not in known
        return known if fit else PLACEHOLDERS.get(found[1], found[0])

    # Replaced in one pass: a value that looks like a placeholder is not replaced again.
    return _PLACEHOLDER.sub(value, text)


def entry_of(item: dict[str, Any], families: dict[str, list[str]]) -> Entry:
    """Raises KeyError, ValueError or TypeError where `item` is not an entry."""
    given = dict(item)
    given["who"] = Who(given["who"])
    given["services"] = frozenset(one for name in given.get("services", ()) for one in families.get(name, [name]))
    given["samples"] = tuple(Sample(**sample) for sample in given["samples"])
    for name in ("means", "act", "outside"):
        given[name] = " ".join(given.get(name, "").split())
    for name in ("test", "says"):
        if name in given:
            given[name] = re.compile(given[name], re.IGNORECASE)
    return Entry(**given)
