"""Load several small days of events by one transaction.

Here: which days have few rows together, and loading these, which are held in memory. What fails is left to `events`,
which makes one day at a time, and so are days with many rows, and what was made from this version of the lake or a
newer one, or is of a month whose days are merged. Not here: the statements (see `postgres.several_partitions`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import LostRowsError
from dataflow_assets.ledger.event_days import read_day_versions, write_event_days
from dataflow_assets.postgres.arrow import BATCH_ROWS, in_batches
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.locks import advisory_locks
from dataflow_assets.postgres.row_ids import ID, row_id, typed_columns
from dataflow_assets.postgres.schema import index_methods
from dataflow_assets.postgres.schema_check import require_columns
from dataflow_assets.postgres.several_partitions import replace_partitions
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.day_tables import day_partition, find_merged, keep_months
from dataflow_assets.warehouse.events import DayLoad, day_rows, made_of
from dataflow_assets.warehouse.moved_events import ORDER

_ORIGIN = (*ORDER, "delivery", "event_date")


def load_small_days(
    connection: Connection, source: Events, lake: pl.LazyFrame, lake_version: int, days: Sequence[date], timezone: str
) -> Iterator[list[DayLoad]]:
    """Do what `load_day` does for those of some days that it need not do one by one; all days of a list or none of it.

    Args:
        connection: where.
        source: as of `load_day`, with `lake`, `lake_version` and `timezone`.
        lake: see there.
        lake_version: see there.
        days: the business days.
        timezone: see there.

    Raises:
        LockTimeoutError: a reader held one of them for too long.
        LostRowsError: the sums of one do not hold.
    """
    if source.happens_once:  # whose rows follow from those of other days
        return
    with transaction(connection):
        wanted = _find_older(connection, source, days, lake_version)
    for group in _in_groups(lake, wanted, timezone):
        accepted = _read_days(lake, source, group, timezone)
        if loads := _load(connection, source, accepted, lake_version, timezone):
            yield loads


def _find_older(connection: Connection, source: Events, days: Sequence[date], lake_version: int) -> list[date]:
    """The days that were never made, or from an older version of the lake, and have or get tables of their own."""
    made = read_day_versions(connection, source, min(days), max(days))
    merged = find_merged(connection, source, days)
    return [day for day in days if made.get(day, -1) < lake_version and day not in merged]


def _in_groups(lake: pl.LazyFrame, days: Sequence[date], timezone: str) -> Iterator[list[date]]:
    """The small days, so many at a time that they have a batch of rows.

    Rows that come together are written twice: a day that alone has a good part of a batch would gain nothing.
    """
    of_dates = lake.filter(pl.col("event_date").is_in(_dates(days, timezone)))
    counts: dict[date, int] = dict(of_dates.group_by("event_date").len().collect(engine="streaming").iter_rows())
    dates = {day: _dates([day], timezone) for day in days}

    def at_most(group: Iterable[date]) -> int:
        """How many rows their dates have, some perhaps of other days: that is known without reading any."""
        return sum(counts.get(one, 0) for one in {one for day in group for one in dates[day]})

    group: list[date] = []
    for day in days:
        if at_most([day]) > BATCH_ROWS // 5:
            continue
        if at_most([*group, day]) > BATCH_ROWS:
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _read_days(lake: pl.LazyFrame, source: Events, days: Sequence[date], timezone: str) -> dict[date, pl.DataFrame]:
    """The rows of each day as the lake has them."""
    columns = [*source.schema.column_names(), *_ORIGIN]
    of_dates = lake.filter(pl.col("event_date").is_in(_dates(days, timezone)))
    held = of_dates.select(columns).collect(engine="streaming")
    keyed = held.with_columns(row_id(held.schema, source.key)).lazy()
    return {day: day_rows(keyed, source, day, timezone).collect() for day in days}


def _dates(days: Iterable[date], timezone: str) -> list[date]:
    """The UTC dates on which some days have an instant."""
    spans = (Window.of_day(day, timezone).dates for day in days)
    return sorted({first + timedelta(days=n) for first, last in spans for n in range((last - first).days + 1)})


def _load(
    connection: Connection,
    source: Events,
    accepted: Mapping[date, pl.DataFrame],
    lake_version: int,
    timezone: str,
) -> list[DayLoad]:
    rows = {day: _latest(of_day, source, day) for day, of_day in accepted.items()}
    what = f"{source.name} of {min(rows)} to {max(rows)}"
    with transaction(connection):
        keep_months(connection, source, rows)
        require_columns(connection, source)
        advisory_locks(connection, [(source.name, day.isoformat()) for day in rows])
        if len(_find_older(connection, source, [*rows], lake_version)) < len(rows):
            return []  # somebody has loaded one of them, or merged its month, meanwhile
        partitions = [day_partition(source, day, timezone) for day in rows]
        batches = in_batches(pl.concat(rows.values()))
        counted = replace_partitions(connection, partitions, batches, [ID], index_methods(source), what)
        loads = [
            DayLoad(
                day=day,
                accepted=accepted[day].height,
                rows=counted[day.isoformat()],
                superseded=accepted[day].height - of_day.height,
            )
            for day, of_day in rows.items()
        ]
        if any(load.accepted != load.rows + load.superseded for load in loads):
            raise LostRowsError(f"{what} would not hold the rows of the lake. Nothing was changed.")
        write_event_days(connection, source, {load.day: made_of(load, source, lake_version) for load in loads})
    return loads


def _latest(rows: pl.DataFrame, source: Events, day: date) -> pl.DataFrame:
    """Of each key of a day the latest row, as the table takes it."""
    latest = rows.sort(ORDER).unique(ID, keep="last", maintain_order=True)
    return latest.select(pl.lit(day, pl.Date).alias("event_day"), ID, *typed_columns(source), "delivery", "position")
