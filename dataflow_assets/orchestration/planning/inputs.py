"""What a partition of an answer is made from: the days that it reads, and the versions of the tables on these days.

Here: the rules, on values. Not here: reading the tables (see `warehouse.scan`), and what follows from a change (see
`downstream`).
"""

from calendar import monthrange
from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from dataflow_assets.analytics import Answer
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.scan import Table


def days_before(answer: Answer, timezone: str) -> int:
    """How many days before an answer's own day the events that it reads may have started."""
    if not answer.reads_overlapping:
        return answer.trailing_days
    events = (source for name in answer.reads if isinstance(source := find_source(name), Events))
    # An event without an end is an instant; what has one, has a longest duration (see `analytics.base`).
    longest = max(-(-source.longest // timedelta(days=1)) for source in events if source.longest is not None)
    # Where clocks change, a day may be shorter than 24 hours: the longest event may reach over one more.
    has_even_days = ZoneInfo(timezone).utcoffset(None) is not None
    return answer.trailing_days + longest + (0 if has_even_days else 1)


def days_read(answer: Answer, day: date, timezone: str) -> list[date]:
    """The days whose events an answer may read for its partition of a day (of a month: its first day)."""
    last = monthrange(day.year, day.month)[1] - 1 if answer.grain == "month" else 0
    return [day + timedelta(days=number) for number in range(-days_before(answer, timezone), last + 1)]


def days_reached(answer: Answer, day: date, timezone: str) -> Iterator[date]:
    """The partitions (months by their first days) that may read the events of a day: those with it in `days_read`."""
    for after in range(days_before(answer, timezone) + 1):
        reached = day + timedelta(days=after)
        yield reached.replace(day=1) if answer.grain == "month" else reached


def have_events(tables: Mapping[str, Table], days: Collection[date]) -> bool:
    """Whether there is any event on the days that an answer reads, or it reads none at all.

    Else the answer says nothing, not even 0: it must not matter whether there was an event once, or who asked.
    """
    loaded = [table.loaded for table in tables.values() if table.loaded is not None]
    return not loaded or not all(of_source.isdisjoint(days) for of_source in loaded)


def versions_read(tables: Mapping[str, Table], days: Collection[date]) -> dict[str, int]:
    """The versions of the tables that an answer of some days is made from; without an event snapshots do not count."""
    has_events = have_events(tables, days)
    return {name: table.version(days) for name, table in tables.items() if has_events or table.loaded is not None}
