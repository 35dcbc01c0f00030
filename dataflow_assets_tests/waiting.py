"""Waiting for what must hold in the end.

Here: asking again until it does, bounded. Not here: what is asked (for statements see the warehouse's `builders`).
"""

import datetime
import time
from collections.abc import Callable


def wait_until(holds: Callable[[], bool], seconds: float = 300) -> None:
    """Return as soon as something holds; most of the processor is left to what brings that about."""
    deadline = time.monotonic() + seconds
    asked = time.monotonic()
    while not holds():
        now = time.monotonic()
        assert now < deadline, f"not within {seconds} seconds"
        time.sleep(min(1, max(0.05, 4 * (now - asked))))
        asked = time.monotonic()


def wait_past_midnight() -> None:
    """Return at once, but in the last minutes of a day in UTC: for what asks twice which day it is."""
    wait_until(lambda: datetime.datetime.now(datetime.UTC).time() < datetime.time(23, 55), seconds=400)
