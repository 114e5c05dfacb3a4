"""What each mail says."""

import re
from collections.abc import Sequence

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from connections import permissions
from connections.fivetran.configured import card_host
from connections.models import (
    Batch,
    ConnectionChange,
    ConnectionRequest,
    Handover,
    Notice,
    NoticeKind,
    change_step_of,
)
from connections.next_step import NO_CLEAR_ANSWER, ChangeStep, NextStep, next_step
from connections.notifications.layout import Mail, company, host
from connections.people import display_name
from connections.spec.characters import one_line
from connections.spec.refusals import BAD_KEY, FORBIDDEN_CALL, Refusal, act_on_change, refusal_of
from connections.states import TESTS_OPEN, ChangeStatus, Owner

FORBIDDEN_DEDUP_KEY = 403  # as the next one: for a call for a connection that exists
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
        "setup tests run once they are there:"
    ),
    (NoticeKind.CREATED, "tests run"): (
        "the connection exists at Fivetran; its setup tests run by themselves, and the page says how they went:"
    ),
    (NoticeKind.CREATED, ""): "the connection exists at Fivetran; no setup tests have run:",
    (NoticeKind.FAILED, "for operators"): (
        "Fivetran refused the connection for a reason that is not yours, nothing was created. The operators were told "
        "and look at it; you are told when you can submit it again:"
    ),
    (NoticeKind.FAILED, ""): (
        "Fivetran refused the connection, nothing was created; the page says why and lets you correct a copy:"
    ),
    (NoticeKind.MENDED, ""): (
        "an operator mended what Fivetran refused this request for. Nothing was created yet: submit a copy from its "
        "page:"
    ),
    (NoticeKind.REASSIGNED, ""): "an operator handed this request to another person, who answers for it from now on:",
    (NoticeKind.ATTENTION, "for operators"): (
        "Fivetran does not do what this request asks for{code}, and its requester cannot mend that: {act}"
    ),
    (NoticeKind.ATTENTION, ""): "this request cannot go on by itself and needs an operator:",
    (NoticeKind.CONNECTED, ""): (
        "the source owner handed over the credentials, and Fivetran calls the connection connected; its setup tests "
        "run now:"
    ),
    (NoticeKind.TRUST_NEEDED, ""): (
        "the source of this connection showed Fivetran a certificate or an SSH host key that nobody has approved yet. "
        "Compare it with whoever runs the source, outside the portal, then approve it on the page, or leave it:"
    ),
    (NoticeKind.CHANGE_SUBMITTED, ""): ("somebody asks for a change of a connection and needs an approver's decision:"),
    (NoticeKind.CHANGE_DECIDED, ChangeStatus.REJECTED): "the change was rejected, nothing is changed:",
    (NoticeKind.CHANGE_DECIDED, ""): "the change is approved; the portal tells Fivetran by itself:",
    (NoticeKind.CHANGE_ENDED, ChangeStatus.DONE): "Fivetran has made the change:",
    (NoticeKind.CHANGE_ENDED, ChangeStatus.EXPIRED): (
        "nobody decided on this change for a long time, so it expired and nothing is changed:"
    ),
    (NoticeKind.CHANGE_ENDED, NO_CLEAR_ANSWER): "nobody knows whether the change was made: look at Fivetran:",
    (NoticeKind.CHANGE_ENDED, "for operators"): (
        "Fivetran refused a change of a connection, and who asked for it cannot mend that: {}"
    ),
    (NoticeKind.CHANGE_ENDED, "looked at"): (
        "Fivetran refused the change for a reason that is not yours, nothing was changed. The operators were told and "
        "look at it:"
    ),
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
    "Enter it on that page. It is valid for 15 minutes and for one use. If it was not you, do nothing: without the "
    "code nobody gets any further.",
)
_HANDOVER = (
    "{} asked for a connection to a source that you look after. It exists at Fivetran and now needs credentials, which "
    "you enter at Fivetran itself. The portal never sees them."
)
_STEPS = (
    "Open the page behind this address. It is for you alone: it asks {}.",
    "Press “Open Connect Card”: you come to a page at {}, made for you and valid for a day.",
    "Enter the credentials there. Fivetran keeps and tests them, and leads you back to the portal.",
)
_CHECKS = (
    "The address leads to {host}, the connection portal of {company}. Your browser’s address bar must say the same.",
    "Nobody needs your credentials by mail, by phone or in the portal: you enter them at {card_host} alone.",
    "In doubt ask {who}. Take the telephone number or address from the company’s directory, not from this mail.",
)
_STAYS_VALID = (
    "The address stays valid until the credentials are there. If somebody else has them, the page has a button to give "
    "it to them."
)
_RESET = (
    "somebody, probably you, asked to reset the password of your account of the connection portal. Choose a new one "
    "here; the link works once, and for an hour:",
    "If it was not you, do nothing: the password stays as it is.",
)
_OF_ACCOUNTS = {
    NoticeKind.SECOND_FACTOR: (
        "this was done with the second factor of your account of the connection portal:",
        "If it was neither you nor an administrator whom you asked, change your password and tell an administrator.",
    ),
    NoticeKind.LOCAL_LOG_IN: (
        "an administrator came in by a password of the portal's own. That is meant for the time in which the company's "
        "log-in does not work:",
        "If nobody knows why, close the account in the administration and ask its owner.",
    ),
}
_PRESENT_STATE = "The page behind this address always shows the present state"
_USERNAME = re.compile(r"[A-Za-z0-9_@.+-]{1,64}")
_REAL_NAME = re.compile(r"[^\W\d_]([^\W\d_]|['’-]){0,30}( [^\W\d_]([^\W\d_]|['’-]){0,30}){0,2}")


def of_several(standing: Sequence[Notice]) -> Mail:
    words, page = GATHERED[NoticeKind(standing[0].kind)]
    counted = sum(map(_requests_of, standing))
    heading = words.format(f"{counted:,}")
    lines = [_line(notice) for notice in standing[:LISTED]]
    if len(standing) > LISTED:
        lines.append(f"and {len(standing) - LISTED} more")
    return Mail(
        heading,
        f"{heading}:",
        hello=_hello(standing[0].recipient),
        listed=lines,
        button="Look at them",
        page=public(page),
        closing="The page behind this address always shows what still waits.",
    )


def _line(notice: Notice) -> str:
    what = f"Batch #{notice.batch.pk}" if notice.batch else f"Request #{notice.request_id}"
    who = _greets((notice.batch or notice.request).requester)  # type: ignore[union-attr]  # one of both is there
    return f"{what}, asked for by {who}" if who else what


def _requests_of(notice: Notice) -> int:
    """Of a batch those that the page shows to the reader, who may approve into one destination of several."""
    if notice.batch is None:
        return 1
    return permissions.rows_visible_to(notice.recipient or AnonymousUser(), notice.batch).count()


def of_batch(notice: Notice, batch: Batch) -> Mail:
    counted = _requests_of(notice)
    submitted = notice.kind == NoticeKind.SUBMITTED
    return Mail(
        f"{notice.get_kind_display()}: batch #{batch.pk} of {counted} requests",
        _SAID[NoticeKind(notice.kind), "batch"].format(counted),
        hello=_hello(notice.recipient),
        facts=[("Asked by", _named(batch.requester))] if submitted else [],
        button="Open the batch",
        page=public(f"batches/{batch.pk}/"),
        closing=f"{_PRESENT_STATE} of each.",
    )


def of_request(notice: Notice, conn_request: ConnectionRequest) -> Mail:
    kind = NoticeKind(notice.kind)
    refusal = _operators_refusal(notice, conn_request)
    sentence = _SAID.get((kind, _known(kind, conn_request, refusal))) or _SAID[NoticeKind.ATTENTION, ""]
    if kind is NoticeKind.ATTENTION and refusal:
        code = f" ({one_line(conn_request.failure_code)})" if conn_request.failure_code else ""
        sentence = sentence.format(code=code, act=refusal.act)
    facts = _of_connection(conn_request)
    quotes: list[tuple[str, str]] = []
    match kind:
        case NoticeKind.SUBMITTED:
            facts.append(("Asked by", _named(conn_request.requester)))
            quotes = [("Their reason", conn_request.reason)]
        case NoticeKind.REJECTED | NoticeKind.CHANGES_REQUESTED:
            facts.append(("Decided by", _named(conn_request.decided_by)))
            quotes = [("Their reason", conn_request.decision_reason)]
        case NoticeKind.REASSIGNED:
            facts.append(("Requester", _named(conn_request.requester)))
        case NoticeKind.MENDED:
            quotes = [("What the operator did", conn_request.failure_message)]
    return Mail(
        f"{notice.get_kind_display()}: request #{notice.request_id}",
        sentence,
        hello=_hello(notice.recipient),
        facts=facts,
        quotes=quotes,
        button="Open the request",
        page=link(conn_request) + ("#trust" if kind is NoticeKind.TRUST_NEEDED else ""),
        closing=f"{_PRESENT_STATE}.",
    )


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
    if notice.kind == NoticeKind.ATTENTION and notice.dedup_key == FORBIDDEN_DEDUP_KEY:
        return Refusal(Owner.OPERATOR, FORBIDDEN_CALL)
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
        ("Asked by", _named(change.requester)),
    ]
    quotes = []
    if notice.kind == NoticeKind.CHANGE_SUBMITTED:
        quotes = [("Their reason", change.reason)]
    elif change.state is ChangeStatus.REJECTED:
        facts.append(("Rejected by", _named(change.decided_by)))
        quotes = [("Their reason", change.decision_reason)]
    elif change.state is ChangeStatus.FAILED:
        quotes = [("Fivetran said", change.failure_message)]
    kind, known = NoticeKind(notice.kind), _known_of_change(notice, change)
    return Mail(
        f"{notice.get_kind_display()}: {change.get_kind_display()}, request #{notice.request_id}",
        (_SAID.get((kind, known)) or _SAID[kind, ""]).format(act_on_change(change.failure_code)),
        hello=_hello(notice.recipient),
        facts=facts,
        quotes=quotes,
        button="Open the change",
        page=public(f"changes/{change.pk}/"),
        closing=f"{_PRESENT_STATE}.",
    )


def _known_of_change(notice: Notice, change: ConnectionChange) -> str:
    if change_step_of(change) is ChangeStep.REFUSED_FOR_OPERATORS:
        asked = notice.recipient_id in (change.requester_id, change.request.requester_id)
        return "looked at" if asked else "for operators"
    return change.failure_code or change.state


def of_code(notice: Notice, handover: Handover) -> Mail:
    before, after = _CODE
    code = f"{handover.code[:4]} {handover.code[4:]}"
    subject = f"{notice.get_kind_display()}: request #{notice.request_id}"
    return Mail(subject, before, hello=_hello(notice.recipient), code=code, closing=after)


def of_handover(notice: Notice, handover: Handover) -> Mail:
    """To the source owner, perhaps outside the company: who asks, for what, and how to see that it is no fraud."""
    conn_request = handover.request
    who = f"{_greets(conn_request.requester) or 'somebody'} of {company()}"
    reminder = notice.kind == NoticeKind.HANDOVER_REMINDER
    asks = "you to log in" if notice.recipient else "for a code that is mailed to you"
    names = {"host": host(), "company": company(), "card_host": card_host(), "who": who}
    return Mail(
        f"{notice.get_kind_display()}: request #{notice.request_id}",
        _HANDOVER.format(f"{who} still waits for you: they" if reminder else who),
        hello=_hello(notice.recipient),
        facts=[
            ("Company", company()),
            ("Asked by", _with_address(conn_request.requester)),
            *_of_connection(conn_request),
            ("Until", "the credentials are there, or the request is taken back"),
        ],
        quotes=[("Their reason", conn_request.reason)],
        button="See what is needed",
        page=public(f"handover/{handover.token}/"),
        steps=[step.format(word) for step, word in zip(_STEPS, (asks, card_host(), ""), strict=True)],
        checks=[check.format(**names) for check in _CHECKS],
        closing=_STAYS_VALID,
    )


def of_reset(notice: Notice, person: User) -> Mail:
    known_as = urlsafe_base64_encode(force_bytes(person.pk))
    path = reverse("password_reset_confirm", args=[known_as, default_token_generator.make_token(person)])
    before, after = _RESET
    return Mail(
        notice.get_kind_display(),
        before,
        hello=_hello(person),
        button="Choose a new password",
        page=public(path[1:]),
        closing=after,
    )


def of_account(notice: Notice, entry: LogEntry) -> Mail:
    mine = entry.object_id == str(notice.recipient_id)
    who = [
        ("Account", entry.object_repr),
        *([] if entry.object_id == str(entry.user_id) else [("By", display_name(entry.user))]),
    ]
    said, closing = _OF_ACCOUNTS[NoticeKind(notice.kind)]
    return Mail(
        notice.get_kind_display(),
        said,
        hello=_hello(notice.recipient),
        facts=[*who, ("When", f"{entry.action_time:%d %B %Y, %H:%M} UTC"), ("What", entry.change_message)],
        button="Look at it",
        page=public("accounts/second-factor/" if mine else f"admin/auth/user/{entry.object_id}/history/"),
        closing=closing,
    )


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


def _named(person: User | None) -> str:
    return one_line(display_name(person), 60) if person else ""


def _with_address(person: User) -> str:
    return f"{_named(person)} ({one_line(person.email, 60)})" if person.email else _named(person)


def _greets(person: User | None) -> str:
    """The name of `person` for a sentence of the portal's own; empty where it could read as a sentence itself."""
    if person is None:
        return ""
    name, username = display_name(person), person.get_username()
    if _REAL_NAME.fullmatch(name):
        return name
    return username if _USERNAME.fullmatch(username) else ""


def _hello(person: User | None) -> str:
    return f"Hello {name}," if (name := _greets(person)) else "Hello,"
