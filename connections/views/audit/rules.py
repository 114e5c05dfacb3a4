"""The access rules in words: whom each lets in and shuts out, and where nobody is left."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from connections import permissions
from connections.forms.access_rule import GONE, named_at_fivetran
from connections.models import AccessRule, EventKind, Kind
from connections.permissions import coverage
from connections.views.audit.sections import Cell, changed_cell, last_changes, sections
from connections.views.audit.whom import Line, preview_of

_OPEN = "A destination that no rule names is open: everybody who can log in may ask for it, and every approver decides."
_CLOSED = "A destination that no rule names is closed: nobody asks for it, and nobody approves into it."


@dataclass(frozen=True)
class Rule:
    """`lines` say what it does at the moment; a rule that is off does nothing."""

    name: str
    active: bool
    says: list[tuple[str, str]]
    lines: list[Line]
    changed: Cell
    change_address: str


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    permissions.check_sees_operations(request.user)
    now = coverage.read()
    context = {
        "sections": sections(request),
        "without_rule": _CLOSED if now.closed else _OPEN,
        "shut": list(now.shut().values()),
        "rules": list(_rules(request, now)),
        "add_address": _in_admin(request, "add"),
    }
    return render(request, "connections/audit/rules.html", context)


def _rules(request: HttpRequest, now: coverage.Coverage) -> Iterator[Rule]:
    changes = last_changes(EventKind.RULE_CHANGED, "accessrule")
    destinations = {**named_at_fivetran(Kind.DESTINATION), **named_at_fivetran(Kind.GROUP)}
    services = named_at_fivetran(Kind.SERVICE)
    stored = AccessRule.objects.prefetch_related("destinations", "services", "groups__group")
    for rule in stored.order_by("-active", "name"):
        group_ids = [one.group_id for one in rule.destinations.all()]
        preview = preview_of(now.without(rule.pk), now, group_ids) if rule.active else None
        yield Rule(
            name=rule.name,
            active=rule.active,
            says=list(_says(rule, destinations, services)),
            lines=preview.lines if preview else [],
            changed=changed_cell(request.user, changes.get(str(rule.pk))),
            change_address=_in_admin(request, "change", rule.pk),
        )


def _says(rule: AccessRule, destinations: dict[str, str], services: dict[str, str]) -> Iterator[tuple[str, str]]:
    places = [destinations.get(one.group_id) or f"{one} {GONE}" for one in rule.destinations.all()]
    yield "Destinations", ", ".join(places)
    yield "Services", ", ".join(services.get(one.service, one.service) for one in rule.services.all()) or "all"
    groups = list(rule.groups.all())
    yield "Groups that may ask", ", ".join(str(one.group) for one in groups if one.may_request) or "none"
    deciding = ", ".join(str(one.group) for one in groups if one.may_approve)
    yield "Groups that may approve", f"{deciding}: those of them who hold the right to approve" if deciding else "none"


def _in_admin(request: HttpRequest, what: str, *args: object) -> str:
    """Where the reader changes the rules; nowhere for most."""
    may = request.user.is_staff and request.user.has_perm(f"connections.{what}_accessrule")
    return reverse(f"admin:connections_accessrule_{what}", args=args) if may else ""
