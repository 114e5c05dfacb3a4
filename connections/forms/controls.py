"""One control of the request form from one entry of `connections.spec.fields`: its type, choices, widget and words."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.forms.utils import flatatt
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connections.forms.offers import Offer
from connections.forms.typed_text import is_grouped, odd_blanks_in, readings, unseen_in, whole
from connections.spec.characters import visible
from connections.spec.fields import BY_PATH, NAME_PATTERN, NAMING, Field, Type
from connections.spec.rules import RULES, Effect

_RETURN_ADDRESS = "connect_card_config.redirect_uri"
_LONGEST_LIST = 24  # choices that an error still names one by one
_LARGEST = 2**31 - 1  # an int32, as Fivetran's OpenAPI file types its integers
_USERNAME = re.compile(r"[\w.+-]{1,150}")
_TRUE, _FALSE = frozenset({"true", "1", "on", "yes"}), frozenset({"false", "0", "off", "no", ""})


def own_return_address() -> str:
    return settings.PUBLIC_URL.rstrip("/") + reverse("connections:handover_return")


def truth(text: str) -> bool | None:
    """A checkbox or a link's parameter as a boolean; None where it is neither."""
    lowered = text.lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else None


# Unlike Django's, this widget hands the posted text on, so that an error can name a refused text.
class Checkbox(forms.CheckboxInput):
    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, check_test=lambda value: truth(str(value)) is True)

    def format_value(self, value: Any) -> str | None:
        # What the box sends once ticked: the browser's own "on" where it is off now; "false" would untick it again.
        return None if truth(str(value or "")) is False else super().format_value(value)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:  # type: ignore[override]
        return str(data.get(name, ""))


class Flag(forms.Field):
    widget = Checkbox

    def to_python(self, value: Any) -> bool:
        answer = truth(str(value or ""))
        if answer is None:
            raise ValidationError("Choose one of: true, false")
        return answer


# The element is written in one go: with Django's template for each option, 800 services take 30 ms.
class Select(forms.Select):
    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        chosen, attributes = str(value or ""), self.build_attrs(self.attrs, {"name": name, **(attrs or {})})
        rows = [(key, " selected" if str(key) == chosen else "", label) for key, label in self.choices]
        # Without an empty option a browser would show the first one as the answer.
        if not any(selected for _, selected, _ in rows):
            rows.insert(0, ("", " selected", "Choose…"))
        options = format_html_join("", '<option value="{}"{}>{}</option>', rows)
        return format_html("<select{}>{}</select>", flatatt(attributes), options)


# Typed as text: a number input would throw away what is not a number.
class Integer(forms.IntegerField):
    def read(self, text: str) -> str:
        return whole(text)

    def to_python(self, value: Any) -> int | None:
        # Django reads 1.000 as 1, which is a thousand to half of those who write it.
        if is_grouped(str(value or "").strip()):
            raise ValidationError("Write the number without a mark between its digits")
        return super().to_python(value)


class Chosen(forms.TypedChoiceField):
    widget = Select

    def __init__(self, *, choices: Sequence[tuple[Any, str]], label: str, **options: Any) -> None:
        """`choices` are (value, label); the empty choice, if any, has the value ""."""
        values = [str(value) for value, _ in choices if value != ""]
        words = f"Choose the {_lower(label)} from the list"
        if 0 < len(values) <= _LONGEST_LIST:
            words = f"Choose one of: {', '.join(values)}"
        elif not values:
            words = "Leave this empty: there is nothing to choose from"
        super().__init__(
            choices=choices, label=label, error_messages={"invalid_choice": words, "required": words}, **options
        )

    def read(self, text: str) -> str:
        """The offered value that a spreadsheet shows as `text` ("3:00" for 03:00); `text` where there is none."""
        return text if self.valid_value(text) else next(filter(self.valid_value, readings(text)), text)

    def keep(self, text: str) -> None:
        # Nothing that came in may turn into something else: a text that is not offered is shown as the chosen one.
        if text and not self.valid_value(text):
            shown = text if len(text) <= 80 else f"{text[:80]}…"
            self.widget.choices = [*list(self.widget.choices), (text, f"{visible(shown)} (not offered)")]


class WholeNumber(Integer):
    """A count of 1 or more; `words` say what to enter."""

    def __init__(self, *, words: str, **options: Any) -> None:
        messages = {"invalid": words, "min_value": words, "max_value": f"Enter {_LARGEST} or less"}
        widget = forms.TextInput(attrs={"inputmode": "numeric"})
        super().__init__(min_value=1, max_value=_LARGEST, error_messages=messages, widget=widget, **options)


def control(field: Field, offer: Offer | None = None) -> forms.Field:
    # Whether a field without a default may stay empty depends on the other answers.
    options: dict[str, Any] = {"required": False, "label": label_of(field), "help_text": field.help}
    nothing = "Choose…" if field.enter else "Fivetran’s own choice"
    if field.type is Type.BOOLEAN:
        made: forms.Field = Flag(**options)
    elif offer is not None and offer.known:
        made = Chosen(choices=[("", nothing if offer.options else "None"), *offer.choices], **options)
    elif field.choices:
        empties = [] if field.default is not None else [("", nothing)]
        coerce = int if field.type is Type.INTEGER else str
        options["required"] = field.default is not None
        made = Chosen(choices=[*empties, *field.choices], coerce=coerce, empty_value=None, **options)
    elif field.type is Type.INTEGER:
        made = WholeNumber(words=field.enter, **options)
    else:
        made = text_field(field, options)
    is_list = isinstance(made.widget, forms.Select)
    css = "form-check-input" if isinstance(made.widget, forms.CheckboxInput) else "form-select" if is_list else ""
    made.widget.attrs |= {"class": css or "form-control"}
    return made


def as_cards(made: forms.Field) -> None:
    """Draw the choices of `made` as radio buttons, each on a card of its own."""
    radios = forms.RadioSelect(attrs={"class": "form-check-input"})
    radios.choices = made.widget.choices
    made.widget = radios


def refuse(made: forms.Field, words: str) -> None:
    def no(_value: Any) -> None:
        raise ValidationError(words)

    made.error_messages["invalid_choice"] = words
    made.validators = [*made.validators, no]


def label_of(field: Field) -> str:
    # Optional fields are marked and not the required ones: GOV.UK found that clearer than stars.
    depends = any(rule.path == field.path and rule.effect is Effect.REQUIRED for rule in RULES)
    filled = field.required or depends or field.default is not None or field.type is Type.BOOLEAN
    return field.label if filled else f"{field.label} (optional)"


def _lower(label: str) -> str:
    label = label.removesuffix(" (optional)")
    return label if label[1:2].isupper() or label.startswith("PrivateLink") else label[:1].lower() + label[1:]


def text_field(field: Field, options: dict[str, Any]) -> forms.CharField:
    sent = Text if not field.ours and field.path not in NAMING else forms.CharField
    kind = ReturnAddress if field.type is Type.URI else sent
    made = kind(**options, validators=[Length(field.max_length)])
    if field.path == "reason":
        made.widget = forms.Textarea(attrs={"rows": 3})
    else:
        made.widget.attrs |= {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
    if field.path in NAMING:
        made.validators.append(check_name)
    elif field.path == "source_owner":
        made.validators.append(check_person)
    elif field.type is Type.URI:
        made.validators.append(check_return_address)
    return made


class Text(forms.CharField):
    warning = ""

    def keep(self, text: str) -> None:
        # A one-line input would drop the line breaks.
        if "\n" in text and not isinstance(self.widget, forms.Textarea):
            self.widget = forms.Textarea(attrs={**self.widget.attrs, "rows": 3})
        if odd := odd_blanks_in(text) or unseen_in(text):
            self.warning = f"This holds more than it shows: {odd}."


class ReturnAddress(forms.CharField):
    """An address with its scheme and host in small letters, as Fivetran wants them and RFC 3986 allows."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        scheme, separator, rest = text.partition("://")
        if not separator or len(text) > BY_PATH[_RETURN_ADDRESS].max_length:
            return text
        end = re.search(r"[/?#]|$", rest)
        place = end.start() if end else len(rest)
        return f"{scheme.lower()}://{rest[:place].lower()}{rest[place:]}"


class Length:
    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, text: str) -> None:
        if len(text) > self.limit:
            raise ValidationError(f"Use {self.limit:,} characters or fewer. These are {len(text):,}.")


def check_name(text: str) -> None:
    if not re.fullmatch(NAME_PATTERN.strip("^$"), text, re.ASCII):
        raise ValidationError("Use small letters a to z, digits and _, beginning with a letter or _")


def check_person(text: str) -> None:
    # Whether somebody has that name is not asked: the answer would tell it to everybody.
    if "@" not in text:
        if not _USERNAME.fullmatch(text):
            raise ValidationError("Enter a username of this portal, or an e-mail address")
        return
    try:
        validate_email(text)
    except ValidationError:
        raise ValidationError("Enter an e-mail address such as name@example.com, or a username") from None


def check_return_address(text: str) -> None:
    if text == own_return_address() or len(text) > BY_PATH[_RETURN_ADDRESS].max_length:
        return  # a longer one is refused as such; to split it could take the square of its length
    try:
        address = urlsplit(text)
        host, usable = (address.hostname or "").lower(), address.port is None or address.port > 0
    except ValueError:
        host, usable, address = "", False, urlsplit("")
    if not usable or not host or address.scheme not in {"http", "https"} or not re.fullmatch(r"[!-\[\]-~]+", text):
        raise ValidationError("Enter the return address, beginning with https:// or http://")
    allowed = [name.lower() for name in settings.CONNECT_CARD_REDIRECT_HOSTS]
    if host not in allowed or address.username is not None:
        others = f", or an address on one of: {', '.join(allowed)}" if allowed else ""
        raise ValidationError(f"Enter {own_return_address()}{others}")
