"""The errors of a form as its page shows them: listed on top, and beside each control."""

from dataclasses import dataclass
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.forms.boundfield import BoundField
from django.forms.utils import flatatt
from django.utils.html import format_html

from connections.forms.layout import form_helper

# What a text of one line is typed into, where a browser's help would be in the way.
PLAIN = {"class": "form-control", "autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class Summed(forms.Form):
    """The page lists the errors on top, each a link to its control (`connections/_error_summary.html`)."""

    use_required_attribute = False

    @property
    def helper(self) -> FormHelper:
        return form_helper()

    def summary(self) -> list[tuple[str, str, str]]:
        """(control's id, label, words) of every error that has a field, in the order of the page."""
        return [
            (bound.auto_id, str(bound.label).removesuffix(" (optional)"), str(words))
            for bound in self
            for words in bound.errors
        ]


# Choice -> (icon, what it means), for a field whose choices are cards.
_CARDS = {
    "Directly": ("globe-alt", "Over the internet, from Fivetran’s own addresses."),
    "PrivateLink": ("link", "Over a private link of your cloud."),
    "SshTunnel": ("command-line", "Through a host of yours that Fivetran reaches by SSH."),
    "ProxyAgent": ("server", "Through an agent inside your network."),
}


@dataclass(frozen=True)
class Card:
    value: str
    label: str
    icon: str
    words: str
    attributes: str


class Marked(BoundField):
    """A control that looks refused while it has errors."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: forms.Widget | None = None) -> dict[str, Any]:
        marked = {"class": f"{self.field.widget.attrs['class']} is-invalid"} if self.errors else {}
        return super().build_widget_attrs(attrs, widget) | marked

    @property
    def template(self) -> str:
        """How the request's form draws it."""
        if hasattr(self.field, "fixed_words"):
            return "connections/request_form/_fixed.html"
        kinds = {forms.CheckboxInput: "_checkbox.html", forms.RadioSelect: "_cards.html"}
        name = next((name for kind, name in kinds.items() if isinstance(self.field.widget, kind)), "_control.html")
        return f"connections/request_form/{name}"

    @property
    def cards(self) -> list[Card]:
        """Of a field with radio buttons; links to the control lead to the one that is chosen."""
        described = {"aria-invalid": "true", "aria-describedby": f"{self.auto_id}_error"} if self.errors else {}
        found = []
        # What is not offered stands first: its error is above it.
        for value, label in sorted(self.field.widget.choices, key=lambda choice: choice[0] in _CARDS):
            icon, words = _CARDS.get(value, ("question-mark-circle", ""))
            chosen = str(value) == str(self.value() or "")
            own = {"id": self.auto_id if chosen else f"{self.auto_id}_{value}", "checked": chosen, **described}
            found.append(Card(value, label, icon, words, flatatt({"class": "form-check-input", **own})))
        return found

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
