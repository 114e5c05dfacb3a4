"""The reference of `POST /v1/connections` around its body: the address, the headers, the answers."""

from dataclasses import dataclass

from connections.spec.payloads import MASK
from connections.spec.reference import Entry, Group
from connections.spec.refusals import known_refusals
from connections.states import Owner

METHOD, PATH = "POST", "/v1/connections"
ACCEPT, CONTENT_TYPE = "application/json;version=2", "application/json"


@dataclass(frozen=True)
class Header:
    name: str
    value: str  # as the page may show it: the secret never
    text: str
    required: bool = False
    secret: bool = False


@dataclass(frozen=True)
class Answer:
    status: str
    code: str
    text: str
    acts: str = ""


HEADERS = (
    Header("Accept", ACCEPT, "The version of the API that answers. Without it Fivetran takes this one."),
    Header("Content-Type", CONTENT_TYPE, "The media type of the body.", required=True),
    Header(
        "Authorization",
        f"Basic {MASK}",
        "The API key and its secret, joined by a colon, in Base64 (HTTP Basic authentication). The portal keeps both "
        "to itself: no page and no export shows them.",
        required=True,
        secret=True,
    ),
)
_CREATED = Answer(
    "201",
    "Success",
    "The connection exists. data holds its id, its state, and what it was created with; where setup tests ran, "
    "setup_tests holds title, status (PASSED, WARNING, FAILED, JOB_FAILED or SKIPPED) and message of each. A test that "
    "failed does not undo the creation.",
)
_OF_BODY = Answer(
    "400",
    "InvalidInput",
    "Something in the body is not as Fivetran wants it. message says what.",
    Owner.REQUESTER.label,
)
_TAKEN = (
    "The destination has a connection of this name already. Fivetran's message says so in either status. Where the "
    "portal had sent the same before, it first looks whether that connection is its own; otherwise choose another name."
)
_OTHERS = (
    Answer("400", "SchemaExists", _TAKEN, Owner.REQUESTER.label),
    Answer("409", "SchemaExists", _TAKEN, Owner.REQUESTER.label),
    Answer(
        "409",
        "",
        "Something else at Fivetran stands against it just now. message says what: correct it, and submit a copy.",
        Owner.REQUESTER.label,
    ),
    Answer(
        "429",
        "",
        "Fivetran takes no further calls for now. Retry-After says for how long: the portal waits, and sends it then.",
        Owner.PORTAL.label,
    ),
    Answer(
        "5xx",
        "",
        "Nobody knows whether the connection exists, as without any answer. The portal looks for its name before it "
        "sends anything again.",
        Owner.PORTAL.label,
    ),
)


def of_headers() -> Group:
    entries = (
        Entry(
            one.name,
            "string",
            text=one.text,
            required="Required" if one.required else "",
            default="" if one.secret else one.value,
        )
        for one in HEADERS
    )
    return Group("headers", "Request headers", tuple(entries), part="")


def of_answers() -> Group:
    entries = (
        Entry(f"{one.status} {one.code}".strip(), f"{one.acts} acts" if one.acts else "", text=one.text)
        for one in answers()
    )
    return Group("answers", "Answers", tuple(entries), part="")


def answers() -> tuple[Answer, ...]:
    """By status: the creation, the refusals that the portal knows, and what it does about the others."""
    refusals = (Answer(str(status), code, known.act, known.owner.label) for status, code, known in known_refusals())
    return (_CREATED, *sorted((_OF_BODY, *refusals, *_OTHERS), key=lambda one: one.status))
