"""A clock that nobody sets, for what asks only how much time has passed."""

import time
from datetime import UTC, datetime, timedelta

_BEGAN, _AT = datetime.now(UTC), time.monotonic()


def steady() -> datetime:
    """The time of day as this process found it at its start, moved on by the time that passed since.

    The scheduler keeps when it last rang for what; by the host's clock it would be silent after a step back, for as
    long as the step, and enqueue for everything at once after one ahead.
    """
    return _BEGAN + timedelta(seconds=time.monotonic() - _AT)
