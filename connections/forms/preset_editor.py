"""The form in which an administrator makes a preset: nothing is stored that the request form would refuse."""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput

from connections import limits
from connections.forms.controls import control
from connections.forms.offers import offer
from connections.forms.request import RequestForm
from connections.forms.rows import unfolded
from connections.forms.strangers import meant
from connections.models import Preset
from connections.spec.characters import visible
from connections.spec.fields import BY_PATH, NAMING
from connections.spec.payloads import canonical, is_of_service, is_secret

_DEEPEST = 16  # levels of nesting; Fivetran's settings have at most eight
_TOO_DEEP = f"Nest the values at most {_DEEPEST} levels deep"
_OWN_FIELDS = ("service", "group_id")


class Paths(forms.CharField):
    widget = forms.Textarea(attrs={"rows": 4, "cols": 60, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        # Names of controls (`config__host`) are taken for the paths they mean.
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        return list(dict.fromkeys(line.strip().replace("__", ".") for line in lines if line.strip()))


class Values(forms.JSONField):
    widget = forms.Textarea(attrs={"rows": 8, "cols": 80, "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        try:
            found = super().to_python(value)
        except RecursionError:
            raise ValidationError(_TOO_DEEP) from None
        if is_deeper(found, _DEEPEST):
            raise ValidationError(_TOO_DEEP)
        return found

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, dict) else value


class PresetForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameters at run time
    values = Values(required=False, help_text=Preset._meta.get_field("values").help_text)
    fixed = Paths(required=False, help_text=f"{Preset._meta.get_field('fixed').help_text} One a line.")
    hidden = Paths(required=False, help_text=f"{Preset._meta.get_field('hidden').help_text} One a line.")

    class Meta:
        model = Preset
        fields = ("name", "description", "service", "group_id", "values", "fixed", "hidden") + (
            "approvers",
            "position",
            "active",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Whoever may only look at a preset gets no controls.
        for path in (path for path in _OWN_FIELDS if path in self.fields):
            made = control(BY_PATH[path], offer(path))
            made.help_text = self.fields[path].help_text
            if hasattr(made, "keep"):
                made.keep(str(self.initial.get(path, "")))
            self.fields[path] = made

    def clean_values(self) -> dict[str, Any]:
        """Raise ValidationError for anything but an object of known paths, and for secrets."""
        values = self.cleaned_data["values"] or {}
        if not isinstance(values, Mapping):
            raise ValidationError('Enter a JSON object, such as {"sync_frequency": 60}')
        values = {str(path).replace("__", "."): value for path, value in values.items()}
        for path in values:
            shown = visible(path[:80])
            if path in _OWN_FIELDS:
                raise ValidationError(f"{path} has a field of its own above")
            if path.startswith("config.") and any(is_secret(part) for part in path.split(".")[1:]):
                raise ValidationError(
                    f"Leave out {shown}: the source owner enters secrets in Fivetran’s Connect Card, never here"
                )
            if not is_known_path(path):
                raise ValidationError(f"There is no field {shown}.{meant(path, BY_PATH)}")
        try:
            limits.check_size(canonical(values))
        except (limits.TooLarge, ValueError) as unfit:  # NaN is no JSON, though Python reads it
            raise ValidationError(str(unfit)) from None
        return values

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "values" not in cleaned:
            return cleaned
        chosen = {path: cleaned.get(path) for path in _OWN_FIELDS if cleaned.get(path)}
        # As the request form will see it: a link may give anything, so it is judged most strictly.
        judged = RequestForm.from_link(unfolded({**chosen, **cleaned["values"]}))
        for name, words in judged.errors.items():
            label = "" if name == "__all__" else f"{name.replace('__', '.')}: "
            self.add_error("values", [f"{label}{sentence}" for sentence in words])
        for field in ("fixed", "hidden"):
            for path in cleaned.get(field, []):
                if why := why_not(path, judged, cleaned):
                    self.add_error(field, f"{path[:80]}: {why}")
        return cleaned


def is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (levels == 0 or any(is_deeper(one, levels - 1) for one in inner))


def is_known_path(path: str) -> bool:
    return is_of_service(path) or (path in BY_PATH and not BY_PATH[path].constant)


def why_not(path: str, judged: RequestForm, cleaned: Mapping[str, Any]) -> str:
    """Why the preset cannot decide the field at `path`; empty where it can."""
    name = path.replace(".", "__")
    if path in NAMING:
        return "every connection needs a name of its own"
    if path == "reason":
        return "every request has a reason of its own"
    if not is_known_path(path):
        return "there is no such field"
    if is_of_service(path):
        if "service" not in (*cleaned.get("fixed", []), *cleaned.get("hidden", [])):
            return "fix the service too, for another one has other settings"
        if not any(control == name or control.startswith(f"{name}__") for control in judged.fields):
            return "this service has no such setting"
    if name in judged.missing:
        return "it has to be filled, so give it a value first"
    return ""
