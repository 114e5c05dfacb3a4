"""The sandbox's clock, which a setting puts back: so a scenario has connections that were made weeks ago."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import Sandbox


def now(app: "Sandbox") -> str:
    """ISO 8601, UTC, microseconds, as Fivetran writes it."""
    moment = datetime.now(UTC) - timedelta(seconds=app.settings.behind_seconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
