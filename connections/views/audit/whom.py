"""Whom access rules let in and shut out, in words: of a rule before it is saved, and of the rules as they are."""

from dataclasses import dataclass
from hashlib import blake2s

from connections.permissions import Right, coverage, rule_effects
from connections.permissions.rule_effects import Difference

NAMED = 20  # people of whom a preview tells the names
_VERBS = {Right.REQUEST: "ask for", Right.APPROVE: "approve"}
_EVERYBODY = {Right.REQUEST: "everybody", Right.APPROVE: "every approver"}


@dataclass(frozen=True)
class Line:
    """Of some destinations and services, and one right: whom the change lets in and shuts out."""

    of: Difference

    @property
    def heading(self) -> str:
        services = [name or "all other services" for name in self.of.services]
        what = ", ".join(services) or "connections"
        return f"Who may {_VERBS[self.of.right]} {what} into {names(self.of.destinations)}"

    @property
    def cells(self) -> list[tuple[str, str]]:
        changed = [("Let in", self.of.let_in), ("Shut out", self.of.shut_out)]
        told = [(heading, names(people)) for heading, people in changed if people]
        return [*(told or [("Changes", "nothing")]), ("Who may then", self._then)]

    @property
    def at_present(self) -> list[tuple[str, str]]:
        """As `cells`, of a rule that is in force."""
        changed = [("Shut out by this rule", self.of.shut_out), ("Would be shut out without it", self.of.let_in)]
        return [("May at the moment", self._then), *((heading, names(people)) for heading, people in changed if people)]

    @property
    def _then(self) -> str:
        then = names(self.of.then)
        return f"{_EVERYBODY[self.of.right]}: {then}" if self.of.everybody else then


def names(found: tuple[str, ...]) -> str:
    if not found:
        return "nobody"
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


@dataclass(frozen=True)
class Preview:
    """What would be saved; `seen` names this very preview."""

    lines: list[Line]

    @property
    def seen(self) -> str:
        return blake2s(repr(self).encode(), digest_size=12).hexdigest()


def preview_of(before: coverage.Coverage, after: coverage.Coverage, group_ids: list[str]) -> Preview:
    return Preview([Line(one) for one in rule_effects.differences(before, after, group_ids)])
