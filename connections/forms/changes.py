"""What a person fills in to request a change of a connection: reason, new schedule, name of what is deleted."""

from collections.abc import Mapping
from typing import Any

from django import forms

from connections.forms.controls import Chosen, control
from connections.forms.summary import PLAIN, Marked, Summed
from connections.models import ChangeKind
from connections.spec.fields import BY_PATH
from connections.spec.payloads import SCHEDULE
from connections.spec.rules import RULES, as_json, check

_RULES = tuple(rule for rule in RULES if rule.path in SCHEDULE)


class ChangeForm(Summed):
    """`now` are the present values (path -> value), `name` is the connection's."""

    bound_field_class = Marked

    def __init__(
        self, data: Mapping[str, str] | None = None, *, kind: ChangeKind, now: Mapping[str, Any], name: str
    ) -> None:
        super().__init__(data)
        self.kind, self.name = kind, name
        if kind == ChangeKind.SCHEDULE:
            for path in SCHEDULE:
                field = BY_PATH[path]
                self.fields[field.name] = made = control(field)
                made.initial = now.get(path, field.default)
                if isinstance(made, Chosen):  # whatever Fivetran has is shown, offered or not
                    made.keep(str(made.initial or ""))
        self.fields["reason"] = text_field(
            "Reason",
            "The approver decides on this.",
            "Enter the reason for this change",
            max_length=2000,
            widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
        )
        if kind == ChangeKind.DELETE:
            self.fields["confirmed"] = text_field(
                "Name of the connection, to confirm",
                f"Type {name}",
                f"Type {name} to confirm that it is this one",
                max_length=300,
                widget=forms.TextInput(attrs=PLAIN),
            )

    def clean_confirmed(self) -> str:
        typed: str = self.cleaned_data["confirmed"]
        if typed != self.name:
            raise forms.ValidationError(f"Type {self.name} to confirm that it is this one")
        return typed

    def clean(self) -> dict[str, Any]:
        # What does not apply is left out, as in the request form: a browser hides it and does not send it.
        if self.kind == ChangeKind.SCHEDULE:
            for path in check(self._answers(), _RULES).hidden:
                self.errors.pop(path, None)
                self.cleaned_data.pop(path, None)
        return self.cleaned_data

    def _answers(self) -> dict[str, Any]:
        return {path: value for path in SCHEDULE if (value := self.cleaned_data.get(path)) not in (None, "")}

    def values(self) -> dict[str, Any]:
        """path -> typed value of the requested schedule; empty for another kind."""
        return self._answers() if self.kind == ChangeKind.SCHEDULE else {}

    def for_the_browser(self) -> dict[str, Any]:
        """The rules and the types they need, for `change.js`."""
        fields = {BY_PATH[path].name: {"path": path, "type": BY_PATH[path].type.value} for path in SCHEDULE}
        return {"rules": as_json(_RULES), "fields": fields if self.kind == ChangeKind.SCHEDULE else {}}


def text_field(label: str, help_text: str, enter: str, **options: Any) -> forms.CharField:
    return forms.CharField(label=label, help_text=help_text, error_messages={"required": enter}, **options)
