"""Snapshot tables: every key ever seen with its latest values, and every value it had.

Here: deriving both tables from the dumps, as a pure function, and writing only what differs. Not here:
where the dumps come from (a frame of the lake).
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from dataflow_assets.sources.declaration import Snapshot
from dataflow_assets.warehouse.database import (
    Connection,
    advisory_lock,
    column_list,
    execute,
    identifier,
    transaction,
)
from dataflow_assets.warehouse.keys import ID, row_id, to_arrow, typed_columns
from dataflow_assets.warehouse.tables import WAREHOUSE, current_table, history_table

_DAY = "delivery_day"


@dataclass(frozen=True, kw_only=True)
class SnapshotLoad:
    """What loading a snapshot source did: the keys ever seen, the runs of equal values, the rows written."""

    keys: int
    runs: int
    changed: int
    is_stale: bool = False


def dumps(lake: pl.LazyFrame, source: Snapshot) -> pl.DataFrame:
    """One row per key and delivery day: of equal keys the last of the day (object key, position).

    Gives `id` (UInt128), `delivery_day` (Date), the schema's columns and `delivery` (Int64), by id and day.
    """
    rows = lake.with_columns(row_id(lake.collect_schema(), source.key)).sort(ID, _DAY, "object", "position")
    latest = rows.unique([ID, _DAY], keep="last", maintain_order=True)
    return latest.select(ID, _DAY, *typed_columns(source), "delivery").collect()


def history(dumped: pl.DataFrame, source: Snapshot) -> pl.DataFrame:
    """One row per key and run of equal values over the dumps that have the key.

    A key's absence from a dump opens and closes nothing. Gives `id`, `valid_from` and `valid_to` (Date; null
    while open), the schema's columns, and the `delivery` that first gave the run's values.
    """
    columns = source.schema.column_names()
    is_first = pl.col(ID).ne_missing(pl.col(ID).shift())
    differs = pl.any_horizontal(is_first, *(pl.col(name).ne_missing(pl.col(name).shift()) for name in columns))
    runs = dumped.filter(differs).rename({_DAY: "valid_from"})
    valid_to = pl.col("valid_from").shift(-1).over(ID)
    return runs.with_columns(valid_to=valid_to).select(ID, "valid_from", "valid_to", *columns, "delivery")


def current(dumped: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """One row per key ever seen, with its latest values, from the dumps and their `history`.

    Gives `id`, the schema's columns, `delivery`, and `first_seen`, `last_seen`, `missing_since` (Date); the last
    two are null while the key is in the newest dump.
    """
    seen = dumped.group_by(ID).agg(first_seen=pl.col(_DAY).min(), last_seen=pl.col(_DAY).max())
    days = dumped.select(_DAY).unique().sort(_DAY)
    next_day = days.select(last_seen=_DAY, missing_since=pl.col(_DAY).shift(-1))
    presence = seen.join(next_day, on="last_seen", how="left").with_columns(
        last_seen=pl.when(pl.col("missing_since").is_not_null()).then("last_seen")
    )
    latest = runs.filter(pl.col("valid_to").is_null()).drop("valid_from", "valid_to")
    return latest.join(presence, on=ID, how="left").sort(ID)


def load_snapshot(connection: Connection, source: Snapshot, lake: pl.LazyFrame, lake_version: int) -> SnapshotLoad:
    """Bring both tables of a source to what the lake's dumps say; rows that do not differ are not touched.

    Args:
        connection: where; both tables are changed in one transaction of its own.
        source: what is loaded.
        lake: all rows of the lake table at `lake_version`.
        lake_version: the version that was read; tables made from a newer one are left alone.
    """
    dumped = dumps(lake, source)
    runs = history(dumped, source)
    keys = current(dumped, runs)
    tables = {current_table(source): (keys, [ID]), history_table(source): (runs, [ID, "valid_from"])}
    with transaction(connection):
        advisory_lock(connection, source.name)
        if _is_stale(connection, source, lake_version):
            return SnapshotLoad(keys=keys.height, runs=runs.height, changed=0, is_stale=True)
        changed = sum(_merge(connection, name, frame, key) for name, (frame, key) in tables.items())
        _record(connection, source, lake_version, dumped[_DAY])
    return SnapshotLoad(keys=keys.height, runs=runs.height, changed=changed)


def _is_stale(connection: Connection, source: Snapshot, lake_version: int) -> bool:
    made_from = execute(connection, "SELECT lake_version FROM warehouse.snapshots WHERE source = $1", source.name)
    return bool(made_from) and made_from[0][0] > lake_version


def _record(connection: Connection, source: Snapshot, lake_version: int, days: pl.Series) -> None:
    newest = days.max()
    execute(
        connection,
        "INSERT INTO warehouse.snapshots VALUES ($1, $2, $3::date) ON CONFLICT (source) "
        "DO UPDATE SET lake_version = EXCLUDED.lake_version, newest_day = EXCLUDED.newest_day",
        *(source.name, lake_version, newest.isoformat() if isinstance(newest, date) else None),
    )


def _merge(connection: Connection, name: str, frame: pl.DataFrame, key: list[str]) -> int:
    """Make a table equal to a frame; the number of rows inserted, updated or deleted."""
    table, draft = identifier(WAREHOUSE, name), f"draft_{name}"
    execute(connection, f"CREATE TEMPORARY TABLE {identifier(draft)} (LIKE {table}) ON COMMIT DROP")
    with connection.cursor() as cursor:
        cursor.adbc_ingest(draft, to_arrow(frame), mode="append", temporary=True)
    execute(connection, f"ANALYZE {identifier(draft)}")
    columns, others = column_list(frame.columns), [column for column in frame.columns if column not in key]
    matches = " AND ".join(f"old.{identifier(part)} = new.{identifier(part)}" for part in key)
    new = ", ".join(f"new.{identifier(column)}" for column in others)
    changed = execute(
        connection,
        f"""
        MERGE INTO {table} AS old USING {identifier(draft)} AS new ON {matches}
        WHEN MATCHED AND ({", ".join(f"old.{identifier(column)}" for column in others)}) IS DISTINCT FROM ({new})
            THEN UPDATE SET ({column_list(others)}) = ({new})
        WHEN NOT MATCHED BY TARGET
            THEN INSERT ({columns}) VALUES ({", ".join(f"new.{identifier(column)}" for column in frame.columns)})
        WHEN NOT MATCHED BY SOURCE THEN DELETE
        RETURNING 1""",  # noqa: S608
    )
    return len(changed)
