"""Waiting for what must hold in the end.

Here: asking again until it does, bounded. Not here: what is asked (for statements see the warehouse's `builders`).
"""

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], bool], seconds: float = 300) -> None:
    """Return as soon as something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.05)
