"""The rows of a stretch of days, read once for all the partitions of an answer that are made of them.

A statement for each partition would take longer than a small partition does otherwise.

Here: holding the rows of a table in memory, where they are few. Not here: reading a table (see `scan`), and which days
a partition reads (see `orchestration.planning.inputs`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date

import polars as pl

from dataflow_assets.analytics import Answer
from dataflow_assets.analytics.lineage import columns_read
from dataflow_assets.core.time_windows import Window
from dataflow_assets.postgres.arrow import BATCH_ROWS
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.scan import Table

_MOST_ROWS = 4 * BATCH_ROWS  # of a table, and of those only the columns that the answer reads


def hold_rows(
    answer: Answer, tables: Mapping[str, Table], days: Collection[date], timezone: str
) -> dict[str, Table] | None:
    """The tables that an answer reads, those with few rows as they are in memory; None where its events are too many.

    Args:
        answer: one with a function; of other columns than those that its query reads nothing is held.
        tables: by source.
        days: the event days that any of the partitions reads.
        timezone: cuts the days.
    """
    held = {}
    for name, table in tables.items():
        held[name] = _hold(name, table, _columns(answer, name), days, timezone) or table
        if held[name] is table and table.loaded is not None:
            return None
    return held


def _columns(answer: Answer, source: str) -> list[str]:
    """The columns that an answer reads of a source; one at least, for rows that are only counted."""
    read = {column for columns in columns_read(answer).values() for name, column in columns if name == source}
    declared = find_source(source)
    always = declared.event_time if isinstance(declared, Events) else declared.schema.column_names()[0]
    return sorted({*read, always})


def _hold(name: str, table: Table, columns: Iterable[str], days: Collection[date], timezone: str) -> Table | None:
    source = find_source(name)
    rows = table.scan(days).select(columns).head(_MOST_ROWS + 1).collect(engine="streaming")
    if rows.height > _MOST_ROWS:
        return None

    def scan(days: Iterable[date]) -> pl.LazyFrame:
        if not isinstance(source, Events):
            return rows.lazy()
        window = Window.of_days(min(days), max(days), timezone)
        return rows.lazy().filter(pl.col(source.event_time).is_between(window.start, window.end, closed="left"))

    return replace(table, scan=scan)
