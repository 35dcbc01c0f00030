"""Which event days rows of the lake touch.

Here: pure functions over frames. Not here: who is told of the days (see `intake`), and where a day begins (see
`window`).
"""

from collections.abc import Iterable
from datetime import date

import polars as pl

from dataflow_assets.sources.declaration import Events
from dataflow_assets.window import day_of


def spans(rows: pl.LazyFrame, source: Events) -> pl.LazyFrame:
    """The times of the first and the last event of each UTC date: `event_date` (Date), `first` and `last`.

    Args:
        rows: of the lake table: the event time and `event_date`.
        source: names the event time.
    """
    time = pl.col(source.event_time)
    return rows.group_by("event_date").agg(first=time.min(), last=time.max())


def touched_days(found: Iterable[pl.DataFrame], timezone: str) -> set[date]:
    """The days, in a time zone, on which the events of some spans happened.

    A UTC date reaches over two days of a time zone, so that its first and its last event tell which.
    """
    together = pl.concat([pl.DataFrame(schema=["event_date", "first", "last"]), *found], how="vertical_relaxed")
    ends = together.group_by("event_date").agg(pl.min("first"), pl.max("last")).drop("event_date")
    return {day_of(instant, timezone) for pair in ends.iter_rows() for instant in pair}
