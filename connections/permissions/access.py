"""What the access rules say: who may ask for, and approve, a connection of a service into a destination.

They narrow, and give nothing: whoever approves holds the right to approve as well, superusers included.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.db.models import BooleanField, Exists, Func, OuterRef, Value

from connections.models import AccessDestination, AccessGroup, ConnectionRequest, PortalPolicy
from connections.people import display_name
from connections.permissions.rights import Denied, Person, is_approver, sees_everything
from portal import rights

_MEND = "An administrator can change that in the access rules."


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


def let_in(user: Person, right: Right, path: str = "") -> LetIn:
    """For a query of requests, or of what has one at `path` (with its `__`)."""
    return LetIn(right, person=Value(user.pk or 0), group=f"{path}group_id", service=f"{path}service")


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
    """The columns in which a query reads the `Answer` with each request; `path` as in `let_in`."""
    asks = LetIn(Right.REQUEST, person=f"{path}requester", group=f"{path}group_id", service=f"{path}service")
    return {"reader_approves": let_in(user, Right.APPROVE, path), "requester_asks": asks}


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
        raise Denied(f"The access rules do not let you approve {Into.of(conn_request).words}. {_MEND}")


def check_requester_asks(user: Person, conn_request: ConnectionRequest) -> None:
    """For whoever approves: the rules may have changed since it was submitted."""
    # The request of somebody who left is the team's or an operator's to go on with: it is judged as it was submitted.
    if conn_request.requester.is_active and not answer(user, conn_request).requester_asks:
        into = Into.of(conn_request).words
        who = display_name(conn_request.requester)
        raise Denied(f"{who} may no longer ask for {into}, so it can only be rejected. {_MEND}")


def may_ask_into(user: Person, into: Into) -> bool:
    found = User.objects.filter(pk=user.pk or 0).values_list(let_into(Right.REQUEST, into), flat=True).first()
    return bool(found)


def denied_words(into: Into) -> str:
    return f"The access rules do not let you ask for {into.words}. {_MEND}"


# --- of one person, for the form -------------------------------------------------------------------------------------
Services = frozenset[str] | None  # None: every one


@dataclass(frozen=True, repr=False)
class MayAsk:
    """What one person may ask for: for each destination with a rule the services, and whether the others are open."""

    named: Mapping[str, Services]
    closed: bool = False

    def __repr__(self) -> str:
        # The same in every process, as a version of what depends on it.
        named = [(group_id, services and sorted(services)) for group_id, services in sorted(self.named.items())]
        return f"MayAsk({named}, {self.closed})"

    def services(self, group_id: str) -> Services:
        """Those that may be asked for into the destination; empty where it is closed."""
        return self.named.get(group_id, frozenset() if self.closed else None)

    def is_open(self, group_id: str, service: str = "") -> bool:
        """For `service`; without one, for any."""
        found = self.services(group_id)
        return found is None or (service in found if service else bool(found))

    def refusal(self, group_id: str, service: str, name: str = "") -> str:
        """Why not, in words; empty where it may be asked for."""
        if not group_id or self.is_open(group_id, service):
            return ""
        if not self.is_open(group_id):  # its name is not for everybody
            return f"The access rules do not let you ask for connections into this destination. {_MEND}"
        into = f"into “{name or group_id}”"
        return f"The access rules do not let you ask for connections of this service {into}. {_MEND}"


EVERYTHING = MayAsk({})
NOWHERE = f"The access rules do not let you ask for connections of this service into any destination. {_MEND}"


def may_ask(user: Person, *, closed: bool | None = None) -> MayAsk:
    """Two queries; one where the caller has read whether destinations without a rule are `closed`."""
    lets = AccessGroup.objects.filter(rule=OuterRef("rule"), may_request=True, group__user=user.pk or 0)
    rows = AccessDestination.objects.filter(rule__active=True).order_by()
    named: dict[str, Services] = {}
    for group_id, mine, service in rows.values_list("group_id", Exists(lets), "rule__services__service"):
        before = named.get(group_id, frozenset())
        more = frozenset[str]() if not mine else None if service is None else frozenset({service})
        named[group_id] = None if before is None or more is None else before | more
    if closed is None:
        closed = PortalPolicy.objects.filter(closed_without_rule=True).exists()
    return MayAsk(named, closed)
