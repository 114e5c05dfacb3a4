"""An event as a row of the record: who, what, about what, and what unfolds below it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from connections.models import Event, EventKind
from connections.states import Status
from connections.views.audit.fields import changed_in, destinations_in
from connections.views.request_page.timeline import Changed, entry_of_event

_WRONG = {
    "code": "The password was right, the code of the second factor was not.",
    "password": "Wrong password.",
    "account": "The account is closed.",
    "closed": "Too many wrong passwords or codes: logging in from there is closed for a quarter of an hour.",
}
_DOORS = {
    "password": "By a password here.",
    "company": "By the company’s log-in (OpenID Connect).",
    "saml": "By the company’s log-in (SAML).",
    "ldap": "By the company’s directory (LDAP).",
}
_FACTORS = {
    "totp": "And by a code of an app.",
    "webauthn": "And by a passkey.",
    "recovery_codes": "By a recovery code.",
}
ERASED = "erased by the retention rule"
_TOLD = {"wrong": _WRONG, "door": _DOORS, "factor": _FACTORS}
_NOUNS = {
    "user": "Account",
    "servicerule": "Rule of the service",
    "preset": "Preset",
    "portalpolicy": "",
    "directoryrole": "Role of the directory",
    "accessrule": "Access rule",
    "page": "List",
}


@dataclass(frozen=True)
class Row:
    """`by` is an account, `who` what is known of somebody without one; `seen` is what a decision was about."""

    pk: int
    at: datetime
    by: User | None
    who: str
    title: str
    tone: str
    about: str
    link: str
    address: str
    text: str
    changed: list[Changed]
    seen: dict[str, str]
    leads: tuple[str, str]  # from what was seen to what is there now: words and address

    @property
    def more(self) -> str:
        """What unfolds, in words; nothing where nothing does."""
        number = len(self.changed)
        fields = f"{number} field{'' if number == 1 else 's'} changed" if number else ""
        return " · ".join(filter(None, (fields, "what was seen" if self.seen else "")))


def rows_of(events: list[Event]) -> list[Row]:
    destinations = destinations_in(events)
    return [row_of(event, destinations) for event in events]


def row_of(event: Event, destinations: dict[str, str]) -> Row:
    """`destinations`: their names by id."""
    entry = entry_of_event(event)
    detail = event.detail if isinstance(event.detail, dict) else {}
    return Row(
        pk=event.pk,
        at=event.at,
        by=event.by,
        who="" if event.by else event.typed_name or entry.who or _nobody(event),
        title=entry.title,
        tone=entry.tone,
        about=_about(event),
        link=reverse("connections:request", args=[event.request_id]) if event.request_id else "",
        address=event.address,
        text=" ".join(filter(None, (_sentence(entry.text), *_more(detail)))),
        changed=changed_in(event, destinations),
        seen=_seen(event, detail),
        leads=_leads(event, detail),
    )


def _sentence(text: str) -> str:
    """What follows begins a new one."""
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?' else '.'}" if text else ""


def _nobody(event: Event) -> str:
    return ERASED if was_erased(event) else "nobody who was logged in"


def was_erased(event: Event) -> bool:
    seal = getattr(event, "seal", None)
    # Without its salt a seal no longer tells who it was.
    return bool(seal and seal.hashes and not seal.salt)


def _about(event: Event) -> str:
    if event.request is not None:
        conn_request = event.request
        name = conn_request.schema or conn_request.service_name
        return f"#{conn_request.pk} {name} → {conn_request.group_name}"
    noun = _NOUNS.get(event.about_kind, event.about_kind.capitalize())
    return f"{noun} {event.about_name or event.about_id}".strip()


def _more(detail: dict[str, Any]) -> list[str]:
    found = [words.get(str(detail.get(name, "")), "") for name, words in _TOLD.items()]
    if detail.get("while_local_accounts_are_off"):
        found.append("While local accounts are off.")
    if "rows" in detail:
        rows = detail["rows"]
        found.append(f"{rows} row{'' if rows == 1 else 's'} as {detail.get('format')}. {detail.get('filters', '')}")
    if detail.get("deleted"):
        found.append("Deleted.")
    return found


def _seen(event: Event, detail: dict[str, Any]) -> dict[str, str]:
    seen = detail.get("seen")
    if not isinstance(seen, dict):
        return {}
    digest = str(seen.get("digest", ""))
    told = {"Digest of the body": digest, "Version": str(seen.get("version", ""))}
    if event.request is not None and event.target in set(Status):
        same = digest == event.request.digest
        told["The request today"] = "holds this body" if same else "holds another body: it was edited since"
    return told


def _leads(event: Event, detail: dict[str, Any]) -> tuple[str, str]:
    seen = _seen(event, detail)
    if "The request today" not in seen or event.request is None:
        return "", ""
    if seen["Digest of the body"] == event.request.digest:
        return "Open this body", reverse("connections:export", args=[event.request_id])
    return "What was edited", f"{reverse('connections:audit')}?request={event.request_id}&kind={EventKind.EDITED}"
