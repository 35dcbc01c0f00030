"""Event tables: one day at a time is made aside and put in place in one transaction.

Here: a day's rows, their sums, and what the day was made from. Not here: the swap (see `postgres.partitions`), where
the rows come from (a frame of the lake) and which days are wanted.

`warehouse.streams` is partitioned by `event_day`; each day is itself a partitioned table with one child,
so that a swap locks its own day alone. Old days are merged into tables of months (see `months`), where a day's rows
are replaced among those of the others.
"""

import json
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import LostRowsError
from dataflow_assets.ledger.event_days import EventDay, read_event_day, write_event_days
from dataflow_assets.postgres.arrow import BATCH_ROWS, to_arrow
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.partitions import (
    ListPartition,
    TableSlice,
    Versions,
    copy_aside,
    count_rows,
    make_unique,
    may_replace,
    replace_within,
    swap_in,
)
from dataflow_assets.postgres.row_ids import ID, row_id, typed_columns
from dataflow_assets.postgres.schema import WAREHOUSE, index_methods
from dataflow_assets.postgres.schema_check import explain_missing_values, require_columns
from dataflow_assets.postgres.sql import execute, identifier, literal
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.day_tables import day_partition, is_merged, keep_months, month_table
from dataflow_assets.warehouse.moved_events import find_moved_keys


@dataclass(frozen=True, kw_only=True)
class DayLoad:
    """What loading one day did. accepted = rows + superseded.

    `accepted` counts the day's rows in the lake, `rows` those in the table, `superseded` the rows whose key a
    later row has. Left alone was a table that holds what this version of the lake gave (`is_known`) or a newer one
    (`is_stale`).
    """

    day: date
    accepted: int
    rows: int
    superseded: int
    is_known: bool = False
    is_stale: bool = False


def day_rows(lake: pl.LazyFrame, source: Events, day: date, timezone: str) -> pl.LazyFrame:
    """The lake rows of one business day.

    Args:
        lake: rows of the lake table: the schema's columns, `event_date` (UTC date) and where each came from.
        source: names the event time.
        day: the day, cut in `timezone`.
        timezone: the business time zone.
    """
    return window_rows(lake, source, Window.of_day(day, timezone))


def window_rows(lake: pl.LazyFrame, source: Events, window: Window) -> pl.LazyFrame:
    """The same of a window of any length."""
    happened = pl.col(source.event_time)
    of_dates = pl.col("event_date").is_between(*window.dates)
    return lake.filter(of_dates, happened >= window.start, happened < window.end)


def load_day(
    connection: Connection, source: Events, lake: pl.LazyFrame, lake_version: int, day: date, timezone: str
) -> DayLoad:
    """Put the lake's rows of one day in place of the table's, unless those were made from this version.

    Rows stream from the lake to the database: memory follows the batch, not the day.

    Args:
        connection: where; the day is one transaction of its own.
        source: what is loaded.
        lake: rows of the lake table at `lake_version`.
        lake_version: the version that was read; a day made from a newer one is left alone.
        day: the business day.
        timezone: the business time zone.

    Raises:
        LostRowsError: the sums do not hold.
        LockTimeoutError: a reader held the day for too long.
        WarehouseMismatchError: the table does not have the declared columns.
        SchemaMismatchError: rows of the lake lack a value that the declaration requires.
    """
    if known := _known(connection, source, day, lake_version):
        return known
    rows = day_rows(lake, source, day, timezone)
    deliveries = rows.group_by("delivery_day", "object", "delivery").len().collect(engine="streaming")
    accepted = int(deliveries.get_column("len").sum())
    rows, moved = _without_moved(lake, rows, source, deliveries, Window.of_day(day, timezone))
    with explain_missing_values(f"{source.name} of {day}"), transaction(connection):
        keep_months(connection, source, [day])
        require_columns(connection, source)
        partition = day_partition(source, day, timezone)
        leaf = _copy_aside(connection, source, partition, rows, deliveries)
        superseded = moved + make_unique(connection, leaf, [ID], _latest_first(deliveries))
        load = DayLoad(day=day, accepted=accepted, rows=_count(connection, leaf), superseded=superseded)
        if load.accepted != load.rows + load.superseded:
            raise LostRowsError(
                f"{source.name} of {day} has {accepted} rows in the lake, but {load.rows} would be in the table and "
                f"{superseded} are superseded. Nothing was changed."
            )
        return _swap_in(connection, source, partition, leaf, load, lake_version)


def _without_moved(
    lake: pl.LazyFrame, rows: pl.LazyFrame, source: Events, deliveries: pl.DataFrame, window: Window
) -> tuple[pl.LazyFrame, int]:
    """The day's rows without those that a later delivery moved to another day, and how many those are."""
    if not source.happens_once or deliveries.is_empty():
        return rows, 0
    happened, first = pl.col(source.event_time), deliveries["delivery_day"].min()
    # What was delivered before all rows of the day is later than none of them.
    others = lake.filter(pl.col("delivery_day") >= first, (happened < window.start) | (happened >= window.end))
    key = list(source.key)
    if (moved := find_moved_keys(rows, others, key)).is_empty():
        return rows, 0
    count = rows.join(moved.lazy(), on=key, how="semi").select(pl.len()).collect(engine="streaming").item()
    return rows.join(moved.lazy(), on=key, how="anti"), int(count)


def _known(connection: Connection, source: Events, day: date, lake_version: int) -> DayLoad | None:
    """What loading the day from this version gave, where its rows are still there; None where they are not."""
    with transaction(connection):
        made_from, load = _recorded(connection, source, day)
        if made_from != (lake_version, source.fingerprint):
            return None
        rows = TableSlice(WAREHOUSE, source.name, where=f"event_day = {literal(day.isoformat())}")
        return replace(load, is_known=True) if count_rows(connection, rows) == load.rows else None


def _recorded(connection: Connection, source: Events, day: date) -> tuple[tuple[int, str], DayLoad]:
    """The lake's version and the declaration that the day was last made from, and what that gave."""
    made = read_event_day(connection, source, day)
    load = DayLoad(day=day, accepted=made.accepted, rows=made.rows, superseded=made.superseded)
    return (made.lake_version, made.declaration), load


def _count(connection: Connection, table: str) -> int:
    return int(execute(connection, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608


def _copy_aside(
    connection: Connection, source: Events, partition: ListPartition, rows: pl.LazyFrame, deliveries: pl.DataFrame
) -> str:
    """Copy the rows into a table that no reader sees; its quoted name."""
    is_one = deliveries.height == 1
    alike = {"delivery": str(deliveries.item(0, "delivery"))} if is_one else {}
    key = row_id(rows.collect_schema(), source.key)
    keyed = rows.select(key, *typed_columns(source), *([] if is_one else ["delivery"]), "position")
    return copy_aside(connection, partition, map(to_arrow, keyed.collect_batches(chunk_size=BATCH_ROWS)), alike)


def _add_indexes(connection: Connection, source: Events, leaf: str) -> None:
    """Make the declared indexes of a table, and gather its statistics: in its place the server would hold locks."""
    for column, how in index_methods(source).items():
        execute(connection, f"CREATE INDEX ON {leaf} USING {how} ({identifier(column)})")
    execute(connection, f"ANALYZE {leaf}")


def _latest_first(deliveries: pl.DataFrame) -> list[str]:
    """The order of rows with one key, read off the deliveries: delivery day, then object key, then position."""
    in_order = deliveries.sort("delivery_day", "object").get_column("delivery")
    turns = json.dumps({str(delivery): turn for turn, delivery in enumerate(in_order)})
    return [f"({literal(turns)}::jsonb ->> delivery::text)::int DESC", "position DESC"]


def _swap_in(
    connection: Connection, source: Events, partition: ListPartition, leaf: str, load: DayLoad, lake_version: int
) -> DayLoad:
    """Put the copied table in the day's place, unless the day was made from a newer version of the lake."""
    day, in_month = partition.value, is_merged(connection, source, load.day)
    if not in_month:
        _add_indexes(connection, source, leaf)

    def recorded() -> Versions:
        (version, _), _ = _recorded(connection, source, load.day)
        return {"lake": version}

    if not may_replace(connection, (source.name, day), {"lake": lake_version}, recorded):
        execute(connection, f"DROP TABLE {leaf}")
        return replace(_recorded(connection, source, load.day)[1], is_stale=True)
    what = f"{source.name} of {day}"
    if in_month:
        replace_within(connection, partition, month_table(source, load.day), leaf, what)
    else:
        swap_in(connection, partition, leaf, what)
    write_event_days(connection, source, {load.day: made_of(load, source, lake_version)})
    return load


def made_of(load: DayLoad, source: Events, lake_version: int) -> EventDay:
    """What is recorded of a day that was loaded."""
    return EventDay(
        lake_version=lake_version,
        declaration=source.fingerprint,
        accepted=load.accepted,
        rows=load.rows,
        superseded=load.superseded,
    )
