"""What Python runs first in a process whose clock a test sets.

libfaketime up to 0.9.10 breaks Python's own `sleep` where it leaves the monotonic clock alone (its issue 426).
"""

import select
import time


def sleep(seconds: float) -> None:
    """As `time.sleep`, by another call of the system."""
    select.select([], [], [], seconds)


time.sleep = sleep  # type: ignore[assignment]  # floats are all that is asked for here
