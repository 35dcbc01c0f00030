"""The rows of an event table straight from the lake, for answers that PostgreSQL need not serve.

Here: which of the lake's rows count, as a lazy frame: those that `events` would put into the table. Not here: the
table (see `events` and `scan`), and which of the two answers read (a setting).
"""

from collections.abc import Collection
from datetime import date

import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.moved_events import ORDER

_HASH = "hash of the key"  # as no column is named; different keys may share one


def current_rows(lake: pl.LazyFrame, source: Events, days: Collection[date], timezone: str) -> pl.LazyFrame:
    """Of each key the latest row, of the days from the first to the last of some; the schema's columns.

    A hash of each key is held in memory, and the rows whose hash comes more than once; of a key that happens once those
    of all days.

    Args:
        lake: rows of the lake table: the schema's columns, `event_date` (UTC date) and where each came from.
        source: names key and event time.
        days: the business days, cut in `timezone`; at least one.
        timezone: the business time zone.
    """
    window = Window.of_days(min(days), max(days), timezone)
    happened = pl.col(source.event_time)
    within = pl.col("event_date").is_between(*window.dates) & happened.is_between(
        window.start, window.end, closed="left"
    )
    candidates = lake if source.happens_once else lake.filter(within)
    keyed = candidates.with_columns(pl.struct(source.key).hash().alias(_HASH))
    repeated = keyed.group_by(_HASH).len().filter(pl.col("len") > 1)
    alone = keyed.join(repeated, on=_HASH, how="anti")
    latest = keyed.join(repeated, on=_HASH, how="semi").sort(ORDER).unique(source.key, keep="last")
    return source.schema.cast(pl.concat([alone, latest]).filter(within))
