"""How a preset changes the request form: what it begins with, what is fixed, what is not shown."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms import BoundField

from connections.forms.controls import truth
from connections.forms.request import RequestForm
from connections.forms.rows import unfolded
from connections.forms.typed_text import in_sight
from connections.models import Preset
from connections.spec.fields import BY_PATH
from connections.spec.service_rules import FOLLOWING

NOT_SET = "Not set"


def beginning(preset: Preset | None) -> dict[str, str]:
    """name -> text of everything that `preset` fills in."""
    values = preset.begins_with if preset else {}
    return unfolded({path: value for path, value in values.items() if path not in FOLLOWING})


def imposed_values(preset: Preset | None) -> dict[str, Any]:
    """path -> value of what only the preset decides."""
    if preset is None:
        return {}
    given = preset.begins_with
    usual = {
        path: "" if (f := BY_PATH.get(path)) is None or f.default is None else f.default for path in preset.imposed
    }
    return {path: given.get(path, usual[path]) for path in preset.imposed}


def imposed(preset: Preset | None) -> dict[str, str]:
    return unfolded(imposed_values(preset))


def laid_over(texts: Mapping[str, str], preset: Preset | None) -> dict[str, str]:
    """`texts` with what `preset` imposes in place of their own."""
    if preset is None:
        return dict(texts)
    names = tuple(path.replace(".", "__") for path in preset.imposed)
    lists = tuple(f"{name}__" for name in names)
    left = {name: text for name, text in texts.items() if name not in names and not name.startswith(lists)}
    return {**left, **imposed(preset)}


def lock(form: RequestForm, preset: Preset | None) -> None:
    if preset is None:
        return
    for name, text in beginning(preset).items():
        if name in form.fields:
            form.fields[name].preset_text = text  # type: ignore[attr-defined]  # nothing unusual, for the layout
    for name in imposed(preset):
        if name in form.fields:
            form.fields[name].fixed_words = chosen_words(form[name])  # type: ignore[attr-defined]  # the template reads it
    for path in preset.hidden:
        if (name := path.replace(".", "__")) in form.fields:
            form.fields[name].concealed = True  # type: ignore[attr-defined]


def chosen_words(bound: BoundField) -> str:
    text = str(bound.value() or "")
    if isinstance(bound.field.widget, forms.CheckboxInput):
        return "Yes" if truth(text) else "No"
    choices = getattr(bound.field, "choices", ())
    return next((str(label) for value, label in choices if text and str(value) == text), in_sight(text)) or NOT_SET
