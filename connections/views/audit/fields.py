"""The fields of an event as people read them: by the labels of the forms, and destinations by name."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.utils.text import capfirst

from connections.forms.access_rule import AccessRuleForm
from connections.models import AccessDestination, AccessGroup, AccessRule, AccessService, CatalogEntry, Event, Kind
from connections.views.request_page.timeline import Changed, changed_of, label_of

_DESTINATION = "group_id"
# A rule is several rows, and one thing.
_PARTS: dict[str, tuple[type[Model], ...]] = {
    "accessrule": (AccessRule, AccessGroup, AccessDestination, AccessService),
}
_OF_RULE = {name: str(field.label) for name, field in AccessRuleForm.base_fields.items() if field.label}


def destinations_in(events: Iterable[Event]) -> dict[str, str]:
    """id -> name of each destination that a changed field holds; no statement where there is none."""
    ids = {str(one.get(when)) for event in events for one in _of_destinations(event) for when in ("before", "after")}
    rows = (
        CatalogEntry.objects.filter(kind=Kind.GROUP, fivetran_id__in=ids - {""}) if ids else CatalogEntry.objects.none()
    )
    return dict(rows.exclude(name="").values_list("fivetran_id", "name"))


def changed_in(event: Event, destinations: dict[str, str]) -> list[Changed]:
    for one in _of_destinations(event):
        for when in ("before", "after"):
            if name := destinations.get(str(one.get(when))):
                one[when] = f"{name} ({one[when]})"
    detail = event.detail if isinstance(event.detail, dict) else {}
    return changed_of(detail, lambda path: _label(event.about_kind, path))


def _of_destinations(event: Event) -> Iterator[dict[str, Any]]:
    told = event.detail.get("changed") if isinstance(event.detail, dict) else None
    for one in told if isinstance(told, list) else ():
        if isinstance(one, dict) and str(one.get("field", "")).rpartition(".")[2] == _DESTINATION:
            yield one


def _label(about: str, path: str) -> str:
    if about == "accessrule" and path in _OF_RULE:
        return _OF_RULE[path]
    column, _, inner = path.partition(".")
    for model in _PARTS.get(about) or (one for one in apps.get_models() if one._meta.model_name == about):
        try:
            name = capfirst(str(getattr(model._meta.get_field(column), "verbose_name", column)))
        except FieldDoesNotExist:
            continue
        return f"{name}: {label_of(inner)}" if inner else name
    return label_of(path)
