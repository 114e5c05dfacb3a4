"""Icons as inline SVG, which needs neither a request nor an exception of the Content-Security-Policy."""

import re
from functools import lru_cache
from zlib import crc32

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from heroicons.templatetags.heroicons import heroicon_outline

from connections.people import initials

register = template.Library()

HUES = 8  # `.hue-0` to `.hue-7` in portal.css
# By the id of a service, which every page knows; of a kind whose picture says more than the letters of a name.
_DATABASE = re.compile(
    r"postgres|mysql|maria|mongo|sql_?server|dynamodb|documentdb|cockroach|cosmos|firebase|db2|aurora"
    r"|opensearch|elastic_cloud|_db$|^oracle$|^oracle_(?:hva|rac|rds|sap)"
)
_FILE = re.compile(r"^(?:s3|gcs|box|dropbox|email|ftp|sftp)$|^s3_|google_(?:drive|sheets)|one_drive|share_point|blob_")
_EVENT = re.compile(r"kafka|kinesis|event_hub|^(?:segment|snowplow|webhooks)$")
_FUNCTION = re.compile(r"lambda|function$|connector_sdk")


@register.simple_tag
@lru_cache
def icon(name: str, size: int = 20) -> str:
    """A heroicon of that many pixels, hidden from screen readers: the text beside it says the same."""
    return heroicon_outline(name, size=size, **{"class": "icon", "aria-hidden": "true"})


@register.simple_tag
@lru_cache(maxsize=2_000)
def service_icon(service: str, name: str, size: str = "") -> SafeString:
    """A tile for a service: its kind's picture or its initials, in a hue of its own; `size` is "", "sm" or "lg"."""
    picture = _picture(service)
    inside = icon(picture, 24) if picture else initials(name or service)
    hue, sized = crc32(service.encode()) % HUES, f" service-icon-{size}" if size else ""
    return format_html('<span class="service-icon hue-{}{}" aria-hidden="true">{}</span>', hue, sized, inside)


def _picture(service: str) -> str:
    if _DATABASE.search(service):
        return "circle-stack"
    if _FILE.search(service):
        return "document-text"
    if _EVENT.search(service):
        return "bolt"
    return "code-bracket" if _FUNCTION.search(service) else ""
