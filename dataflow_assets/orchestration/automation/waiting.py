"""A tick that waits for news: it looks, and where there is nothing to do it looks again when something has happened.

So what follows from a delivery is asked for at once, and while nothing happens nobody looks. The daemon ticks on as
ever: a tick that found nothing ends after 20 seconds, and what nobody told of is found by the next.

Here: looking again. Not here: what there is to see (see the sensors), and hearing of it (see `runtime.notices`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from dataflow_assets.runtime.notices import notices

TICK_SECONDS = 20.0  # Dagster gives up a tick after 60


@dataclass(frozen=True)
class Look:
    """What a look says, and after how many seconds the next is due if nothing happens before; None: the tick ends."""

    said: dg.SensorResult
    again_in: float | None = TICK_SECONDS


def look_until_there_is_something(look: Callable[[str | None], Look], cursor: str | None) -> dg.SensorResult:
    """Look from a cursor on until something is asked for, or the tick has lasted long enough.

    Where this process hears no news it looks once.
    """
    heard, end = notices(), time.monotonic() + TICK_SECONDS
    while True:
        count = heard.count if heard else 0
        found = look(cursor)
        left = end - time.monotonic()
        if heard is None or found.said.run_requests or found.again_in is None or left <= 0:
            return found.said
        cursor = found.said.cursor or cursor
        heard.wait(count, min(left, found.again_in))
        is_late = time.monotonic() >= end and heard.count == count
        if is_late or heard.is_over.is_set():
            return found.said
