"""How far somebody has read Dagster's event log, so that no event is missed or taken twice.

Here: cursors into the log, as values and as the text that a sensor keeps. Not here: reading it, and what the events
say.

The database numbers events before others can see them: one may appear after another with a higher number. So those
of the last minute are looked at again at each tick, and a cursor holds which of them were taken before.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import dagster as dg

_SETTLING_SECONDS = 60.0


@dataclass(frozen=True)
class EventCursor:
    """All events up to the number `settled` were taken, and the `later` ones after it."""

    settled: int = 0
    later: tuple[int, ...] = ()

    def new(self, records: Iterable[dg.EventLogRecord]) -> list[dg.EventLogRecord]:
        """Those of the records after `settled` that were not taken."""
        known = set(self.later)
        return [record for record in records if record.storage_id not in known]

    def after(self, taken: Sequence[dg.EventLogRecord]) -> "EventCursor":
        """The cursor once the first records after `settled`, in order, are taken as well."""
        now, settled = time.time(), self.settled
        # One of the future is old too: the clock was set back since.
        for record in takewhile(lambda record: abs(now - record.timestamp) > _SETTLING_SECONDS, taken):
            settled = record.storage_id
        numbers = {*self.later, *(record.storage_id for record in taken)}
        return EventCursor(settled, tuple(sorted(number for number in numbers if number > settled)))


def read_cursors(text: str) -> dict[str, EventCursor]:
    """The cursors that the text of a sensor holds, by name."""
    return {name: EventCursor(settled, tuple(later)) for name, (settled, later) in json.loads(text).items()}


def write_cursors(cursors: Mapping[str, EventCursor]) -> str:
    """Some cursors as the text of a sensor."""
    return json.dumps({name: (cursor.settled, cursor.later) for name, cursor in cursors.items()})
