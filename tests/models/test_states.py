"""The state machine against its specification, written out here a second time by hand."""

from collections.abc import Collection
from typing import Any

import pytest
from django.core.management import call_command

from connections.next_step import next_step
from connections.states import (
    BREAKER,
    DECIDED,
    EDITABLE,
    FINAL,
    HANDOVER,
    LIVE,
    MACHINES,
    REQUEST,
    SETUP_TESTS,
    TRUST,
    WITHDRAWABLE,
    Machine,
    Status,
)
from tests import processes

DOCUMENT = processes.ROOT / "docs" / "architecture.md"

# source, target, who may, and whether a reason is asked for. "-" is a new request.
SPECIFICATION = """
-                 draft             requester
-                 pending           requester
-                 created           operator            reason
draft             pending           requester
draft             withdrawn         requester
pending           pending           requester
pending           withdrawn         requester
pending           changes_requested approver            reason
pending           rejected          approver            reason
pending           approved          approver
pending           expired           sweeper
changes_requested pending           requester
changes_requested withdrawn         requester
changes_requested expired           sweeper
approved          withdrawn         requester
approved          claimed           worker
approved          attention         worker,sweeper
claimed           approved          worker,sweeper
claimed           failed            worker
claimed           created           worker
claimed           sending           worker
claimed           attention         worker,sweeper
sending           created           worker
sending           approved          worker
sending           failed            worker
sending           unknown           worker,sweeper
unknown           created           reconciler
unknown           approved          reconciler
unknown           attention         reconciler
attention         created           operator            reason
attention         approved          operator            reason
attention         failed            operator            reason
"""
LABELS = {
    "draft": ("Draft", "requester"),
    "pending": ("Waiting for approval", "approver"),
    "changes_requested": ("Changes requested", "requester"),
    "approved": ("Approved, in the queue", "portal"),
    "claimed": ("Starting", "portal"),
    "sending": ("Creating at Fivetran", "portal"),
    "unknown": ("Checking with Fivetran", "portal"),
    "attention": ("Needs an operator", "operator"),
    "created": ("Created", "nobody"),
    "failed": ("Refused by Fivetran", "requester"),
    "rejected": ("Rejected", "nobody"),
    "withdrawn": ("Withdrawn", "nobody"),
    "expired": ("Expired", "nobody"),
}


def specified() -> set[tuple[str, str, str, bool]]:
    rows = [line.split() for line in SPECIFICATION.strip().splitlines()]
    return {(row[0], row[1], ",".join(sorted(row[2].split(","))), "reason" in row[3:]) for row in rows}


def test_the_table_is_the_specification() -> None:
    table = {(m.source or "-", m.target.value, ",".join(sorted(m.actors)), m.needs_reason) for m in REQUEST.moves}
    assert table == specified()


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_no_move_stands_twice_in_a_table(machine: Machine[Any]) -> None:
    assert len({(move.source, move.target) for move in machine.moves}) == len(machine.moves)


def test_every_status_reads_as_the_product_says() -> None:
    assert {status.value: (status.label, next_step(status).owner.value) for status in Status} == LABELS


def test_final_statuses_lead_nowhere_and_the_others_somewhere() -> None:
    assert {"created", "failed", "rejected", "withdrawn", "expired"} == FINAL
    for status in Status:
        assert (status in FINAL) is (not [move for move in REQUEST.moves if move.source is status])


def test_every_status_can_be_reached_from_the_beginning() -> None:
    reached = {move.target for move in REQUEST.moves if move.source is None}
    for _ in Status:
        reached |= {move.target for move in REQUEST.moves if move.source in reached}
    assert reached == set(Status)


def test_sending_is_reached_only_from_a_claim_and_a_claim_only_from_an_approval() -> None:
    assert [move.source for move in REQUEST.moves if move.target is Status.SENDING] == [Status.CLAIMED]
    assert [move.source for move in REQUEST.moves if move.target is Status.CLAIMED] == [Status.APPROVED]


@pytest.mark.parametrize(
    ("group", "members"),
    [
        (LIVE, "pending changes_requested approved claimed sending unknown attention"),
        (EDITABLE, "draft pending changes_requested"),
        (WITHDRAWABLE, "draft pending changes_requested approved"),
        (DECIDED, "approved claimed sending unknown attention created failed"),
    ],
    ids=["live", "editable", "withdrawable", "decided"],
)
def test_the_named_groups_of_statuses(group: Collection[Status], members: str) -> None:
    assert set(group) == set(members.split())
    assert len(group) == len(set(group))


def test_a_move_is_found_or_not() -> None:
    assert REQUEST.find(None, Status.APPROVED) is None
    assert REQUEST.find(Status.SENDING, Status.WITHDRAWN) is None
    found = REQUEST.find(Status.PENDING, Status.REJECTED)
    assert found is not None
    assert found.needs_reason


def picture(text: str, machine: str) -> str:
    """What stands between the markers of a machine in the document, without the fence of the code block."""
    begin, end = f"<!-- states: {machine} -->", f"<!-- /states: {machine} -->"
    assert text.count(begin) == 1, f"docs/architecture.md needs `manage.py state_diagram {machine}` between two markers"
    block = text.split(begin)[1].split(end)[0].strip()
    return block.removeprefix("```mermaid\n").removesuffix("\n```")


@pytest.mark.parametrize("machine", [machine.name for machine in MACHINES])
def test_the_picture_in_the_document_is_the_one_the_command_prints(
    machine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("state_diagram", machine)
    assert picture(DOCUMENT.read_text(encoding="utf-8"), machine) == capsys.readouterr().out.rstrip("\n")


def test_the_picture_is_a_requests_unless_another_machine_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("state_diagram")
    assert "draft --> pending: requester" in capsys.readouterr().out


# What is kept beside the status: from, to, and who may. "-" is a new row.
BESIDE: dict[str, tuple[Machine[Any], str]] = {
    "hand-over": (
        HANDOVER,
        """
        -        waiting   requester,approver,operator,worker
        waiting  open      source owner
        open     open      source owner
        open     returned  source owner
        returned open      source owner,reconciler
        waiting  done      reconciler
        open     done      reconciler
        returned done      reconciler
        waiting  revoked   requester,approver,operator
        open     revoked   requester,approver,operator
        returned revoked   requester,approver,operator
        waiting  waiting   requester,approver,operator,source owner
        open     waiting   requester,approver,operator,source owner
        returned waiting   requester,approver,operator,source owner
        done     waiting   requester,approver,operator
        revoked  waiting   requester,approver,operator
        """,
    ),
    "trust": (
        TRUST,
        """
        -        due       approver,operator
        due      running   worker
        due      refused   worker
        running  due       worker,sweeper
        running  sent      worker
        running  refused   worker
        sent     lapsed    approver,operator
        """,
    ),
    "setup tests": (
        SETUP_TESTS,
        """
        -        none      worker,reconciler,operator
        -        due       worker,reconciler,operator
        -        stored    worker
        none     due       requester,approver,operator,worker,reconciler
        stored   due       requester,approver,operator,worker,reconciler
        due      due       worker
        due      running   worker
        running  due       worker,sweeper
        running  stored    worker,reconciler
        due      stored    reconciler
        """,
    ),
    "circuit breaker": (
        BREAKER,
        """
        -            closed       worker
        closed       rate_limited worker
        closed       auth         worker,reconciler
        closed       open         worker
        rate_limited rate_limited worker
        rate_limited auth         worker,reconciler
        rate_limited open         worker
        rate_limited closed       worker,reconciler
        auth         auth         worker,reconciler
        auth         closed       reconciler
        open         rate_limited worker
        open         auth         worker,reconciler
        open         closed       reconciler
        open         half_open    reconciler
        half_open    rate_limited worker
        half_open    auth         worker,reconciler
        half_open    open         worker
        half_open    closed       worker
        """,
    ),
}


@pytest.mark.parametrize("name", BESIDE)
def test_the_other_tables_are_their_specifications(name: str) -> None:
    machine, text = BESIDE[name]
    rows = [line.split(maxsplit=2) for line in text.strip().splitlines()]
    specified = {(source, target, frozenset(who.split(","))) for source, target, who in rows}
    table = {
        (move.source.name.lower() if move.source is not None else "-", move.target.name.lower(), frozenset(move.actors))
        for move in machine.moves
    }
    assert table == specified
