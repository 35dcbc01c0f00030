"""Which event days rows of the lake touch.

Here: pure functions over frames. Not here: who is told of the days (see `ingest`), and where a day begins (see
`core.time_windows`).
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import polars as pl

from dataflow_assets.core.time_windows import day_of
from dataflow_assets.sources.base import Events

_START = datetime(1970, 1, 1, tzinfo=UTC)


def spans(rows: pl.LazyFrame, source: Events) -> pl.LazyFrame:
    """The times of the first and the last event of each UTC date: `event_date` (Date), `first` and `last`.

    Args:
        rows: of the lake table: the event time and `event_date`.
        source: names the event time.
    """
    time = pl.col(source.event_time)
    return rows.group_by("event_date").agg(first=time.min(), last=time.max())


def spans_of_keys(rows: pl.LazyFrame, keys: pl.LazyFrame, source: Events) -> pl.DataFrame:
    """The `spans` of all rows that have one of some keys.

    Args:
        rows: of the lake table.
        keys: the columns of the source's key; they are held in memory, the rows are not.
        source: names key and event time.
    """
    key = list(source.key)
    return spans(rows.join(keys.select(key).unique(), on=key, how="semi"), source).collect(engine="streaming")


def ends(found: Iterable[pl.DataFrame]) -> list[int]:
    """The first and the last instant of each UTC date in some spans, in microseconds since 1970."""
    together = pl.concat([pl.DataFrame(schema=["event_date", "first", "last"]), *found], how="vertical_relaxed")
    if together.is_empty():
        return []
    first, last = pl.min("first").dt.epoch("us"), pl.max("last").dt.epoch("us")
    pairs = together.group_by("event_date").agg(first, last).select("first", "last")
    return sorted({instant for pair in pairs.iter_rows() for instant in pair})


def touched_days(instants: Iterable[int], timezone: str) -> frozenset[date]:
    """The days, in a time zone, on which events happened, by their `ends`.

    A UTC date reaches over two days of a time zone, so that its first and its last event tell which.
    """
    return frozenset(day_of(_START + timedelta(microseconds=instant), timezone) for instant in instants)
