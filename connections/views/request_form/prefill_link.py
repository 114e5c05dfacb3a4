"""The link that opens a new form filled in, as far as an address can hold what differs from an empty one."""

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
    """An address, and the labels of what no address could hold."""

    address: str
    left_out: tuple[str, ...] = ()


def link(form: RequestForm, preset: str) -> Link:
    # What a new form begins with, from the defaults or the preset, need not be in the address.
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
    left_out = too_long({"preset": preset, **chosen})
    kept = {name: "" if list_name(name) in left_out else text for name, text in chosen.items()}
    chosen = {name: text for name, text in kept.items() if text or usual.get(name)}
    query = {"preset": preset, **chosen} if preset else chosen
    address = settings.PUBLIC_URL.rstrip("/") + reverse("connections:new")
    return Link(f"{address}?{urlencode(query)}" if query else address, tuple(label_of(form, name) for name in left_out))


def list_name(name: str) -> str:
    # A list is left out as a whole: half a list would be another answer.
    parts = name.split("__")
    return "__".join(parts[: next((place for place, part in enumerate(parts) if part.isdecimal()), len(parts))])


def too_long(texts: dict[str, str]) -> list[str]:
    # The largest first: as few as possible are left out.
    sizes: dict[str, int] = {}
    for name, text in texts.items():
        quoted = quote(f"&{urlencode({name: text})}", safe="/")  # as it stands inside the address of the log-in
        sizes[list_name(name)] = sizes.get(list_name(name), 0) + len(quoted)
    beginning = f"{reverse('login')}?next={reverse('connections:new')}"
    found, left = [], len(beginning) + sum(sizes.values())
    for name in sorted(sizes, key=lambda one: -sizes[one]):
        if left <= LONGEST:
            break
        found.append(name)
        left -= sizes[name]
    return found


def label_of(form: RequestForm, name: str) -> str:
    if name in form.fields:
        return form.plain_label(name)
    return next((rows.label for rows in form.config.lists.values() if rows.name == name), name)
