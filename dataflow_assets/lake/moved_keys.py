"""On which days the keys of a delivery have rows in the lake, of events whose key happens once.

Here: looking them up after a commit. Not here: which row of a key counts (see `warehouse.moved_events`), and cutting
days (see `touched_days`).
"""

from collections.abc import Iterable
from datetime import date

import polars as pl
from deltalake.exceptions import DeltaError

from dataflow_assets.lake.delta.table import LakeTable
from dataflow_assets.lake.touched_days import ends, spans, spans_of_keys, touched_days
from dataflow_assets.sources.base import Events


def days_of_keys(
    table: LakeTable, source: Events, delivery: int, versions: Iterable[int], timezone: str
) -> frozenset[date]:
    """The days on which the lake has a row with a key that a delivery has now, or had in a version not recorded yet.

    Of two deliveries of one key the later finds the other, as it looks after its commit. The keys are held in memory,
    and the key's columns of all rows are read. All days where what an older version held is gone.

    Args:
        table: of the rows of the source.
        source: names key and event time.
        delivery: the small key of the object.
        versions: of the table, at which the object's rows count: from the last recorded one on.
        timezone: cuts the days.
    """
    newest = table.scan()
    try:
        keys = pl.concat([table.scan(version).filter(pl.col("delivery") == delivery) for version in versions])
        found = spans_of_keys(newest, keys, source)
    except (DeltaError, OSError, pl.exceptions.ComputeError):
        found = spans(newest, source).collect(engine="streaming")
    return touched_days(ends([found]), timezone)
