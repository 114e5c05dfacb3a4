"""When it syncs, as a sentence, beside the reader's own time."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connections.views.request_form.schedule import schedule_words

WINTER, SUMMER = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)
DAILY = {"sync_frequency": 1440, "daily_sync_time": "03:00"}


@pytest.mark.parametrize(
    ("values", "zone", "today", "words"),
    [
        (DAILY, "Europe/Berlin", WINTER, "Every day at 03:00 UTC, 04:00 in Berlin."),
        (DAILY, "Europe/Berlin", SUMMER, "Every day at 03:00 UTC, 05:00 in Berlin."),
        (DAILY, "America/New_York", WINTER, "Every day at 03:00 UTC, 22:00 in New York."),
        (DAILY, "UTC", WINTER, "Every day at 03:00 UTC."),
        ({"sync_frequency": 1440}, "Europe/Berlin", WINTER, "Every day, at a time that Fivetran chooses."),
        ({"sync_frequency": 15}, "UTC", WINTER, "Every 15 minutes, day and night."),
        ({"schedule_type": "manual"}, "UTC", WINTER, "No sync by itself: somebody starts each one."),
        ({**DAILY, "sync_frequency": 60}, "UTC", WINTER, "Every hour, day and night."),
    ],
)
def test_the_schedule_is_a_sentence(values: dict[str, Any], zone: str, today: datetime, words: str) -> None:
    assert schedule_words(values, ZoneInfo(zone), today) == words
