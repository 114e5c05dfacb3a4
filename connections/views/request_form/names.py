"""What stands beside the destination's name: the rule, a better spelling, and who has the name already."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.formats import date_format

from connections import catalog, permissions
from connections.catalog import LiveConnection
from connections.forms import RequestForm
from connections.models import ConnectionRequest, Kind, PortalPolicy
from connections.people import display_name
from connections.spec import naming_rule
from connections.spec.characters import visible
from connections.spec.fields import Field
from connections.spec.payloads import Asked

_PART = "naming__"  # before the control's name of a placeholder that is asked for


@dataclass(frozen=True)
class Part:
    """A placeholder of the rule that a person fills in."""

    name: str
    label: str
    value: str


@dataclass(frozen=True)
class Hint:
    """A name for the control with that id, and why it is offered."""

    control: str
    words: str
    better: str


@dataclass(frozen=True)
class Taken:
    """`address` is the page of the holder, for those who may see it."""

    words: str = ""
    address: str = ""


@dataclass(frozen=True)
class Names:
    """`control` is the id of the control that the rule is about; `suggestion` is a whole name."""

    rule: str = ""
    help: str = ""
    parts: tuple[Part, ...] = ()
    control: str = ""
    preview: str = ""
    suggestion: str = ""
    off_rule: str = ""
    hints: tuple[Hint, ...] = ()
    taken: Taken = Taken()
    free: str = ""


def names_of(form: RequestForm, asked: Asked, *, by: User, edited: ConnectionRequest | None = None) -> Names:
    policy = PortalPolicy.objects.current()
    field = form.naming.fields[0] if form.naming.fields else None
    typed = form.data.get(field.name, "") if field else ""
    values = _parts_of(form, by, policy.naming_template, typed)
    longest = field.max_length if field else naming_rule.LONGEST_PART
    made = naming_rule.suggestion(policy.naming_template, values, longest=longest)
    usable = naming_rule.is_usable(typed)
    held = taken_name(str(asked.values.get("group_id") or ""), asked.name, by=by, edited=edited)
    hints = [hint for one in form.naming.fields if (hint := hint_for(one, form.data.get(one.name, "")))]
    if field and not typed and not policy.naming_template and (name := proposed(form, field, by)):
        hints.append(Hint(f"id_{field.name}", "Proposed:", name))
    return Names(
        rule=policy.naming_template,
        help=policy.naming_help,
        parts=tuple(
            Part(f"{_PART}{name}", name.replace("_", " ").capitalize(), values.get(name, ""))
            for name in naming_rule.asked(policy.naming_template)
        ),
        control=f"id_{field.name}" if field else "",
        preview=made.name,
        suggestion=made.whole if made.whole != typed and naming_rule.is_usable(made.whole) else "",
        off_rule=typed if usable and not naming_rule.follows(policy.naming_template, typed, values) else "",
        hints=tuple(hints),
        taken=held,
        free="" if held.words or form.missing or not asked.name else free_words(form, asked),
    )


def _parts_of(form: RequestForm, by: User, template: str, typed: str) -> Mapping[str, str]:
    # What the portal knows, what was typed for the other placeholders, else what the name itself says.
    known = {
        "service": form.data.get("service", ""),
        "destination": form.name_of("group_id") or form.data.get("group_id", ""),
        "user": by.get_username(),
    }
    found = naming_rule.parts_in(template, typed, known)
    asked = {name: form.data.get(f"{_PART}{name}", found.get(name, "")) for name in naming_rule.asked(template)}
    return {**known, **{name: text[: naming_rule.LONGEST_PART] for name, text in asked.items()}}


def hint_for(field: Field, typed: str) -> Hint | None:
    better = naming_rule.normalized(typed)[: field.max_length].rstrip("_")
    if not typed or naming_rule.is_usable(typed) or not naming_rule.is_usable(better):
        return None
    return Hint(f"id_{field.name}", f"“{visible(typed[:80])}” cannot be a name.", better)


def proposed(form: RequestForm, field: Field, by: User) -> str:
    """The service's own name, with a number where that is taken; only a one-part name can be."""
    name = naming_rule.normalized(form.data.get("service", ""))[: field.max_length - 3].rstrip("_")
    group_id = str(form.values().get("group_id") or "")  # not one that is refused: what is taken there is not told
    candidates = [name, *(f"{name}_{number}" for number in range(2, 6))]
    free = (one for one in candidates if not group_id or not taken_name(group_id, one, by=by).words)
    return next(free, "") if naming_rule.is_usable(name) else ""


def free_words(form: RequestForm, asked: Asked) -> str:
    group_id = str(asked.values.get("group_id") or "")
    is_right = not any(one.name in form.errors for one in form.naming.fields)
    return f"“{asked.name}” is free in {form.name_of('group_id') or group_id}" if group_id and is_right else ""


# --- taken ----------------------------------------------------------------------------------------------------------
def taken_name(group_id: str, name: str, *, by: User, edited: ConnectionRequest | None = None) -> Taken:
    """By a request of the portal, else by a connection in Fivetran's last list."""
    if not group_id or not name:
        return Taken()
    holding = ConnectionRequest.objects.holding(group_id, name).exclude(pk=edited.pk if edited else 0)
    if holder := holding.select_related("requester").first():
        visible = permissions.visible_to(by).filter(pk=holder.pk).exists()
        return Taken(taken_words(by, holder), reverse("connections:request", args=[holder.pk]) if visible else "")
    held = catalog.existing_connections.named(group_id, name)
    return Taken(words_of_existing(by, held)) if held else Taken()


def taken_words(by: User, holder: ConnectionRequest | None) -> str:
    # What has the name, and whose it is, is said only to people who may see that request.
    if holder is None:
        return ""
    if permissions.visible_to(by).filter(pk=holder.pk).exists():
        what = f"request {holder.pk} of {display_name(holder.requester)} ({holder.state.label})"
    else:
        what = "an existing connection" if holder.connection_id else "another open request"
    return f"“{holder.schema}” is taken in this destination by {what}. Choose another name."


def words_of_existing(by: User, held: LiveConnection) -> str:
    # The id of a connection is for who sees everything, or approves into its destination.
    into = permissions.Into(held.group_id, held.service)
    knows = permissions.sees_everything(by) or permissions.may_approve_into(by, into)
    what = f"the connection {held.id}" if knows else "a connection"
    fetched_at = catalog.freshness(Kind.CONNECTION).fetched_at
    when = f" (seen {date_format(fetched_at.astimezone(UTC), 'j M Y H:i')} UTC)" if fetched_at else ""
    return f"“{held.schema}” is taken in this destination by {what} at Fivetran{when}. Choose another name."
