"""The errors of a form as its page shows them: listed on top, and beside each control."""

from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.html import format_html


class Summed(forms.Form):
    """The page lists the errors on top, each a link to its control (`connections/_error_summary.html`)."""

    def summary(self) -> list[tuple[str, str, str]]:
        """(control's id, label, words) of every error that has a field, in the order of the page."""
        return [
            (bound.auto_id, str(bound.label).removesuffix(" (optional)"), str(words))
            for bound in self
            for words in bound.errors
        ]


class Marked(BoundField):
    """A control that looks refused while it has errors."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: forms.Widget | None = None) -> dict[str, Any]:
        marked = {"class": f"{self.field.widget.attrs['class']} is-invalid"} if self.errors else {}
        return super().build_widget_attrs(attrs, widget) | marked

    @property
    def is_concealed(self) -> bool:
        # What a preset hides comes into sight once it is refused.
        return hasattr(self.field, "concealed") and not self.errors


class Control(Marked):
    """A control whose errors stand beside it in one line, for forms that are not drawn by crispy."""

    @property
    def aria_describedby(self) -> str | None:
        # The error before the help: the error matters more.
        return " ".join(reversed((super().aria_describedby or "").split()))

    def error_line(self) -> str:
        """The errors as an element; empty where there are none."""
        text = " ".join(str(error) for error in self.errors)
        return format_html('<div class="field-error" id="{}_error">{}</div>', self.auto_id, text) if text else ""
