"""Whose turn it is in every state there is, against rules that are written out here a second time by hand."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from connections.next_step import NextStep, change_step, next_step
from connections.states import ChangeStatus, HandoverState, SetupTestsState, Status, TrustState

UNFINISHED = {"incomplete", "broken"}
SET_UP = {"connected"}
# The first line whose facts are all true counts: status, facts, whose turn it is, and what the page says.
RULES: list[tuple[str, dict[str, set[Any]], str, str]] = [
    ("draft", {}, "requester", "Submit it when it is complete."),
    ("pending", {}, "approver", "An approver looks at it next."),
    ("changes_requested", {}, "requester", "submits it again."),
    ("approved", {"key_refused": {True}}, "operator", "The portal sends it to Fivetran by itself."),
    ("approved", {}, "portal", "The portal sends it to Fivetran by itself."),
    ("claimed", {}, "portal", "about to send it"),
    ("sending", {}, "portal", "Fivetran is creating the connection"),
    ("unknown", {}, "portal", "will not send it twice"),
    ("attention", {}, "operator", "The portal cannot settle this alone."),
    ("failed", {"failure_code": {"Forbidden", "NotFound_Group"}}, "operator", "not the requester's"),
    ("failed", {"failure_code": {"mended_by_operator"}}, "requester", "An operator mended"),
    ("failed", {}, "requester", "corrects what it names, and submits a copy."),
    ("rejected", {}, "nobody", "turned down"),
    ("withdrawn", {}, "nobody", "took it back"),
    ("expired", {}, "nobody", "Nobody acted on it for {days} days"),
    ("created", {"deleted": {True}}, "nobody", "no longer there at Fivetran"),
    ("created", {"trust_waiting": {True}}, "approver", "its source is not trusted yet"),
    ("created", {"setup_state": UNFINISHED, "trust": {"due", "running"}}, "portal", "the tests run again"),
    (
        "created",
        {"setup_state": UNFINISHED, "trust": {"sent"}, "tests": {"due", "running"}},
        "portal",
        "the tests run again",
    ),
    ("created", {"setup_state": UNFINISHED, "handover": {"revoked"}}, "requester", "the hand-over was revoked"),
    ("created", {"setup_state": UNFINISHED, "handover": {"done"}}, "requester", "does not work with the credentials"),
    ("created", {"setup_state": UNFINISHED, "handover": {"waiting", "open"}}, "source owner", "waits for its creden"),
    ("created", {"setup_state": {"incomplete"}}, "source owner", "its setup is incomplete"),
    ("created", {"setup_state": {"broken"}}, "source owner", "it does not work yet"),
    ("created", {"change": {"pending"}}, "approver", "A change of it waits for an approver"),
    ("created", {"change": {"approved", "running"}}, "portal", "The portal tells Fivetran of a change of it"),
    ("created", {"setup_state": SET_UP, "drifted": {True}}, "nobody", "not as it was approved"),
    ("created", {"setup_state": SET_UP, "paused": {True}}, "nobody", "It is paused"),
    ("created", {"setup_state": SET_UP}, "nobody", "it syncs as asked for"),
    ("created", {}, "nobody", "The connection exists at Fivetran."),
]
# Every value of every fact; of a setup state that nobody has heard of the portal knows nothing.
FACTS: dict[str, list[Any]] = {
    "setup_state": [None, "", "incomplete", "broken", "connected", "brand_new"],
    "handover": [None, *HandoverState],
    "trust_waiting": [False, True],
    "trust": [None, *TrustState],
    "tests": [None, *SetupTestsState],
    "change": [None, *ChangeStatus],
    "deleted": [False, True],
    "drifted": [False, True],
    "paused": [False, True],
}
CODES = ["", "InvalidInput", "Forbidden", "NotFound_Group", "mended_by_operator"]


def wrong(status: Status, states: Iterator[dict[str, Any]]) -> list[str]:
    """The first states in which the answer is not that of the rules."""
    rules = [rule[1:] for rule in RULES if rule[0] == status.value]
    found = []
    for facts in states:
        step = next_step.__wrapped__(status, **facts)
        owner, words = next(
            (owner, words)
            for needed, owner, words in rules
            if all(facts.get(name) in values for name, values in needed.items())
        )
        if step.owner.value != owner or words not in step.sentence:
            found.append(f"{facts}: {step}")
    return found[:5]


def of(facts: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in product(*facts.values()):
        yield dict(zip(facts, values, strict=True))


def test_every_state_of_a_created_request_is_as_the_rules_say() -> None:
    assert wrong(Status.CREATED, of(FACTS)) == []


@pytest.mark.parametrize("status", Status)
def test_in_every_status_only_the_facts_of_the_rules_count(status: Status) -> None:
    ends = {name: [values[0], values[-1]] for name, values in FACTS.items()}
    assert wrong(status, of(ends | {"failure_code": CODES, "key_refused": [False, True]})) == []


def test_every_step_is_reached_and_no_rule_is_idle() -> None:
    states = of({name: values for name, values in FACTS.items() if name != "tests"} | {"tests": ["due", "stored"]})
    found = {next_step(Status.CREATED, **facts) for facts in states}
    found |= {next_step(s, failure_code=c, key_refused=k) for s in Status for c in CODES for k in (False, True)}
    assert found == set(NextStep)
    assert {words for *_, words in RULES} <= {w for *_, w in RULES for step in found if w in step.sentence}


# The same for a change of a connection: status, failure code, whether the connection is gone.
CHANGES: dict[str, str] = dict.fromkeys(ChangeStatus, "nobody") | {
    "pending": "approver",
    "approved": "portal",
    "running": "portal",
}


@pytest.mark.parametrize("status", ChangeStatus)
@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("failure_code", ["", "InvalidInput", "no_clear_answer", "Forbidden", "NotFound_Group"])
@pytest.mark.parametrize("key_refused", [False, True])
def test_whose_turn_a_change_is(status: str, deleted: bool, failure_code: str, key_refused: bool) -> None:
    step = change_step(status, failure_code=failure_code, deleted=deleted, key_refused=key_refused)
    is_looked_at = status == "failed" and not deleted and failure_code in ("Forbidden", "NotFound_Group")
    assert ("The operators were told" in step.sentence) is is_looked_at
    assert step.owner == ("operator" if is_looked_at or (key_refused and status == "approved") else CHANGES[status])
    assert ("Nobody knows whether" in step.sentence) is (status == "failed" and failure_code == "no_clear_answer")
    assert ("can only be rejected or withdrawn" in step.sentence) is (status == "pending" and deleted)
