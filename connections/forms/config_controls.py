"""One control for a setting of a service. A value that Fivetran does not list only gets a warning: its lists are not
complete.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connections.catalog.metadata import Property, Shape
from connections.forms.config import Setting
from connections.forms.controls import Integer, Length, Select, Text, truth
from connections.forms.rows import text_of
from connections.forms.typed_text import (
    from_codes,
    in_names,
    is_separator,
    readings,
    refusal,
    trimmed,
)

_SHORT, _LONG, _LINES, _LABEL = 2_000, 20_000, 1_000, 80  # characters of a line and of a longer text, lines
_LARGEST = 2**53 - 1  # what JSON numbers hold exactly everywhere (RFC 8259, section 6)
_LONGER = re.compile(r"cert|public_key|query|sql|script|json|payload", re.ASCII)  # texts of several lines
_OWN = "Fivetran’s own choice"
_LISTED = 24  # values that a help text still names
_SEPARATORS = r"White space counts here. Type \t for a tab, \n for a line break; \\t is a backslash and a t."
# Lists whose values hold no comma: addresses and ids; some services take names for ids, which may ("Acme, Inc.").
_ADDRESSES = re.compile(r"hosts?$|servers?$|(^|_)ids?$|(^|_)id_|urls?$|senders|topics|profiles|seats")
_IDS_OR_NAMES = re.compile(r"(?<!selected_)accounts$|projects|advertisers|partners|organizations|repositories|vendors")
_NO_ARRAY = 'Write one value a line, or a JSON array with each value in double quotes: ["a", "b"]'
_IN_ENTRIES, _ANYWHERE = 50, 1_000  # values that a list of its own still shows: in entries, each would bring them again
ANOTHER = "__another__"  # chosen in a list: a value that stands not in it is to be typed
UNLISTED = "Fivetran does not list this value for this service. It may refuse it."
TYPE_IT = "Type the value, or choose one that is listed"


class Typed(forms.TextInput):
    def __init__(self, values: Iterable[str], suggestions: str, *, draws: bool) -> None:
        super().__init__(attrs={"list": suggestions, "placeholder": _OWN})
        # The entries of a list share one set of suggestions: the control with `draws` draws it.
        self.values, self.suggestions, self.draws = values, suggestions, draws

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        drawn = super().render(name, value, attrs, renderer)
        if not self.draws:
            return drawn
        options = format_html_join("", '<option value="{}">', ((value,) for value in self.values))
        return format_html('{}<datalist id="{}">{}</datalist>', drawn, self.suggestions, options)


class Suggested(forms.ChoiceField):
    """One of the listed values, or any other: then `warning` says that it is not listed."""

    widget = Select
    warning = ""

    def valid_value(self, value: Any) -> bool:
        return len(str(value)) <= _SHORT

    def read(self, text: str) -> str:
        """The listed value that a spreadsheet shows as `text`; `text` where there is none."""
        return text if super().valid_value(text) else next(filter(super().valid_value, readings(text)), text)

    def keep(self, text: str) -> None:
        if text and not super().valid_value(text):
            self.warning = UNLISTED
            if isinstance(self.widget, Select):
                self.widget.choices = [*list(self.widget.choices), (text, f"{shortened(text)} (not listed)")]


class YesNo(forms.ChoiceField):
    # A checkbox could not tell "no" from "not asked".

    widget = Select

    def __init__(self, **options: Any) -> None:
        words = {"invalid_choice": "Choose one of: true, false"}
        super().__init__(choices=[("", _OWN), ("true", "Yes"), ("false", "No")], error_messages=words, **options)

    def keep(self, text: str) -> None:
        if text and not self.valid_value(text):
            self.widget.choices = [*list(self.widget.choices), (text, f"{shortened(text)} (neither)")]

    def clean(self, value: Any) -> bool | None:
        text = super().clean(value)
        return truth(text) if text else None


class Whole(Integer):
    def __init__(self, **options: Any) -> None:
        words = {
            "invalid": "Enter a whole number",
            "max_value": f"Enter {_LARGEST} or less",
            "min_value": f"Enter {-_LARGEST} or more",
        }
        super().__init__(
            min_value=-_LARGEST, max_value=_LARGEST, error_messages=words, widget=forms.TextInput(), **options
        )


class Number(forms.FloatField):
    def __init__(self, **options: Any) -> None:
        super().__init__(error_messages={"invalid": "Enter a number"}, widget=forms.TextInput(), **options)


class Lines(forms.CharField):
    warning = ""

    def __init__(self, part: Property, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 3}), validators=[Length(_LONG)], **options)
        self.part = part

    def keep(self, text: str) -> None:
        try:
            unlisted = bool(self.part.choices) and bool(set(self._texts(text)) - set(self.part.choices))
        except ValidationError:
            return  # its error says more
        if unlisted:
            self.warning = "Fivetran does not list every one of these values. It may refuse some."

    def clean(self, value: Any) -> list[Any] | None:
        """The values in their own type; None for none."""
        lines = self._texts(super().clean(value))
        if len(lines) > _LINES:
            raise ValidationError(f"Use {_LINES:,} lines or fewer. These are {len(lines):,}.")
        return [self._one(number, line) for number, line in enumerate(lines, 1)] or None

    def _texts(self, text: str) -> list[str]:
        """The values as texts: those of a JSON array, one a line, or between commas where no value can hold one."""
        if (given := json_array(text)) is not None:
            return given
        lines = [line for one in text.splitlines() if (line := trimmed(one))]
        if is_split_at_commas(self.part):
            lines = [part for line in lines for part in self._parts(line)]
        if len(lines) == 1 and "," in lines[0]:
            shown = json.dumps(shortened(lines[0]), ensure_ascii=False)
            raise ValidationError(f"Write one value a line. If the comma belongs to the value, write [{shown}]")
        return lines

    def _parts(self, line: str) -> list[str]:
        # A line that could be one value all the same stays whole.
        parts = [part for one in re.split(r"[,;\t]", line) if (part := one.strip().strip('"'))]
        if self.part.choices or self.part.item is not Shape.TEXT:
            return parts
        is_one_url = self.part.name.endswith(("url", "urls")) and not all("://" in part for part in parts)
        has_blank = any(re.search(r"\s", part) for part in (parts if _ADDRESSES.search(self.part.name) else [line]))
        return [line] if is_one_url or has_blank else parts

    def _one(self, number: int, line: str) -> Any:
        kinds: dict[Shape, forms.Field] = {Shape.WHOLE: Whole(), Shape.NUMBER: Number(), Shape.FLAG: YesNo()}
        if self.part.item not in kinds:
            return line
        try:
            return kinds[self.part.item].clean(line)
        except ValidationError as refused:
            words = refused.messages[0]
            raise ValidationError(f"Line {number}: {words[:1].lower()}{words[1:]}") from None


def shortened(text: str) -> str:
    return text if len(text) <= _LABEL else f"{text[:_LABEL]}…"


def is_split_at_commas(part: Property) -> bool:
    """Whether no value of the list `part` can hold a comma."""
    if part.choices:
        return not any("," in value or ";" in value for value in part.choices)
    is_named = _ADDRESSES.search(part.name) or _IDS_OR_NAMES.search(part.name)
    return part.item is not Shape.TEXT or bool(is_named)


def json_array(text: str) -> list[str] | None:
    """The values of a JSON array of single values; None for any other text."""
    if not text.startswith("["):
        return None

    def no_number(name: str) -> None:
        raise ValueError(name)

    try:
        found = json.loads(text, parse_constant=no_number)
    except (ValueError, RecursionError):
        if text.endswith("]") and ("," in text or '"' in text):
            raise ValidationError(_NO_ARRAY) from None
        return None  # [::1] is an address
    if not all(isinstance(value, (str, int, float)) and is_storable(str(value)) for value in found):
        raise ValidationError(_NO_ARRAY)
    return [line for value in found if (line := text_of(value))]


def is_storable(text: str) -> bool:
    # A JSON escape can write characters that no text in PostgreSQL can hold.
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


class Separator(forms.CharField):
    """White space in it is a value: it is sent as it is, and typed and shown as codes."""

    warning = ""

    def __init__(self, **options: Any) -> None:
        options["help_text"] = f"{options['help_text']} {_SEPARATORS}".strip()
        super().__init__(strip=False, validators=[Length(_SHORT)], **options)

    def keep(self, text: str) -> None:
        if names := in_names(from_codes(text)):
            self.warning = f"This stands for: {names}."

    def to_python(self, value: Any) -> str:
        return from_codes(str(super().to_python(value)))


def wrong_with(made: forms.Field, text: str) -> str:
    """Why the text that was typed into `made` is refused, whatever it means."""
    if isinstance(made, Text) and text.isspace():
        return "Only white space stands here: leave this empty, or enter a value"
    if isinstance(made, Lines):
        text = "\n".join(map(trimmed, text.splitlines()))
    is_prose = isinstance(made.widget, forms.Textarea) and not isinstance(made, Lines)
    return refusal(text, prose=is_prose or isinstance(made, Separator))


def config_control(setting: Setting, *, optional: bool, typing: bool = False) -> forms.Field:
    """`optional` adds that word to the label, `typing` asks for a value that is not listed."""
    part = setting.part
    label = f"{setting.label} (optional)" if optional else setting.label
    options: dict[str, Any] = {"required": False, "label": label, "help_text": help_for(part)}
    made = suggested(setting, options, typing=typing) if part.shape is Shape.CHOICE else field_for(part, options)
    if part.shape is Shape.LIST and len(part.choices) > _LISTED and is_first_entry(setting.path):
        made.listed = part.choices  # type: ignore[attr-defined]  # the template reads it
    if not isinstance(made.widget, Select):
        made.widget.attrs |= {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
    made.widget.attrs |= {"class": "form-select" if isinstance(made.widget, Select) else "form-control"}
    return made


def suggested(setting: Setting, options: dict[str, Any], *, typing: bool) -> Suggested:
    values = setting.part.choices
    listed = [("", _OWN), (ANOTHER, "Another value: type it…"), *((value, shortened(value)) for value in values)]
    made = Suggested(choices=listed, **options)
    if typing or len(values) > (_IN_ENTRIES if setting.entry else _ANYWHERE):
        shared = re.sub(r"\.\d+", "", setting.path).replace(".", "__")
        suggestions = f"values_{setting.name}" if typing else f"values_{shared}"
        made.widget = Typed(values, suggestions, draws=typing or is_first_entry(setting.path))  # type: ignore[assignment]
        made.warning = UNLISTED if typing else ""
    return made


def is_first_entry(path: str) -> bool:
    """Whether the setting at `path` is in no list, or in the first entry of each of its lists."""
    return all(part == "0" for part in path.split(".") if part.isdecimal())


def field_for(part: Property, options: dict[str, Any]) -> forms.Field:
    match part.shape:
        case Shape.FLAG:
            return YesNo(**options)
        case Shape.WHOLE:
            return Whole(**options)
        case Shape.NUMBER:
            return Number(**options)
        case Shape.LIST:
            return Lines(part, **options)
    if is_separator(part.name):
        return Separator(**options)
    if _LONGER.search(part.name):
        return Text(widget=forms.Textarea(attrs={"rows": 3}), validators=[Length(_LONG)], **options)
    return Text(validators=[Length(_SHORT)], **options)


def help_for(part: Property) -> str:
    if part.shape is not Shape.LIST:
        return part.help
    how = "One a line, or with commas between" if is_split_at_commas(part) else "One a line"
    listed = f"{how}, of: {', '.join(part.choices)}." if 0 < len(part.choices) <= _LISTED else f"{how}."
    return f"{part.help} {listed}".strip()
