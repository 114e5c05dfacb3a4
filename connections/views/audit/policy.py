"""The policy in words: what an administrator decided about services, names and the record, and who did it last."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections import permissions
from connections.forms.access_rule import named_at_fivetran
from connections.forms.strangers import words_of_path
from connections.models import EventKind, Kind, PortalPolicy, Preset, ServiceRule
from connections.permissions import Person
from connections.spec import payloads
from connections.views.audit.sections import (
    Cell,
    Table,
    changed_cell,
    last_changes,
    last_changes_of_fields,
    sections,
)

_TONES = {"recommended": "success", "allowed": "info", "denied": "danger"}


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    permissions.check_sees_operations(request.user)
    context = {
        "sections": sections(request),
        "title": "Policy",
        "lead": "What administrators decided about services, names and the record.",
        "tables": [_settings(request.user), _service_rules(request.user), _presets(request.user)],
    }
    return render(request, "connections/audit/tables.html", context)


def _settings(reader: Person) -> Table:
    settings = in_words(PortalPolicy.objects.current())
    changes = last_changes_of_fields(reader, EventKind.POLICY_CHANGED, settings)
    rows = [(Cell(label), Cell(words), changes[name]) for name, (label, words) in settings.items()]
    return Table("Settings", ("Setting", "What it says", "Last changed"), rows)


def in_words(policy: PortalPolicy) -> dict[str, tuple[str, str]]:
    """Field of the policy -> (what it is about, what it says)."""
    days = policy.erase_after_days
    return {
        "only_listed_services": (
            "Services that people may ask for",
            "only those recommended or allowed below"
            if policy.only_listed_services
            else "all that are not denied below",
        ),
        "closed_without_rule": (
            "Destinations that no access rule names",
            "closed to everybody" if policy.closed_without_rule else "open to everybody",
        ),
        "naming_template": ("How names begin", policy.naming_template or "as everybody likes"),
        "naming_help": ("Said beside the name", policy.naming_help or "nothing"),
        "erase_after_days": (
            "People, addresses and reasons in the record",
            f"erased after {days} days" if days else "kept for good",
        ),
    }


def _service_rules(reader: Person) -> Table:
    changes, names = last_changes(EventKind.RULE_CHANGED, "servicerule"), named_at_fivetran(Kind.SERVICE)
    rows = [
        (
            Cell(names.get(rule.service) or f"{rule.service} (not offered by Fivetran)"),
            Cell(tags=((_TONES[rule.stance], rule.get_stance_display().partition(":")[0]),)),
            Cell(rule.note or "—"),
            changed_cell(reader, changes.get(str(rule.pk))),
        )
        for rule in ServiceRule.objects.all()
    ]
    return Table(
        "Services", ("Service", "What is decided", "Note", "Last changed"), rows, nothing="No service has a rule."
    )


def _presets(reader: Person) -> Table:
    changes = last_changes(EventKind.RULE_CHANGED, "preset")
    destinations, services = named_at_fivetran(Kind.GROUP), named_at_fivetran(Kind.SERVICE)
    rows = [
        (
            Cell(preset.name, tags=() if preset.active else (("", "no longer offered"),)),
            Cell(" · ".join(_begins_with(preset, destinations, services))),
            Cell(f"members of “{preset.approvers}” who may approve" if preset.approvers else "every approver"),
            changed_cell(reader, changes.get(str(preset.pk))),
        )
        for preset in Preset.objects.select_related("approvers")
    ]
    heads = ("Preset", "What a request begins with", "Who decides", "Last changed")
    return Table("Presets", heads, rows, nothing="There is no preset.")


def _begins_with(preset: Preset, destinations: dict[str, str], services: dict[str, str]) -> Iterator[str]:
    yield services.get(preset.service, preset.service) or "any service"
    destination = destinations.get(preset.group_id, preset.group_id)
    yield f"into {destination}" if destination else "into any destination"
    if "sync_frequency" in preset.values:
        yield payloads.schedule_in_words(preset.values)
    if preset.imposed:
        yield f"not to be changed: {', '.join(map(words_of_path, preset.imposed))}"
