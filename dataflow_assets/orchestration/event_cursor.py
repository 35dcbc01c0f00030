"""How far somebody has read Dagster's event log, so that no event is missed or taken twice.

Here: cursors into the log, as values and as the text that a sensor keeps. Not here: reading it, and what the events
say.

The database numbers events before others can see them: one may appear after another with a higher number. So an event
is looked at again for a minute after it was taken, and a cursor holds which were taken. The minute is one of the
reader's clock: that of the worker that wrote the event may be another one.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

_SETTLING_SECONDS = 60.0
_MOST_AT_ONCE = 10_000  # events that Dagster gives


@dataclass(frozen=True)
class EventCursor:
    """All events up to the number `settled` were taken, and the `later` ones after it.

    Each of `looks` took something: when it was, and the number up to which it took all that could be seen.
    """

    settled: int = 0
    later: tuple[int, ...] = ()
    looks: tuple[tuple[float, int], ...] = ()

    def limit(self, most: int) -> int:
        """How many events to read after `settled` so that up to so many are new."""
        return min(most + len(self.later), _MOST_AT_ONCE)

    def new(self, records: Iterable[dg.EventLogRecord]) -> list[dg.EventLogRecord]:
        """Those of the records after `settled` that were not taken."""
        known = set(self.later)
        return [record for record in records if record.storage_id not in known]

    def after(self, taken: Sequence[dg.EventLogRecord]) -> "EventCursor":
        """The cursor once the first records after `settled`, in order, are taken as well."""
        now, looks, reach = round(time.time(), 1), self.looks, taken[-1].storage_id if taken else self.settled
        if self.new(taken):
            looks = (*looks, (now, reach))
        # A look of the future is old too: the clock was set back since.
        old = [min(number, reach) for at, number in looks if abs(now - at) >= _SETTLING_SECONDS]
        settled = max(old, default=self.settled)
        numbers = {*self.later, *(record.storage_id for record in taken)}
        later = tuple(sorted(number for number in numbers if number > settled))
        return EventCursor(settled, later, tuple(look for look in looks if look[1] > settled))


def read_cursors(text: str) -> dict[str, EventCursor]:
    """The cursors that the text of a sensor holds, by name; the builds before this one wrote no looks."""
    return {
        name: EventCursor(settled, tuple(later), tuple((at, number) for looks in rest for at, number in looks))
        for name, (settled, later, *rest) in json.loads(text).items()
    }


def write_cursors(cursors: Mapping[str, EventCursor]) -> str:
    """Some cursors as the text of a sensor."""
    return json.dumps({name: (cursor.settled, cursor.later, cursor.looks) for name, cursor in cursors.items()})
