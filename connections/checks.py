"""What `manage.py check --deploy` adds to Django's own checks: settings that start well and fail people later."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

_SHORT = 32  # characters; a shorter secret of a webhook is not a random one


@register(Tags.security, deploy=True)
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """One message for each setting that is fine on a laptop and wrong in production."""
    return [*_credentials(), *_addresses(), *_places()]


def _credentials() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    try:
        settings.FIVETRAN_CREDENTIALS()
    except ImproperlyConfigured as error:
        messages.append(Error(str(error), id="connections.E001"))
    if 0 < len(settings.FIVETRAN_WEBHOOK_SECRET) < _SHORT:
        messages.append(
            Warning(
                "FIVETRAN_WEBHOOK_SECRET can be guessed: with it anybody makes the portal ask Fivetran on and on.",
                hint=f"Set it to a random text of {_SHORT} characters or more, and register the webhook anew.",
                id="connections.W005",
            )
        )
    return messages


def _addresses() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if not settings.PUBLIC_URL.startswith("https://"):
        messages.append(
            Warning(
                f"PUBLIC_URL is {settings.PUBLIC_URL}, so cookies and passwords travel in the clear.",
                hint="Put a proxy that ends TLS in front and set PUBLIC_URL to its https address.",
                id="connections.W001",
            )
        )
    if settings.FIVETRAN_IS_LOCAL:
        messages.append(
            Warning(
                f"FIVETRAN_BASE_URL is {settings.FIVETRAN_BASE_URL}, a stand-in on this machine.",
                hint="Unset it to use https://api.fivetran.com.",
                id="connections.W002",
            )
        )
    return messages


def _places() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        messages.append(
            Warning(
                "Mail is printed by the worker instead of sent.",
                hint="Set EMAIL_URL, for instance smtp+tls://user:password@mail.example.com:587.",
                id="connections.W003",
            )
        )
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        messages.append(
            Warning(
                "The database is an SQLite file, which one machine can use and nobody can fail over.",
                hint="Set DATABASE_URL to a PostgreSQL server.",
                id="connections.W004",
            )
        )
    return messages
