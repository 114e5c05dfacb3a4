"""What will be asked for, in words and as the exact body: the panel beside the form, drawn by the server alone."""

import json
from dataclasses import dataclass

from django.contrib.auth.models import User

from connections import payloads, permissions
from connections.forms import RequestForm
from connections.forms.layout import closed_words
from connections.models import ConnectionRequest


@dataclass(frozen=True)
class Review:
    """The panel's content. `missing` are (control's id, label); `closed` the lines of the closed groups."""

    subject: str
    phrases: list[str]
    body: str
    missing: list[tuple[str, str]]
    refused: list[tuple[str, str]]
    closed: dict[str, str]
    taken: str = ""


def review_of(form: RequestForm, *, by: User, edited: ConnectionRequest | None = None) -> Review:
    """The panel for what `form` holds now, whether or not it is complete."""
    values = form.values()
    body = payloads.masked(payloads.build_body(values))
    service = form.name_of("service") or str(values.get("service", ""))
    group = form.name_of("group_id") or str(values.get("group_id", ""))
    name = payloads.natural_key(body.get("config", {}))
    words = [service or "No service yet", f"into {group}" if group else "", f"as {name}" if name else ""]
    return Review(
        subject=" ".join(word for word in words if word),
        phrases=payloads.in_words(values),
        body=json.dumps(body, indent=2, ensure_ascii=False),
        missing=[(f"id_{name}", str(field.label)) for name, field in form.missing.items()],
        refused=[
            (f"id_{name}", form.plain_label(name))
            for name in form.errors
            if name in form.fields and name not in form.missing
        ],
        closed=closed_words(form),
        taken=taken_words(by, _holder(str(values.get("group_id", "")), name, edited)),
    )


def _holder(group_id: str, name: str, edited: ConnectionRequest | None) -> ConnectionRequest | None:
    if not group_id or not name:
        return None
    holding = ConnectionRequest.objects.holding(group_id, name).exclude(pk=edited.pk if edited else 0)
    return holding.select_related("requester").first()


def taken_words(by: User, holder: ConnectionRequest | None) -> str:
    """That a destination name is taken; by what and whose, only to whom may see that request."""
    if holder is None:
        return ""
    if permissions.visible_to(by).filter(pk=holder.pk).exists():
        what = f"request {holder.pk} of {holder.requester} ({holder.state.label})"
    else:
        what = "an existing connection" if holder.connection_id else "another open request"
    return f"“{holder.schema}” is taken in this destination by {what}. Choose another name."
