"""A clock that nobody sets, for code that asks only how much time has passed."""

import time
from datetime import UTC, datetime, timedelta

_BEGAN, _AT = datetime.now(UTC), time.monotonic()


def steady() -> datetime:
    """The time of day at the start of this process, plus the time that has passed since."""
    # The scheduler keeps when it last enqueued each task. By the host's clock it would stop after a step back, for as
    # long as the step, and enqueue everything at once after a step ahead.
    return _BEGAN + timedelta(seconds=time.monotonic() - _AT)
