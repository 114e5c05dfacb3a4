"""The client as the site's settings describe it; the only module here that knows Django."""

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from . import rate_limit
from .client import FivetranClient
from .reader import FivetranReader

_FIVETRAN = "fivetran.com"


def card_host() -> str:
    """Where Connect Cards are: Fivetran's site; for another API root that root's own host."""
    root = urlsplit(settings.FIVETRAN_BASE_URL)
    return _FIVETRAN if root.hostname == f"api.{_FIVETRAN}" else root.netloc


def card_origins() -> list[str]:
    """The sources of `form-action` (Content-Security-Policy) that let a form's answer lead to a Connect Card."""
    if card_host() == _FIVETRAN:
        return [f"https://{_FIVETRAN}", f"https://*.{_FIVETRAN}"]
    root = urlsplit(settings.FIVETRAN_BASE_URL)
    return [f"{root.scheme}://{root.netloc}", f"{root.scheme}://{root.hostname}:*"]


def client(**overrides: Any) -> FivetranClient:
    """`overrides` are keyword arguments of FivetranClient. Raises ValueError for unusable settings."""
    return _client(settings.FIVETRAN_BASE_URL, settings.FIVETRAN_CREDENTIALS, _options(overrides))


def reader(**overrides: Any) -> FivetranReader:
    """The same without the calls that change anything."""
    return _reader(settings.FIVETRAN_BASE_URL, settings.FIVETRAN_CREDENTIALS, _options(overrides))


def _options(overrides: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    options = {
        "connect_timeout": settings.SUBMIT_CONNECT_TIMEOUT,
        "create_read_timeout": settings.SUBMIT_READ_TIMEOUT,
        "create_deadline": settings.SUBMIT_DEADLINE,
        "proxy_url": settings.FIVETRAN_PROXY_URL,
        "ca_bundle": settings.FIVETRAN_CA_BUNDLE,
        **overrides,
    }
    return tuple(sorted(options.items()))


def latest_rate_limit() -> rate_limit.RateLimit | None:
    return rate_limit.latest(settings.FIVETRAN_BASE_URL.rstrip("/"))


# The same settings give the same instance, so that its GETs share connections.
@lru_cache(maxsize=8)
def _client(base_url: str, credentials: Any, options: tuple[tuple[str, Any], ...]) -> FivetranClient:
    return FivetranClient(base_url, credentials, **dict(options))


@lru_cache(maxsize=8)
def _reader(base_url: str, credentials: Any, options: tuple[tuple[str, Any], ...]) -> FivetranReader:
    return FivetranReader(base_url, credentials, **dict(options))
