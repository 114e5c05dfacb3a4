"""Icons as inline SVG, which needs neither a request nor an exception of the Content-Security-Policy."""

from functools import lru_cache
from zlib import crc32

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from heroicons.templatetags.heroicons import heroicon_outline

from connections.people import initials

register = template.Library()

HUES = 8  # `.hue-0` to `.hue-7` in portal.css
# Fivetran's `type` of a service, as far as one picture says more than the name's letters.
_PICTURES = {
    "database": "circle-stack",
    "file": "document-text",
    "event": "bolt",
    "function": "code-bracket",
    "warehouse": "server-stack",
}


@register.simple_tag
@lru_cache
def icon(name: str, size: int = 20) -> str:
    """A heroicon of that many pixels, hidden from screen readers: the text beside it says the same."""
    return heroicon_outline(name, size=size, **{"class": "icon", "aria-hidden": "true"})


@register.simple_tag
def service_icon(service: str, name: str, category: str = "", size: str = "") -> SafeString:
    """A tile for a service: its kind's picture or its initials, in its category's hue; `size` is "", "sm" or "lg"."""
    kind = category.lower().removesuffix("s")
    picture = _PICTURES.get(kind)
    hue = crc32((kind or service).encode()) % HUES
    inside = icon(picture, 24) if picture else initials(name or service)
    return format_html('<span class="service-icon hue-{}{}" aria-hidden="true">{}</span>', hue, _sized(size), inside)


def _sized(size: str) -> str:
    return f" service-icon-{size}" if size else ""
