"""What the access rules say: who may ask for, and approve, a connection of a service into a destination.

They narrow, and give nothing: whoever approves holds the right to approve as well, superusers included.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.db.models import BooleanField, Func, Value

from connections.models import ConnectionRequest
from connections.people import display_name
from connections.permissions.reach import MEND
from connections.permissions.rights import Denied, Person, is_approver, sees_everything
from portal import rights


class Right(StrEnum):
    """The values are columns of `AccessGroup`."""

    REQUEST = "may_request"
    APPROVE = "may_approve"


@dataclass(frozen=True)
class Into:
    """A destination and a service; `name` is the destination's, for sentences."""

    group_id: str
    service: str
    name: str = ""

    @classmethod
    def of(cls, conn_request: ConnectionRequest) -> "Into":
        return cls(conn_request.group_id, conn_request.service, conn_request.group_name)

    @property
    def words(self) -> str:
        return f"connections into “{self.name or self.group_id}”"


# --- in SQL ----------------------------------------------------------------------------------------------------------
# The three lists depend on the person alone, so that a database makes each once, however many rows it compares; and
# where there is no rule it looks at none.
_LETTING = """
    FROM connections_accessdestination d
    JOIN connections_accessrule r ON r.id = d.rule_id AND r.active
    JOIN connections_accessgroup g ON g.rule_id = r.id AND g.{right}
    JOIN auth_user_groups m ON m.group_id = g.group_id AND m.user_id = {person}
"""
_CONDITION = """(
    NOT EXISTS (SELECT 1 FROM connections_accessrule r WHERE r.active
        UNION ALL SELECT 1 FROM connections_portalpolicy p WHERE p.closed_without_rule)
    OR {group} IN (SELECT d.group_id LETTING
        WHERE NOT EXISTS (SELECT 1 FROM connections_accessservice s WHERE s.rule_id = r.id))
    OR ({group}, {service}) IN (SELECT d.group_id, s.service LETTING
        JOIN connections_accessservice s ON s.rule_id = r.id)
    OR (NOT EXISTS (SELECT 1 FROM connections_portalpolicy p WHERE p.closed_without_rule)
        AND {group} NOT IN (SELECT d.group_id FROM connections_accessdestination d
            JOIN connections_accessrule r ON r.id = d.rule_id AND r.active))
)"""
# Texts, and between them the names of what comes there.
_PIECES = re.split(r"\{(\w+)\}", " ".join(_CONDITION.replace("LETTING", _LETTING).split()))


class LetIn(Func):
    """Whether the rules let `person` do what `right` is, as a condition. The others are names of columns or values.

    It is written out, because Django takes longer to build three nested queries than the database to answer them.
    """

    output_field = BooleanField()

    def __init__(self, right: Right, *, person: Any, group: Any = "group_id", service: Any = "service") -> None:
        super().__init__(person, group, service)
        self.right = right

    def as_sql(self, compiler: Any, connection: Any, *_args: Any, **_more: Any) -> tuple[str, tuple[Any, ...]]:
        places = zip(("person", "group", "service"), self.get_source_expressions(), strict=True)
        compiled: dict[str, tuple[str, Iterable[Any]]] = {name: compiler.compile(part) for name, part in places}
        compiled["right"] = (self.right.value, ())
        texts: list[str] = []
        params: list[Any] = []
        for at, piece in enumerate(_PIECES):
            text, values = compiled[piece] if at % 2 else (piece, ())
            texts.append(text)
            params += values
        return "".join(texts), tuple(params)


def let_into(right: Right, into: Into, person: Any = "pk") -> LetIn:
    """For a query of users."""
    return LetIn(right, person=person, group=Value(into.group_id), service=Value(into.service))


def let_approve(user: Person, group: Any, service: Any) -> LetIn:
    """For a query of anything that has the two, as expressions."""
    return LetIn(Right.APPROVE, person=Value(user.pk or 0), group=group, service=service)


# --- of one request --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Answer:
    """Of one person and one request: whether the person may approve it, and its requester still ask for it."""

    approves: bool
    requester_asks: bool


def answers(user: Person, path: str = "") -> dict[str, Any]:
    """The columns in which a query of requests, or of what has one at `path` (with its `__`), reads the `Answer`."""
    asks = LetIn(Right.REQUEST, person=f"{path}requester", group=f"{path}group_id", service=f"{path}service")
    approves = let_approve(user, f"{path}group_id", f"{path}service")
    return {"reader_approves": approves, "requester_asks": asks}


def keep_answer(user: Person, conn_request: ConnectionRequest, read: Any) -> None:
    """`read` has the columns of `answers`."""
    kept = Answer(read.reader_approves, read.requester_asks)
    conn_request.__dict__.setdefault("answers", {})[user.pk] = kept


def answer(user: Person, conn_request: ConnectionRequest) -> Answer:
    """Read once with the request, or now."""
    kept: dict[Any, Answer] = conn_request.__dict__.setdefault("answers", {})
    if user.pk not in kept:
        found = ConnectionRequest.objects.filter(pk=conn_request.pk).annotate(**answers(user))
        keep_answer(user, conn_request, found.only("pk").get())
    return kept[user.pk]


def as_stored(by: User, conn_request: ConnectionRequest | None = None) -> User:
    """`by` with the rights of this moment: somebody may have taken them away while the page was open. Of
    `conn_request` it reads anew what the rules say, too. Raises Denied.
    """
    rows = User.objects.filter(pk=by.pk)
    if conn_request is not None:
        into = Into.of(conn_request)
        asks = let_into(Right.REQUEST, into, Value(conn_request.requester_id))
        rows = rows.annotate(reader_approves=let_into(Right.APPROVE, into), requester_asks=asks)
    stored: Any = rows.first()
    if stored is None or not stored.is_active:
        raise Denied("Your account is not active.")
    rights.read(stored)
    if conn_request is not None:
        keep_answer(stored, conn_request, stored)
    return stored  # type: ignore[no-any-return]


def approves(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether `user` is an approver of the request's destination and service, whatever its state."""
    return is_approver(user) and answer(user, conn_request).approves


def reads_whole(user: Person, conn_request: ConnectionRequest) -> bool:
    """Whether `user` reads of the request what its own requester need not know, as who holds the same name."""
    return sees_everything(user) or approves(user, conn_request)


def check_approves_into(user: Person, conn_request: ConnectionRequest) -> None:
    if not answer(user, conn_request).approves:
        raise Denied(f"The access rules do not let you approve {Into.of(conn_request).words}. {MEND}")


def check_requester_asks(user: Person, conn_request: ConnectionRequest) -> None:
    """For whoever approves: the rules may have changed since it was submitted."""
    # The request of somebody who left is the team's or an operator's to go on with: it is judged as it was submitted.
    if conn_request.requester.is_active and not answer(user, conn_request).requester_asks:
        into = Into.of(conn_request).words
        who = display_name(conn_request.requester)
        raise Denied(f"{who} may no longer ask for {into}, so it can only be rejected. {MEND}")


def may_ask_into(user: Person, into: Into) -> bool:
    found = User.objects.filter(pk=user.pk or 0).values_list(let_into(Right.REQUEST, into), flat=True).first()
    return bool(found)


def denied_words(into: Into) -> str:
    return f"The access rules do not let you ask for {into.words}. {MEND}"
