"""Snapshot tables: every key ever seen with its latest values, and every value it had.

Here: deriving both tables from the dumps, as a pure function, and writing only what differs. Not here:
where the dumps come from (a frame of the lake), and which of them are complete (see `belief`).
"""

import json
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from dataflow_assets.lake.delta.dumps import Dumps
from dataflow_assets.postgres.arrow import in_batches
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.locks import advisory_lock
from dataflow_assets.postgres.row_ids import ID, row_id, typed_columns, uuids
from dataflow_assets.postgres.schema import WAREHOUSE, current_table, history_table
from dataflow_assets.postgres.schema_check import require_columns, told_of_missing_values
from dataflow_assets.postgres.sql import change, column_list, execute, identifier
from dataflow_assets.sources.base import Snapshot, Source
from dataflow_assets.warehouse.snapshots.incremental import add_newest
from dataflow_assets.warehouse.snapshots.quarantine import quarantined_dumps

_DAY = "delivery_day"
_NEVER = (-1, "", None)  # the record of tables that were not made yet


@dataclass(frozen=True, kw_only=True)
class SnapshotLoad:
    """What loading a snapshot source did: the keys ever seen, the runs of equal values, the rows written.

    `quarantined` are the delivery days whose dumps are quarantined now, and why; `judged` those of which that was
    different before.
    """

    keys: int
    runs: int
    changed: int
    is_stale: bool = False
    quarantined: Mapping[date, str] = field(default_factory=dict)
    judged: Set[date] = frozenset()


def dumps(lake: pl.LazyFrame, source: Snapshot) -> pl.DataFrame:
    """One row per key and delivery day: of equal keys the last of the day (object key, position).

    Gives `id` (UInt128), `delivery_day` (Date), the schema's columns and `delivery` (Int64), by id and day.
    """
    rows = lake.with_columns(row_id(lake.collect_schema(), source.key)).sort(ID, _DAY, "object", "position")
    is_last = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in (ID, _DAY))
    return rows.filter(is_last).select(ID, _DAY, *typed_columns(source), "delivery").collect()


def history(dumped: pl.DataFrame, source: Snapshot) -> pl.DataFrame:
    """One row per key and run of equal values over the dumps that have the key.

    A key's absence from a dump opens and closes nothing. Gives `id`, `valid_from` and `valid_to` (Date; null
    while open), the schema's columns, and the `delivery` that first gave the run's values.
    """
    columns = source.schema.column_names()
    is_first = pl.col(ID).ne_missing(pl.col(ID).shift())
    differs = pl.any_horizontal(is_first, *(pl.col(name).ne_missing(pl.col(name).shift()) for name in columns))
    runs = dumped.filter(differs).rename({_DAY: "valid_from"})
    valid_to = pl.when(pl.col(ID) == pl.col(ID).shift(-1)).then(pl.col("valid_from").shift(-1))
    return runs.with_columns(valid_to=valid_to).select(ID, "valid_from", "valid_to", *columns, "delivery")


def current(dumped: pl.DataFrame, runs: pl.DataFrame, days: Collection[date]) -> pl.DataFrame:
    """One row per key ever seen, with its latest values, from the dumps, their `history` and their days.

    Gives `id`, the schema's columns, `delivery`, and `first_seen`, `last_seen`, `missing_since` (Date); the last
    two are null while the key is in the newest dump.
    """
    seen = dumped.group_by(ID).agg(first_seen=pl.col(_DAY).min(), last_seen=pl.col(_DAY).max())
    in_order = pl.DataFrame({"last_seen": sorted(days)}, schema={"last_seen": pl.Date})
    next_day = in_order.with_columns(missing_since=pl.col("last_seen").shift(-1))
    presence = seen.join(next_day, on="last_seen", how="left").with_columns(
        last_seen=pl.when(pl.col("missing_since").is_not_null()).then("last_seen")
    )
    latest = runs.filter(pl.col("valid_to").is_null()).drop("valid_from", "valid_to")
    return latest.join(presence, on=ID, how="left").sort(ID)


def load_snapshot(
    connection: Connection,
    source: Snapshot,
    lake: pl.LazyFrame,
    lake_version: int,
    delivered: Dumps,
    changed_days: Callable[[int], set[date]] | None = None,
) -> SnapshotLoad:
    """Bring both tables of a source to what the lake's complete dumps say; rows that do not differ are not touched.

    Args:
        connection: where; both tables are changed in one transaction of its own.
        source: what is loaded.
        lake: all rows of the lake table at `lake_version`.
        lake_version: the version that was read; tables made from a newer one are left alone.
        delivered: the dumps that there are at `lake_version`.
        changed_days: the delivery days on which the lake differs from an older version. Where of the complete dumps
            only one newer than all before does, only that one is read; without it, or under another declaration, all
            are.

    Raises:
        WarehouseMismatchError: a table does not have the declared columns.
        SchemaMismatchError: rows of the lake lack a value that the declaration requires.
    """
    with told_of_missing_values(source.name), transaction(connection):
        require_columns(connection, source)
        advisory_lock(connection, source.name)
        version, declaration, newest = made_from(connection, source)
        quarantined_before, complete_before = _judged(connection, source)
        if version > lake_version:
            return _loaded(connection, source, changed=0, is_stale=True, quarantined=quarantined_before)
        quarantined = quarantined_dumps(delivered, source.smallest_share)
        complete = delivered.rows.keys() - quarantined.keys()
        differing = None
        if changed_days and newest and declaration == source.fingerprint:
            differing = changed_days(version) & (complete | complete_before) | (complete ^ complete_before)
        changed = 0
        match None if differing is None else sorted(differing):
            case []:
                pass
            case [day] if newest and day > newest:
                changed, newest = _add_newest(connection, source, lake, newest, day), day
            case _:
                changed, newest = _derive_all(connection, source, lake, complete)
        _record(connection, source, lake_version, newest, is_changed=changed > 0)
        _record_dumps(connection, source, delivered, quarantined)
        return _loaded(
            connection,
            source,
            changed=changed,
            quarantined=quarantined,
            judged=quarantined.keys() ^ quarantined_before.keys(),
        )


def _add_newest(connection: Connection, source: Snapshot, lake: pl.LazyFrame, newest: date, day: date) -> int:
    """Bring both tables from the newest dump to the next, reading that one alone; the rows written."""
    dumped = dumps(lake.filter(pl.col(_DAY) == day), source).drop(_DAY)
    ids = pl.Series(ID, uuids(dumped[ID]))
    return add_newest(connection, source, dumped.with_columns(ids), day=day, newest_before=newest)


def _derive_all(
    connection: Connection, source: Snapshot, lake: pl.LazyFrame, complete: Set[date]
) -> tuple[int, date | None]:
    """Make both tables from every complete dump; the rows written and the newest delivery day."""
    dumped = dumps(lake.filter(pl.col(_DAY).is_in(list(complete))), source)
    runs = history(dumped, source)
    latest = current(dumped, runs, complete)
    tables = {current_table(source): (latest, [ID]), history_table(source): (runs, [ID, "valid_from"])}
    written = sum(_merge(connection, name, frame, key) for name, (frame, key) in tables.items())
    return written, max(complete, default=None)


def _judged(connection: Connection, source: Snapshot) -> tuple[dict[date, str], set[date]]:
    """The dumps that were quarantined when the tables were last made, and why; and those that were complete."""
    found = execute(connection, "SELECT day, quarantine_reason FROM ledger.dumps WHERE source = $1", source.name)
    quarantined = {day: reason for day, reason in found if reason is not None}
    return quarantined, {day for day, _ in found} - quarantined.keys()


def made_from(connection: Connection, source: Snapshot) -> tuple[int, str, date | None]:
    """The lake's version, the declaration and the newest delivery day that the tables were last made from."""
    statement = "SELECT lake_version, declaration, newest_day FROM ledger.snapshots WHERE source = $1"
    found = execute(connection, statement, source.name)
    return found[0] if found else _NEVER


def _loaded(connection: Connection, source: Snapshot, **facts: Any) -> SnapshotLoad:
    keys, runs = (
        int(execute(connection, f"SELECT count(*) FROM {identifier(WAREHOUSE, table)}")[0][0])  # noqa: S608
        for table in (current_table(source), history_table(source))
    )
    return SnapshotLoad(keys=keys, runs=runs, **facts)


def changed_version(connection: Connection, source: Source) -> int:
    """The lake's version by which a row of the tables was last written; -1 where none was."""
    statement = "SELECT changed_version FROM ledger.snapshots WHERE source = $1"
    found = execute(connection, statement, source.name)
    return int(found[0][0]) if found else -1


def _record(
    connection: Connection, source: Snapshot, lake_version: int, newest: date | None, *, is_changed: bool
) -> None:
    changed = lake_version if is_changed else changed_version(connection, source)
    execute(
        connection,
        "INSERT INTO ledger.snapshots VALUES ($1, $2, $3::date, $4, $5) ON CONFLICT (source) DO UPDATE SET "
        "lake_version = EXCLUDED.lake_version, newest_day = EXCLUDED.newest_day, declaration = EXCLUDED.declaration, "
        "changed_version = EXCLUDED.changed_version",
        *(source.name, lake_version, newest.isoformat() if newest else None, source.fingerprint, changed),
    )


def _record_dumps(connection: Connection, source: Snapshot, delivered: Dumps, quarantined: Mapping[date, str]) -> None:
    """Record every dump and how it was judged, in place of what was recorded before."""
    execute(connection, "DELETE FROM ledger.dumps WHERE source = $1", source.name)
    dumped = [
        {
            "day": day.isoformat(),
            "rows": rows,
            "is_released": day in delivered.released,
            "quarantine_reason": quarantined.get(day),
        }
        for day, rows in delivered.rows.items()
    ]
    execute(
        connection,
        "INSERT INTO ledger.dumps SELECT $1, dumped.* FROM json_to_recordset($2::json) "
        "AS dumped (day date, rows bigint, is_released boolean, quarantine_reason text)",
        *(source.name, json.dumps(dumped)),
    )


def _merge(connection: Connection, name: str, frame: pl.DataFrame, key: list[str]) -> int:
    """Make a table equal to a frame; the number of rows inserted, updated or deleted."""
    table, draft = identifier(WAREHOUSE, name), f"draft_{name}"
    if not execute(connection, f"SELECT 1 FROM {table} LIMIT 1"):  # noqa: S608
        copy_in(connection, WAREHOUSE, name, in_batches(frame))
        execute(connection, f"ANALYZE {table}")
        return frame.height
    execute(connection, f"CREATE TEMPORARY TABLE {identifier(draft)} (LIKE {table}) ON COMMIT DROP")
    copy_in(connection, None, draft, in_batches(frame))
    execute(connection, f"ANALYZE {identifier(draft)}")
    columns, others = column_list(frame.columns), [column for column in frame.columns if column not in key]
    matches = " AND ".join(f"old.{identifier(part)} = new.{identifier(part)}" for part in key)
    new = ", ".join(f"new.{identifier(column)}" for column in others)
    return change(
        connection,
        f"""
        MERGE INTO {table} AS old USING {identifier(draft)} AS new ON {matches}
        WHEN MATCHED AND ({", ".join(f"old.{identifier(column)}" for column in others)}) IS DISTINCT FROM ({new})
            THEN UPDATE SET ({column_list(others)}) = ({new})
        WHEN NOT MATCHED BY TARGET
            THEN INSERT ({columns}) VALUES ({", ".join(f"new.{identifier(column)}" for column in frame.columns)})
        WHEN NOT MATCHED BY SOURCE THEN DELETE""",  # noqa: S608
    )
