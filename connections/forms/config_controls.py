"""One control for a setting of a service. A value that Fivetran does not list is warned of: its lists lag behind."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connections.catalog.metadata import Property, Shape
from connections.forms.config import Setting
from connections.forms.controls import Length, Select, truth

_SHORT, _LONG, _LINES, _LABEL = 2_000, 20_000, 1_000, 80  # characters of a line and of a longer text, lines
_LARGEST = 2**53 - 1  # what JSON numbers hold exactly everywhere (RFC 8259, section 6)
_LONGER = re.compile(r"cert|public_key|query|sql|script|json|payload", re.ASCII)  # texts of several lines
_OWN = "Fivetran’s own choice"
_LISTED = 24  # values that a help text still names
_IN_ENTRIES, _ANYWHERE = 50, 1_000  # values that a list of its own still shows: in entries, each would bring them again
ANOTHER = "__another__"  # chosen in a list: a value that stands not in it is to be typed
UNLISTED = "Fivetran does not list this value for this service. It may refuse it."
TYPE_IT = "Type the value, or choose one that is listed"


class Typed(forms.TextInput):
    """A text with suggestions; those of all entries of a list are drawn once, where `draws` says so."""

    def __init__(self, values: Iterable[str], suggestions: str, *, draws: bool) -> None:
        super().__init__(attrs={"list": suggestions, "placeholder": _OWN})
        self.values, self.suggestions, self.draws = values, suggestions, draws

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """The input, and the suggestions."""
        drawn = super().render(name, value, attrs, renderer)
        if not self.draws:
            return drawn
        options = format_html_join("", '<option value="{}">', ((value,) for value in self.values))
        return format_html('{}<datalist id="{}">{}</datalist>', drawn, self.suggestions, options)


class Suggested(forms.ChoiceField):
    """One of the listed values, or any other: it is kept, and `warning` says that it is not listed."""

    widget: Any = Select
    warning = ""

    def valid_value(self, value: Any) -> bool:
        """Any value of a sane length."""
        return len(str(value)) <= _SHORT

    def keep(self, text: str) -> None:
        """Show `text` as chosen, whether or not it is listed."""
        if text and not super().valid_value(text):
            self.warning = UNLISTED
            if isinstance(self.widget, Select):
                self.widget.choices = [*list(self.widget.choices), (text, f"{_short(text)} (not listed)")]


class YesNo(forms.ChoiceField):
    """Yes, no, or nothing said: a checkbox could not tell "no" from "not asked"."""

    widget = Select

    def __init__(self, **options: Any) -> None:
        """Three choices."""
        words = {"invalid_choice": "Choose one of: true, false"}
        super().__init__(choices=[("", _OWN), ("true", "Yes"), ("false", "No")], error_messages=words, **options)

    def keep(self, text: str) -> None:
        """Show a text that means neither as the chosen one."""
        if text and not self.valid_value(text):
            self.widget.choices = [*list(self.widget.choices), (text, f"{_short(text)} (neither)")]

    def clean(self, value: Any) -> bool | None:
        """None where nothing is said."""
        text = super().clean(value)
        return truth(text) if text else None


class Whole(forms.IntegerField):
    """A whole number, typed as text: a number input would throw away what is not a number."""

    def __init__(self, **options: Any) -> None:
        """Words for what is refused."""
        words = {
            "invalid": "Enter a whole number",
            "max_value": f"Enter {_LARGEST} or less",
            "min_value": f"Enter {-_LARGEST} or more",
        }
        super().__init__(
            min_value=-_LARGEST, max_value=_LARGEST, error_messages=words, widget=forms.TextInput(), **options
        )


class Number(forms.FloatField):
    """A number, typed as text."""

    def __init__(self, **options: Any) -> None:
        """Words for what is refused."""
        super().__init__(error_messages={"invalid": "Enter a number"}, widget=forms.TextInput(), **options)


class Lines(forms.CharField):
    """A list, one value a line."""

    warning = ""

    def __init__(self, part: Property, **options: Any) -> None:
        """`part` says what the values are."""
        super().__init__(widget=forms.Textarea(attrs={"rows": 3}), validators=[Length(_LONG)], **options)
        self.part = part

    def keep(self, text: str) -> None:
        """Warn of values that are not listed."""
        if self.part.choices and set(_lines(text)) - set(self.part.choices):
            self.warning = "Fivetran does not list every one of these values. It may refuse some."

    def clean(self, value: Any) -> list[Any] | None:
        """The values in their own type; None for none. ValidationError names the first line that is none."""
        lines = _lines(super().clean(value))
        if len(lines) > _LINES:
            raise ValidationError(f"Use {_LINES:,} lines or fewer. These are {len(lines):,}.")
        return [self._one(number, line) for number, line in enumerate(lines, 1)] or None

    def _one(self, number: int, line: str) -> Any:
        kinds: dict[Shape, forms.Field] = {Shape.WHOLE: Whole(), Shape.NUMBER: Number(), Shape.FLAG: YesNo()}
        if self.part.item not in kinds:
            return line
        try:
            return kinds[self.part.item].clean(line)
        except ValidationError as refused:
            words = refused.messages[0]
            raise ValidationError(f"Line {number}: {words[:1].lower()}{words[1:]}") from None


def _short(text: str) -> str:
    return text if len(text) <= _LABEL else f"{text[:_LABEL]}…"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def config_control(setting: Setting, *, optional: bool, typing: bool = False) -> forms.Field:
    """The Django field for `setting`; `optional` puts that word beside its label.

    With `typing` a value that is not listed is asked for.
    """
    part = setting.part
    label = f"{setting.label} (optional)" if optional else setting.label
    options: dict[str, Any] = {"required": False, "label": label, "help_text": _help(part)}
    made = _suggested(setting, options, typing=typing) if part.shape is Shape.CHOICE else _field(part, options)
    if part.shape is Shape.LIST and len(part.choices) > _LISTED and _is_first(setting.path):
        made.listed = part.choices  # type: ignore[attr-defined]  # the template reads it
    if not isinstance(made.widget, Select):
        made.widget.attrs |= {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
    made.widget.attrs |= {"class": "form-select" if isinstance(made.widget, Select) else "form-control"}
    return made


def _suggested(setting: Setting, options: dict[str, Any], *, typing: bool) -> Suggested:
    values = setting.part.choices
    listed = [("", _OWN), (ANOTHER, "Another value: type it…"), *((value, _short(value)) for value in values)]
    made = Suggested(choices=listed, **options)
    if typing or len(values) > (_IN_ENTRIES if setting.entry else _ANYWHERE):
        shared = re.sub(r"\.\d+", "", setting.path).replace(".", "__")
        suggestions = f"values_{setting.name}" if typing else f"values_{shared}"
        made.widget = Typed(values, suggestions, draws=typing or _is_first(setting.path))
        made.warning = UNLISTED if typing else ""
    return made


def _is_first(path: str) -> bool:
    """Whether the setting at `path` stands in no entry of a list but the first."""
    return all(part == "0" for part in path.split(".") if part.isdecimal())


def _field(part: Property, options: dict[str, Any]) -> forms.Field:
    match part.shape:
        case Shape.FLAG:
            return YesNo(**options)
        case Shape.WHOLE:
            return Whole(**options)
        case Shape.NUMBER:
            return Number(**options)
        case Shape.LIST:
            return Lines(part, **options)
    if _LONGER.search(part.name):
        return forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), validators=[Length(_LONG)], **options)
    return forms.CharField(validators=[Length(_SHORT)], **options)


def _help(part: Property) -> str:
    if part.shape is not Shape.LIST:
        return part.help
    listed = f"One a line, of: {', '.join(part.choices)}." if 0 < len(part.choices) <= _LISTED else "One a line."
    return f"{part.help} {listed}".strip()
