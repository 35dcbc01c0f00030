"""Load several small days of events that their table never had, by one transaction.

Here: new days with few rows. What was loaded before, is of a month whose days are merged, holds a key twice or fails
is left to `events`, which makes one day at a time. Not here: the statements (see `postgres.new_partitions`).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import LostRowsError
from dataflow_assets.ledger.event_days import read_day_versions, write_event_days
from dataflow_assets.postgres.arrow import BATCH_ROWS, in_batches
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.locks import advisory_locks
from dataflow_assets.postgres.new_partitions import add_partitions
from dataflow_assets.postgres.row_ids import ID, row_id, typed_columns
from dataflow_assets.postgres.schema import index_methods
from dataflow_assets.postgres.schema_check import require_columns
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.day_tables import day_partition, find_merged, keep_months
from dataflow_assets.warehouse.events import DayLoad, day_rows, made_of, window_rows

_ORIGIN = ("delivery", "position", "event_date")


def load_new_days(
    connection: Connection, source: Events, lake: pl.LazyFrame, lake_version: int, days: Sequence[date], timezone: str
) -> list[DayLoad]:
    """Do what `load_day` does for those of some days that it need not do one by one; all of these or none.

    Args:
        connection: where.
        source: as of `load_day`, with `lake`, `lake_version` and `timezone`.
        lake: see there.
        lake_version: see there.
        days: the business days.
        timezone: see there.

    Raises:
        LostRowsError: the sums of one do not hold.
    """
    if source.happens_once:  # whose rows follow from those of other days
        return []
    with transaction(connection):
        left_out = _not_new(connection, source, days)
    rows = _read_days(lake, source, [day for day in days if day not in left_out], timezone)
    return _add(connection, source, rows, lake_version, timezone) if rows else []


def _not_new(connection: Connection, source: Events, days: Collection[date]) -> set[date]:
    """The days that were loaded before, and those whose month has one table."""
    return {*read_day_versions(connection, source), *find_merged(connection, source, days)}


def _read_days(lake: pl.LazyFrame, source: Events, days: Sequence[date], timezone: str) -> dict[date, pl.DataFrame]:
    """The rows of each day as the table takes them, without days on which a key comes twice; nothing of many rows."""
    if not days:
        return {}
    of_all = window_rows(lake, source, Window.of_days(min(days), max(days), timezone))
    columns = [*source.schema.column_names(), *_ORIGIN]
    held = of_all.select(columns).head(BATCH_ROWS + 1).collect(engine="streaming")
    if held.height > BATCH_ROWS:
        return {}
    keyed = held.with_columns(row_id(held.schema, source.key))
    of_days = {day: day_rows(keyed.lazy(), source, day, timezone).collect() for day in days}
    return {
        day: rows.select(pl.lit(day, pl.Date).alias("event_day"), ID, *typed_columns(source), "delivery", "position")
        for day, rows in of_days.items()
        if rows.get_column(ID).n_unique() == rows.height
    }


def _add(
    connection: Connection,
    source: Events,
    rows: Mapping[date, pl.DataFrame],
    lake_version: int,
    timezone: str,
) -> list[DayLoad]:
    days = sorted(rows)
    what = f"{source.name} of {days[0]} to {days[-1]}"
    with transaction(connection):
        keep_months(connection, source, days)
        require_columns(connection, source)
        advisory_locks(connection, [(source.name, day.isoformat()) for day in days])
        if not rows.keys().isdisjoint(_not_new(connection, source, days)):
            return []  # somebody has loaded one of them, or merged its month, meanwhile
        batches = in_batches(pl.concat([rows[day] for day in days]))
        partitions = [day_partition(source, day, timezone) for day in days]
        counted = add_partitions(connection, partitions, batches, [ID], index_methods(source), what)
        loads = [
            DayLoad(day=day, accepted=rows[day].height, rows=counted[day.isoformat()], superseded=0) for day in days
        ]
        if any(load.accepted != load.rows for load in loads):
            raise LostRowsError(f"{what} would not hold the rows of the lake. Nothing was changed.")
        write_event_days(connection, source, {load.day: made_of(load, source, lake_version) for load in loads})
    return loads
