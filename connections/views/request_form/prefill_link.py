"""The link that opens a new form filled in: with what differs from its beginning, as far as an address can hold it."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from django.conf import settings
from django.urls import reverse

from connections.forms import RequestForm, presets
from connections.forms.controls import own_return_address
from connections.forms.rows import text_of, unfolded
from connections.models import Preset
from connections.spec.fields import defaults
from connections.views.request_form.prefill import number

# Web servers take a first line of about 8,190 bytes (gunicorn's most, with method and version in it), and answer a
# longer one with a bare 414. Who is not logged in is first sent to an address that holds this one, quoted again.
LONGEST = 8_000


@dataclass(frozen=True)
class Link:
    """An address, and the labels of what is not in it because no address could hold it."""

    address: str
    left_out: tuple[str, ...] = ()


def link(form: RequestForm, preset: str) -> Link:
    """The link for what `form` holds now, as far as that differs from what a new form begins with.

    That is the defaults, and with a preset what the preset fills in over them.
    """
    usual = {**unfolded(defaults()), "connect_card_config__redirect_uri": own_return_address()}
    usual["use_connect_card"] = text_of(form.suggests_card)
    begun = presets.beginning(Preset.objects.offered().filter(pk=number(preset)).first()) if preset else {}
    usual |= begun
    held = unfolded(form.values())
    emptied = {name: "" for name in begun if name not in held}  # else the preset would fill it again
    chosen = {
        name: text
        for name, text in {**held, **emptied}.items()
        if text != usual.get(name, "") and not hasattr(form.fields.get(name), "fixed_words")
    }
    left_out = _too_long({"preset": preset, **chosen})
    kept = {name: "" if _whole(name) in left_out else text for name, text in chosen.items()}
    chosen = {name: text for name, text in kept.items() if text or usual.get(name)}
    query = {"preset": preset, **chosen} if preset else chosen
    address = settings.PUBLIC_URL.rstrip("/") + reverse("connections:new")
    return Link(f"{address}?{urlencode(query)}" if query else address, tuple(_label(form, name) for name in left_out))


def _quoted(text: str) -> int:
    """The bytes that a part of an address takes inside another address."""
    return len(quote(text, safe="/"))


def _whole(name: str) -> str:
    """The name of the list that a control stands in, which is left out as a whole; else its own."""
    parts = name.split("__")
    return "__".join(parts[: next((place for place, part in enumerate(parts) if part.isdecimal()), len(parts))])


def _too_long(texts: dict[str, str]) -> list[str]:
    """The largest of `texts`, as few of them as have to be left out."""
    sizes: dict[str, int] = {}
    for name, text in texts.items():
        sizes[_whole(name)] = sizes.get(_whole(name), 0) + _quoted(f"&{urlencode({name: text})}")
    beginning = f"{reverse('login')}?next={reverse('connections:new')}"
    found, left = [], len(beginning) + sum(sizes.values())
    for name in sorted(sizes, key=lambda one: -sizes[one]):
        if left <= LONGEST:
            break
        found.append(name)
        left -= sizes[name]
    return found


def _label(form: RequestForm, name: str) -> str:
    if name in form.fields:
        return form.plain_label(name)
    return next((rows.label for rows in form.config.lists.values() if rows.name == name), name)
