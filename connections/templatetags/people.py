"""People on pages: initials and the real name, "you" for the reader."""

from typing import Any
from zlib import crc32

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connections.people import Named, display_name, initials
from connections.spec import characters
from connections.templatetags.icons import HUES

register = template.Library()


@register.simple_tag(takes_context=True)
def person(context: dict[str, Any], who: Named | None, you: str = "you") -> SafeString | str:
    """Initials and name of `who`; `you` where the reader is meant; nothing for nobody."""
    if who is None:
        return ""
    name, reader = display_name(who), context.get("user")
    shown = you if reader is not None and reader == who else characters.visible(name)
    return format_html(
        '<span class="person"><span class="avatar hue-{}" aria-hidden="true">{}</span> <bdi>{}</bdi></span>',
        crc32(who.get_username().encode()) % HUES,
        initials(name),
        shown,
    )


@register.filter
def person_name(who: Named) -> str:
    return characters.visible(display_name(who))
