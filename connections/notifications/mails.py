"""What each mail says, as plain text. A person's text stands on one line or is marked as theirs, so that nobody can
take it for the portal's.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.text import wrap

from connections.models import Batch, ConnectionChange, ConnectionRequest, Handover, Notice, NoticeKind
from connections.next_step import NO_CLEAR_ANSWER, NextStep, next_step
from connections.spec.characters import one_line, quoted
from connections.spec.refusals import BAD_KEY, Refusal, refusal_of
from connections.states import TESTS_OPEN, ChangeStatus

Facts = Iterable[tuple[str, object]]
BAD_KEY_DEDUP_KEY = 401  # of a notice that a request needs an operator: for the key, while the request waits
LISTED = 20  # of what one mail tells together
# kind -> what is told of several together, and the page on which they wait.
GATHERED = {
    NoticeKind.SUBMITTED: ("{} requests wait for approval", "approvals/"),
    NoticeKind.CHANGE_SUBMITTED: ("{} changes of connections wait for approval", "approvals/"),
    NoticeKind.TRUST_NEEDED: ("Something to trust waits for approval at {} connections", "approvals/"),
    NoticeKind.ATTENTION: ("{} requests need an operator", "operations/"),
}
# (kind, what is known besides) -> what a mail about a request, a change or a batch says.
_SAID = {
    (NoticeKind.SUBMITTED, ""): "somebody asks for a connection and needs an approver's decision:",
    (NoticeKind.APPROVED, ""): (
        "your request is approved; the portal now creates the connection at Fivetran by itself:"
    ),
    (NoticeKind.REJECTED, ""): "your request was rejected, nothing will be created:",
    (NoticeKind.CHANGES_REQUESTED, ""): "the approver asks you to change your request and to submit it again:",
    (NoticeKind.EXPIRED, ""): (
        "nobody acted on this request for a long time, so it expired and nothing will be created:"
    ),
    (NoticeKind.CREATED, "adopted"): (
        "an operator adopted a connection that was made elsewhere, and from now on you answer for it here:"
    ),
    (NoticeKind.CREATED, "tests ran"): ("the connection exists at Fivetran; the page says how its setup tests went:"),
    (NoticeKind.CREATED, "lacks credentials"): (
        "the connection exists at Fivetran and waits for its credentials, which the source owner enters there; its "
        "setup tests\nrun once they are there:"
    ),
    (NoticeKind.CREATED, "tests run"): (
        "the connection exists at Fivetran; its setup tests run by themselves, and the page says how they went:"
    ),
    (NoticeKind.CREATED, ""): "the connection exists at Fivetran; no setup tests have run:",
    (NoticeKind.FAILED, "for operators"): (
        "Fivetran refused the connection for a reason that is not yours, nothing was created. The operators were told "
        "and look at\nit; you are told when you can submit it again:"
    ),
    (NoticeKind.FAILED, ""): (
        "Fivetran refused the connection, nothing was created; the page says why and lets you correct a copy:"
    ),
    (NoticeKind.MENDED, ""): (
        "an operator mended what Fivetran refused this request for. Nothing was created yet: submit a copy from its "
        "page:"
    ),
    (NoticeKind.ATTENTION, "for operators"): (
        "Fivetran does not do what this request asks for{code}, and its requester cannot mend that:\n{act}"
    ),
    (NoticeKind.ATTENTION, ""): "this request cannot go on by itself and needs an operator:",
    (NoticeKind.CONNECTED, ""): (
        "the source owner handed over the credentials, and Fivetran calls the connection connected; its setup tests "
        "run now:"
    ),
    (NoticeKind.TRUST_NEEDED, ""): (
        "the source of this connection showed Fivetran a certificate or an SSH host key that nobody has approved yet. "
        "Compare it\nwith whoever runs the source, outside the portal, then approve it on the page, or leave it:"
    ),
    (NoticeKind.CHANGE_SUBMITTED, ""): ("somebody asks for a change of a connection and needs an approver's decision:"),
    (NoticeKind.CHANGE_DECIDED, ChangeStatus.REJECTED): "the change was rejected, nothing is changed:",
    (NoticeKind.CHANGE_DECIDED, ""): "the change is approved; the portal tells Fivetran by itself:",
    (NoticeKind.CHANGE_ENDED, ChangeStatus.DONE): "Fivetran has made the change:",
    (NoticeKind.CHANGE_ENDED, ChangeStatus.EXPIRED): (
        "nobody decided on this change for a long time, so it expired and nothing is changed:"
    ),
    (NoticeKind.CHANGE_ENDED, NO_CLEAR_ANSWER): "nobody knows whether the change was made: look at Fivetran:",
    (NoticeKind.CHANGE_ENDED, ""): "the change was not made; the page says why:",
    (NoticeKind.SUBMITTED, "batch"): (
        "somebody asks for {} connections in one table, and needs an approver's decision on them:"
    ),
    (NoticeKind.APPROVED, "batch"): (
        "requests of your batch of {} are approved; the portal now creates their connections at Fivetran by itself:"
    ),
}
_CODE = (
    "somebody opened the page on which the credentials of a source are handed over, and asked for this code:",
    "  {} {}",
    "Enter it on that page. It is valid for 15 minutes and for one use. If it was not you, do nothing: without the "
    "code nobody\ngets any further.",
)
_HANDOVER = (
    "{} asked for a connection to a source that you look after. It exists at Fivetran and\nnow needs credentials, "
    "which you enter at Fivetran itself. The portal never sees them."
)
_FOR_YOU_ALONE = (
    "The address is for you alone: it asks {}. It stays valid until the credentials are\nthere. If somebody else has "
    "them, the page has a button to give it to them."
)
_RESET = (
    "somebody, probably you, asked to reset the password of your account of the connection portal.\nChoose a new one "
    "here; the link works once, and for an hour:",
    "If it was not you, do nothing: the password stays as it is.",
)
_PRESENT_STATE = "The page behind this address always shows the present state"
_USERNAME = re.compile(r"[A-Za-z0-9_@.+-]{1,64}")


class Mail(NamedTuple):
    subject: str
    text: str


def of_several(standing: Sequence[Notice]) -> Mail:
    words, page = GATHERED[NoticeKind(standing[0].kind)]
    counted = sum(notice.batch.rows.count() if notice.batch else 1 for notice in standing)
    heading = words.format(f"{counted:,}")
    lines = [_line(notice) for notice in standing[:LISTED]]
    if len(standing) > LISTED:
        lines.append(f"  and {len(standing) - LISTED} more")
    closing = "The page behind this address always shows what still waits."
    hello = f"Hello {getattr(standing[0].recipient, 'username', '')},"
    return Mail(heading, _text(hello, f"{heading}:", "\n".join(lines), public(page), closing))


def _line(notice: Notice) -> str:
    if notice.batch:
        return f"  Batch #{notice.batch.pk}, asked for by {notice.batch.requester}"
    return f"  Request #{notice.request_id}, asked for by {getattr(notice.request, 'requester', '')}"


def of_batch(notice: Notice, batch: Batch) -> Mail:
    counted = batch.rows.count()
    submitted = notice.kind == NoticeKind.SUBMITTED
    sentence = _SAID[NoticeKind(notice.kind), "batch"].format(counted)
    facts = [_facts([("Asked by", batch.requester)])] if submitted else []
    subject = f"{notice.get_kind_display()}: batch #{batch.pk} of {counted} requests"
    page = public(f"batches/{batch.pk}/")
    return Mail(subject, _text(_hello(notice.recipient), sentence, *facts, page, f"{_PRESENT_STATE} of each."))


def of_request(notice: Notice, conn_request: ConnectionRequest) -> Mail:
    kind = NoticeKind(notice.kind)
    refusal = _operators_refusal(notice, conn_request)
    sentence = _SAID.get((kind, _known(kind, conn_request, refusal))) or _SAID[NoticeKind.ATTENTION, ""]
    if kind is NoticeKind.ATTENTION and refusal:
        code = f" ({one_line(conn_request.failure_code)})" if conn_request.failure_code else ""
        sentence = sentence.format(code=code, act=wrap(refusal.act, 118))
    facts = _of_connection(conn_request)
    words: list[str] = []
    match kind:
        case NoticeKind.SUBMITTED:
            facts.append(("Asked by", conn_request.requester))
            words = [_words("Their reason", conn_request.reason)]
        case NoticeKind.REJECTED | NoticeKind.CHANGES_REQUESTED:
            facts.append(("Decided by", conn_request.decided_by))
            words = [_words("Their reason", conn_request.decision_reason)]
        case NoticeKind.MENDED:
            words = [_words("What the operator did", conn_request.failure_message)]
    page = link(conn_request) + ("#trust" if kind is NoticeKind.TRUST_NEEDED else "")
    text = _text(_hello(notice.recipient), sentence, _facts(facts, *words), page, f"{_PRESENT_STATE}.")
    return Mail(f"{notice.get_kind_display()}: request #{notice.request_id}", text)


def _known(kind: NoticeKind, conn_request: ConnectionRequest, refusal: Refusal | None) -> str:
    """What else decides the sentence: of a creation how it is tested, of a refusal whether operators mend it."""
    if kind is not NoticeKind.CREATED:
        return "for operators" if refusal else ""
    connection, handover = getattr(conn_request, "connection", None), getattr(conn_request, "handover", None)
    if connection is not None and connection.made_elsewhere:
        return "adopted"
    if connection is not None and connection.runs.exists():
        return "tests ran"
    if handover is not None and handover.is_live:
        return "lacks credentials"
    return "tests run" if connection is not None and connection.tests in TESTS_OPEN else ""


def _operators_refusal(notice: Notice, conn_request: ConnectionRequest) -> Refusal | None:
    """The refusal that operators mend, where this mail is about one."""
    if notice.kind == NoticeKind.ATTENTION and notice.dedup_key == BAD_KEY_DEDUP_KEY:
        return refusal_of(BAD_KEY)
    told = notice.kind in (NoticeKind.ATTENTION, NoticeKind.FAILED)
    step = next_step(conn_request.status, failure_code=conn_request.failure_code)
    return refusal_of(conn_request.failure_code) if told and step is NextStep.REFUSED_FOR_OPERATORS else None


def of_change(notice: Notice, change: ConnectionChange) -> Mail:
    conn_request = change.request
    facts: list[tuple[str, object]] = [
        ("Change", f"#{change.pk}, {change.get_kind_display()}"),
        ("Connection", conn_request.schema),
        ("Service", conn_request.service_name),
        ("Destination", conn_request.group_name),
        ("Request", f"#{conn_request.pk}"),
        ("Asked by", change.requester),
    ]
    words = []
    if notice.kind == NoticeKind.CHANGE_SUBMITTED:
        words = [_words("Their reason", change.reason)]
    elif change.state is ChangeStatus.REJECTED:
        facts.append(("Rejected by", change.decided_by))
        words = [_words("Their reason", change.decision_reason)]
    elif change.state is ChangeStatus.FAILED:
        words = [_words("Fivetran said", change.failure_message)]
    subject = f"{notice.get_kind_display()}: {change.get_kind_display()}, request #{notice.request_id}"
    page = public(f"changes/{change.pk}/")
    kind, known = NoticeKind(notice.kind), change.failure_code or change.state
    sentence = _SAID.get((kind, known)) or _SAID[kind, ""]
    return Mail(subject, _text(_hello(notice.recipient), sentence, _facts(facts, *words), page, f"{_PRESENT_STATE}."))


def of_handover(notice: Notice, handover: Handover) -> Mail:
    conn_request, hello = handover.request, _hello(notice.recipient)
    subject = f"{notice.get_kind_display()}: request #{notice.request_id}"
    if notice.kind == NoticeKind.HANDOVER_CODE:
        before, code, after = _CODE
        return Mail(subject, _text(hello, before, code.format(handover.code[:4], handover.code[4:]), after))
    reminder = notice.kind == NoticeKind.HANDOVER_REMINDER
    facts = [*_of_connection(conn_request), ("Asked by", conn_request.requester)]
    return Mail(
        subject,
        _text(
            hello,
            _HANDOVER.format("somebody still waits for you. They" if reminder else "somebody"),
            _facts(facts, _words("Their reason", conn_request.reason)),
            public(f"handover/{handover.token}/"),
            _FOR_YOU_ALONE.format("you to log in" if notice.recipient else "for a code that is mailed to you"),
        ),
    )


def of_reset(notice: Notice, person: User) -> Mail:
    known_as = urlsafe_base64_encode(force_bytes(person.pk))
    path = reverse("password_reset_confirm", args=[known_as, default_token_generator.make_token(person)])
    before, after = _RESET
    return Mail(notice.get_kind_display(), "\n" + _text(_hello(person), before, public(path[1:]), after))


def public(path: str) -> str:
    """An address of the portal as people reach it from outside."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/{path}"


def link(conn_request: ConnectionRequest) -> str:
    return public(f"requests/{conn_request.pk}/")


def _of_connection(conn_request: ConnectionRequest) -> list[tuple[str, object]]:
    return [
        ("Request", f"#{conn_request.pk}"),
        ("Service", conn_request.service_name),
        ("Destination", conn_request.group_name),
        ("Name there", conn_request.schema),
    ]


def _facts(facts: Facts, *words: str) -> str:
    return "\n".join([*(f"  {label + ':':14}{one_line(str(value))}" for label, value in facts), *words])


def _words(heading: str, text: str) -> str:
    return f"  {heading} (these lines are not the portal's):\n{quoted(text)}"


def _hello(person: Any) -> str:
    """The greeting; without the name where that could read as a sentence."""
    name = person.get_username() if person else ""
    return f"Hello {name}," if _USERNAME.fullmatch(name) else "Hello,"


def _text(*paragraphs: str) -> str:
    return "\n\n".join([*paragraphs, ""])
