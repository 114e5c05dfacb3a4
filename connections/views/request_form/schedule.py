"""When it syncs, as a sentence: in UTC, as Fivetran reads it, and in the reader's own time."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from connections.spec.fields import BY_PATH, applicable

_DAILY = 1440  # minutes


def schedule_words(values: Mapping[str, Any], zone: tzinfo, today: datetime) -> str:
    """`today` decides whether the clocks of `zone` are on summer time."""
    answers = applicable(values)
    frequency = answers["sync_frequency"]
    if answers["schedule_type"] == "manual":
        return "No sync by itself: somebody starts each one."
    if frequency != _DAILY:
        often = str(dict(BY_PATH["sync_frequency"].choices)[frequency])
        return f"{often}, day and night."
    if not (at := answers.get("daily_sync_time")):
        return "Every day, at a time that Fivetran chooses."
    return f"Every day at {at} UTC{local_words(at, zone, today)}."


def local_words(at: str, zone: tzinfo, today: datetime) -> str:
    hour, _, minute = at.partition(":")
    moment = today.astimezone(UTC).replace(hour=int(hour), minute=int(minute))
    local = moment.astimezone(zone)
    if local.utcoffset() == moment.utcoffset():
        return ""
    city = str(zone).rpartition("/")[2].replace("_", " ")
    return f", {local:%H:%M} in {city}"
