"""Changes: every key ever seen with its latest values, every value it had, and when it was deleted.

Here: both tables of such a source, as pure functions of all changes in the lake, and bringing the database to them. Not
here: writing the rows that differ (see `snapshots.merge`), and where the changes come from (a frame of the lake).

All changes stand in one order: by the source's column, then by delivery (delivery day, object key, position). The full
dumps of a delivery day are one dump: it stands at its last row, and is all that there is at that moment. Of several
changes of a key at one moment (a value of the column, or else a delivery day) the last counts.
"""

from fnmatch import fnmatchcase

import polars as pl

from dataflow_assets.lake.delta.dumps import MissingColumns
from dataflow_assets.ledger.snapshots import SnapshotRecord, read_snapshot, write_snapshot
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.locks import advisory_lock
from dataflow_assets.postgres.row_ids import ID, row_id, typed_columns
from dataflow_assets.postgres.schema import WAREHOUSE, current_table, history_table
from dataflow_assets.postgres.schema_check import explain_missing_values, require_columns
from dataflow_assets.sources.changes import Changes
from dataflow_assets.warehouse.snapshots import SnapshotLoad
from dataflow_assets.warehouse.snapshots.derive import NOTHING_MISSING, carry_values
from dataflow_assets.warehouse.snapshots.load import count_rows
from dataflow_assets.warehouse.snapshots.merge import merge_rows

_DAY, _OBJECT, _POSITION = "delivery_day", "object", "position"
_MOMENT, _NUMBER, _IS_DELETE, _IS_FULL = "moment|", "number|", "is_delete|", "is_full|"  # no source has such columns


def load_changes(
    connection: Connection,
    source: Changes,
    lake: pl.LazyFrame,
    lake_version: int,
    missing: MissingColumns = NOTHING_MISSING,
) -> SnapshotLoad:
    """Bring both tables of a source to what the lake's changes say; rows that do not differ are not touched.

    Args:
        connection: where; both tables are changed in one transaction of its own.
        source: what is loaded.
        lake: all rows of the lake table at `lake_version`.
        lake_version: the version that was read; tables made from a newer one are left alone.
        missing: the columns that deliveries lack; their changes leave the values of these as they were.

    Raises:
        WarehouseMismatchError: a table does not have the declared columns.
        SchemaMismatchError: rows of the lake lack a value that the declaration requires.
    """
    with explain_missing_values(source.name), transaction(connection):
        require_columns(connection, source)
        advisory_lock(connection, WAREHOUSE, source.name)
        made = read_snapshot(connection, source)
        is_stale = made.lake_version > lake_version
        is_known = (made.lake_version, made.declaration) == (lake_version, source.fingerprint)
        if is_stale or is_known:
            keys, runs = count_rows(connection, source)
            return SnapshotLoad(keys=keys, runs=runs, changed=0, is_stale=is_stale)
        written = _write_tables(connection, source, order_changes(lake, source, missing))
        _record(connection, source, made, lake_version, lake, is_changed=written > 0)
        keys, runs = count_rows(connection, source)
        return SnapshotLoad(keys=keys, runs=runs, changed=written)


def _write_tables(connection: Connection, source: Changes, changes: pl.DataFrame) -> int:
    """Make both tables from all changes; the rows written."""
    history = derive_history(changes, source)
    written = merge_rows(connection, current_table(source), derive_current(changes, source), [ID])
    return written + merge_rows(connection, history_table(source), history, [ID, "valid_from"])


def _record(
    connection: Connection,
    source: Changes,
    made: SnapshotRecord,
    lake_version: int,
    lake: pl.LazyFrame,
    *,
    is_changed: bool,
) -> None:
    record = SnapshotRecord(
        lake_version=lake_version,
        declaration=source.fingerprint,
        newest_day=lake.select(pl.max(_DAY)).collect(engine="streaming").item(),
        changed_version=lake_version if is_changed else made.changed_version,
    )
    write_snapshot(connection, source, record)


def order_changes(lake: pl.LazyFrame, source: Changes, missing: MissingColumns = NOTHING_MISSING) -> pl.DataFrame:
    """All changes of a source, and a delete for each key that a full dump does not have any more, by key and in order.

    A column that a delivery lacks has the value of the change of the key before that has it and is no delete.

    Gives `id` (UInt128), the schema's columns, `delivery`, when it was made (of the type of the column that orders the
    changes, else Date), its number in the order of all, and whether it is a delete.
    """
    rows = _read_changes(lake, source)
    of_dump = pl.col(_IS_FULL), pl.col(_DAY)
    placed = rows.with_columns(
        pl.when(_IS_FULL).then(pl.max(name).over(of_dump)).otherwise(name).alias(f"{name}placed")
        for name in (_MOMENT, _OBJECT)
    )
    order = [f"{_MOMENT}placed", _DAY, f"{_OBJECT}placed", _OBJECT, _POSITION]
    numbered = placed.sort(order).with_row_index(_NUMBER).with_columns(pl.col(f"{_MOMENT}placed").alias(_MOMENT))
    changes = pl.concat([numbered, _deletes_by_dumps(numbered)]).sort(ID, _NUMBER)
    values = {delivery: columns - source.marks for delivery, columns in missing.items()}
    carried = carry_values(changes, values, ~pl.col(_IS_DELETE))
    return carried.select(ID, *source.schema.column_names(), "delivery", _MOMENT, _NUMBER, _IS_DELETE)


def _read_changes(lake: pl.LazyFrame, source: Changes) -> pl.DataFrame:
    """The rows of the lake with their ids, when each change was made, and what it is."""
    is_delete = pl.lit(value=False) if source.deletes is None else source.deletes.fill_null(value=False)
    is_full = pl.col(_OBJECT).is_in(_find_full_dumps(lake, source.full_dumps))
    typed = lake.with_columns(row_id(lake.collect_schema(), source.key), is_delete.alias(_IS_DELETE)).with_columns(
        is_full.alias(_IS_FULL), pl.col(source.ordered_by or _DAY).alias(_MOMENT), *typed_columns(source)
    )
    return typed.collect(engine="streaming")


def _find_full_dumps(lake: pl.LazyFrame, pattern: str | None) -> list[str]:
    """The keys of the objects whose names are like a pattern."""
    if pattern is None:
        return []
    objects = lake.select(pl.col(_OBJECT).unique()).collect(engine="streaming").to_series()
    return [key for key in objects if fnmatchcase(key.rpartition("/")[2], pattern)]


def _deletes_by_dumps(numbered: pl.DataFrame) -> pl.DataFrame:
    """A delete, where the dump stands, of each key that was there and that the next dump does not have.

    The rows of a dump follow one another in the order of all: a key is missing from it if its next change does.
    """
    dumps = (
        numbered.filter(_IS_FULL)
        .group_by(_DAY)
        .agg(first=pl.min(_NUMBER), last=pl.max(_NUMBER), dumped_at=pl.first(_MOMENT))
    )
    of_key = numbered.sort(ID, _NUMBER)
    is_last = (pl.col(ID) != pl.col(ID).shift(-1)).fill_null(value=True)
    following = of_key.with_columns(next=pl.when(~is_last).then(pl.col(_NUMBER).shift(-1))).sort(_NUMBER)
    with_dump = following.filter(~pl.col(_IS_DELETE)).join_asof(
        dumps.sort("first"), left_on=_NUMBER, right_on="first", strategy="forward", allow_exact_matches=False
    )
    is_gone = pl.col("first").is_not_null() & (pl.col("next").is_null() | (pl.col("next") > pl.col("last")))
    return (
        with_dump.filter(is_gone)
        .with_columns(pl.lit(value=True).alias(_IS_DELETE), pl.col("first").alias(_NUMBER))
        .with_columns(pl.col("dumped_at").alias(_MOMENT))
        .select(numbered.columns)
    )


def derive_history(changes: pl.DataFrame, source: Changes) -> pl.DataFrame:
    """One row per key and run of equal values, which a delete ends.

    Gives `id`, `valid_from` and `valid_to` (null while they are the latest), the schema's columns, and the `delivery`
    of the change that first gave the run's values. What speaks of the change alone (`Changes.marks`) makes no run.
    """
    turns = _turns(changes, source).rename({_MOMENT: "valid_from"})
    valid_to = pl.when(pl.col(ID) == pl.col(ID).shift(-1)).then(pl.col("valid_from").shift(-1))
    runs = turns.with_columns(valid_to=valid_to).filter(~pl.col(_IS_DELETE))
    return runs.select(ID, "valid_from", "valid_to", *source.schema.column_names(), "delivery")


def derive_current(changes: pl.DataFrame, source: Changes) -> pl.DataFrame:
    """One row per key ever seen: `id`, the latest values of the schema's columns that are no delete's, `delivery`.

    `deleted_at` is null while the key is there. Of a key that was only ever deleted the values are the last delete's.
    """
    latest = changes.sort(ID, ~pl.col(_IS_DELETE), _NUMBER).unique(ID, keep="last", maintain_order=True)
    last = _turns(changes, source).unique(ID, keep="last", maintain_order=True)
    deleted_at = pl.when(_IS_DELETE).then(_MOMENT).alias("deleted_at")
    columns = [ID, *source.schema.column_names(), "delivery"]
    return latest.select(columns).join(last.select(ID, deleted_at), on=ID, how="left", maintain_order="left")


def _turns(changes: pl.DataFrame, source: Changes) -> pl.DataFrame:
    """The changes by which a key came, went, or got other values; of those of one moment the last."""
    is_last = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in (ID, _MOMENT))
    states = changes.filter(is_last)
    values = [name for name in source.schema.column_names() if name not in source.marks]
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in (ID, *values, _IS_DELETE))
    still_gone = pl.col(_IS_DELETE) & (pl.col(_IS_DELETE).shift() & (pl.col(ID) == pl.col(ID).shift()))
    return states.filter(differs & ~still_gone.fill_null(value=False))
