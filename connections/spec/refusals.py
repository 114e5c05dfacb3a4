"""What to do after Fivetran refused a request: one table by the code that is stored with it."""

from collections.abc import Iterator
from dataclasses import dataclass

from connections.next_step import MENDED, NOT_FOUND, refused_to
from connections.states import Owner

FORBIDDEN, BAD_KEY = "Forbidden", "AuthFailed"
TOLD = (FORBIDDEN, BAD_KEY)  # of these operators are told also where a call for an existing connection is refused


@dataclass(frozen=True)
class Refusal:
    owner: Owner
    act: str


_CORRECT = "Correct and clone: a copy opens with everything you typed."
_KEY = "Then hand the request back to its requester."
# The codes are Fivetran's own (its API reference and what its Terraform provider handles) and the portal's. Any other
# code is about the request itself: its requester corrects it and submits a copy.
_BY_CODE: dict[str, str] = {
    FORBIDDEN: (
        "The portal's API key may not create connections in this destination. Give its user the right at Fivetran "
        f"(Users and roles: Create connections for this destination), or put another key in place. {_KEY}"
    ),
    BAD_KEY: (
        "Fivetran does not accept the portal's API key. Put the right key and secret in place: what waits goes on by "
        "itself afterwards."
    ),
    "NotFound_Group": (
        "The destination is no longer at Fivetran, or the portal's API key no longer sees it. Look there, and refresh "
        "what Fivetran offers, so that nobody chooses it again. Then hand the request back to its requester, who "
        "chooses another destination."
    ),
    "NotFound_Destination": (
        "The group has no destination at Fivetran any more. Look there, and refresh what Fivetran offers. Then hand "
        "the request back to its requester."
    ),
    NOT_FOUND: (
        "Something that the request names is no longer at Fivetran: an agent, a link, a service. Look there, and "
        "refresh what Fivetran offers. Then hand the request back to its requester, who chooses another one."
    ),
    **dict.fromkeys(
        ("MethodNotAllowed", "NotAcceptable", "UnsupportedMediaType"),
        (
            "Fivetran does not take the call as the portal makes it. See whether FIVETRAN_BASE_URL is right, whether a "
            "proxy on the way changes calls, and whether there is a newer portal. Then hand the request back."
        ),
    ),
    MENDED: "An operator mended what stood in the way: submit a copy.",
}
_BY_STATUS = {
    401: BAD_KEY,
    403: FORBIDDEN,
    404: NOT_FOUND,
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    415: "UnsupportedMediaType",
}
_OF_CHANGE = {
    FORBIDDEN: (
        "The portal's API key may not change or delete this connection. Give its user the right at Fivetran (Users and "
        "roles: Manage for connections of this destination), or put another key in place."
    ),
    **{code: act.removesuffix(" Then hand the request back.") for code, act in _BY_CODE.items() if "proxy" in act},
}
# A call for a connection that exists: its setup tests, a Connect Card, what was approved as trusted.
FORBIDDEN_CALL = (
    "The portal's API key may not test this connection, make a Connect Card for it or approve what it trusts. Give its "
    "user the right at Fivetran (Users and roles: Manage for connections of this destination), or put another key in "
    "place."
)
_LOOK = "Fivetran no longer has what the change speaks of, or the portal's API key no longer sees it. Look there."
_ASK_AGAIN = "Then tell who asked for the change: it can be asked for again."


def act_on_change(code: str) -> str:
    """What an operator does after Fivetran refused a change with this code, which `refused_to` gives to operators."""
    return f"{_OF_CHANGE.get(code, _LOOK)} {_ASK_AGAIN}"


def code_of(status: int | None, code: str) -> str:
    """The code to store for a refusal: Fivetran's, unless only the HTTP status tells who acts."""
    known = code in _BY_CODE or code.startswith(NOT_FOUND)
    return code if known else _BY_STATUS.get(status or 0, code)


def refusal_of(code: str) -> Refusal:
    act = _BY_CODE.get(code) or (_BY_CODE[NOT_FOUND] if code.startswith(NOT_FOUND) else _CORRECT)
    return Refusal(refused_to(code), act)


def known_refusals() -> Iterator[tuple[int, str, Refusal]]:
    """(HTTP status, code, who acts and how) of each refusal that the portal knows by its code."""
    statuses = {code: status for status, code in _BY_STATUS.items()}
    for code in _BY_CODE:
        if code != MENDED:
            yield statuses.get(code, 404), code, refusal_of(code)
