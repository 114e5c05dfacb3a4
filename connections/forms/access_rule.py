"""The form in which an administrator makes an access rule: destinations and services by name, and groups."""

from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.contrib.admin.widgets import FilteredSelectMultiple
from django.contrib.auth.models import Group

from connections.models import AccessDestination, AccessGroup, AccessRule, AccessService, CatalogEntry, Kind

# Destinations, and services, of one rule: with both and its groups a form stays below Django's limit of 1,000 fields.
MOST = 400
GONE = "(no longer at Fivetran)"
_RIGHTS = {"requesters": "may_request", "approvers": "may_approve"}  # field -> column


class GroupField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # no parameters at run time
    def __init__(self, label: str, help_text: str) -> None:
        widget = FilteredSelectMultiple(label.lower(), is_stacked=False)
        super().__init__(
            Group.objects.order_by("name"), required=False, label=label, help_text=help_text, widget=widget
        )


class NamedField(forms.MultipleChoiceField):
    """Ids, chosen by name; what a rule holds already and Fivetran no longer lists stays a choice."""

    def __init__(self, label: str, help_text: str, *, required: bool) -> None:
        widget = FilteredSelectMultiple(label.lower(), is_stacked=False)
        help_text = f"{help_text} At most {MOST}."
        super().__init__(label=label, help_text=help_text, required=required, widget=widget)

    def validate(self, value: list[str]) -> None:
        super().validate(value)
        if len(value) > MOST:
            raise forms.ValidationError(f"Choose {MOST} or fewer, and make another rule for the others.")

    def offer(self, known: dict[str, str], kept: dict[str, str]) -> None:
        gone = {one: f"{name} {GONE}" for one, name in kept.items() if one not in known}
        listed = sorted({**known, **gone}.items(), key=lambda one: (one[1].lower(), one[0]))
        twice = {name for at, (_, name) in enumerate(listed) if at and listed[at - 1][1] == name}
        self.choices = [(one, f"{name} ({one})" if name in twice or name == "" else name) for one, name in listed]


class AccessRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameters at run time
    requesters = GroupField("Groups that may ask", "Their members ask for connections into the destinations above.")
    approvers = GroupField(
        "Groups that may approve",
        "Those of their members who hold the right to approve decide on such requests. The rule does not give that "
        "right.",
    )
    destinations = NamedField("Destinations", "As soon as a rule names one, only rules count for it.", required=True)
    services = NamedField("Services", "None: connections of every service.", required=False)

    class Meta:
        model = AccessRule
        fields = ("name", "active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule: AccessRule = self.instance
        stored = rule.pk is not None
        kept = {one.group_id: one.name or one.group_id for one in rule.destinations.all()} if stored else {}
        named = {one.service: one.service for one in rule.services.all()} if stored else {}
        known = {**named_at_fivetran(Kind.DESTINATION), **named_at_fivetran(Kind.GROUP)}
        self.names = {**kept, **known}
        self._field("destinations").offer(known, kept)
        self._field("services").offer(named_at_fivetran(Kind.SERVICE), named)
        if not stored:
            return
        groups = list(rule.groups.all())
        self.initial.update(destinations=list(kept), services=list(named))
        for name, column in _RIGHTS.items():
            self.initial[name] = [one.group_id for one in groups if getattr(one, column)]

    def _field(self, name: str) -> NamedField:
        return cast(NamedField, self.fields[name])

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]  # Django has it, its stubs do not
        rule, cleaned = self.instance, self.cleaned_data
        for rows in (rule.destinations, rule.services, rule.groups):
            rows.all().delete()
        AccessDestination.objects.bulk_create(
            AccessDestination(rule=rule, group_id=one, name=self.names.get(one, "")[:200])
            for one in cleaned["destinations"]
        )
        AccessService.objects.bulk_create(AccessService(rule=rule, service=one) for one in cleaned["services"])
        AccessGroup.objects.bulk_create(
            AccessGroup(
                rule=rule,
                group=group,
                may_request=group in cleaned["requesters"],
                may_approve=group in cleaned["approvers"],
            )
            for group in {*cleaned["requesters"], *cleaned["approvers"]}
        )


def named_at_fivetran(kind: Kind) -> dict[str, str]:
    rows = CatalogEntry.objects.filter(kind=kind).values_list("fivetran_id", "name")
    return {one: name or one for one, name in rows}


def pictured(rule: AccessRule) -> Iterator[tuple[str, Any]]:
    """The rule in one flat picture, to be compared with another."""
    yield "name", rule.name
    yield "active", rule.active
    into = rule.destinations.values_list("name", "group_id")
    yield "destinations", sorted(f"{name} ({one})" if name else one for name, one in into)
    yield "services", sorted(rule.services.values_list("service", flat=True))
    for name, column in _RIGHTS.items():
        yield name, sorted(rule.groups.filter(**{column: True}).values_list("group__name", flat=True))
