"""Bringing both tables of a source of changes to what the lake says, in one transaction and some keys at a time.

Here: which keys a load derives, and what is recorded of it. Not here: the rows (see `derive`), and where the changes
come from (frames of the lake).

A load derives the keys that the deliveries have that came, went or were replaced since the tables were made, from all
of their changes. It derives all keys where a full dump is among these deliveries, where the declaration is another, and
where the older version of the lake is gone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl
from deltalake.exceptions import DeltaError

from dataflow_assets.lake.delta.dumps import MissingColumns
from dataflow_assets.ledger.snapshots import SnapshotRecord, read_snapshot, write_snapshot
from dataflow_assets.postgres.arrow import in_batches
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.locks import advisory_lock
from dataflow_assets.postgres.row_ids import ID, row_id
from dataflow_assets.postgres.schema import WAREHOUSE, current_table, history_table
from dataflow_assets.postgres.schema_check import explain_missing_values, require_columns
from dataflow_assets.postgres.sql import execute, identifier
from dataflow_assets.sources.changes import Changes
from dataflow_assets.warehouse.changes.derive import (
    derive_current,
    derive_history,
    find_full_dumps,
    order_changes,
    place_dumps,
)
from dataflow_assets.warehouse.snapshots import SnapshotLoad
from dataflow_assets.warehouse.snapshots.derive import NOTHING_MISSING
from dataflow_assets.warehouse.snapshots.id_ranges import IdRange, split_ids
from dataflow_assets.warehouse.snapshots.load import count_rows
from dataflow_assets.warehouse.snapshots.merge import merge_scope

ChangedRows = Callable[[int], pl.LazyFrame | None]
_ROWS_AT_ONCE = 200_000  # of the lake, where all keys are derived
_KEYS_AT_ONCE = 100_000
_TOUCHED = "draft_touched"


@dataclass(frozen=True)
class _Lake:
    """All rows of the lake, the columns that deliveries lack, and the full dumps."""

    rows: pl.LazyFrame
    missing: MissingColumns
    dumps: tuple[list[str], pl.DataFrame]


@dataclass(frozen=True)
class _Part:
    """Some keys: those with ids in a range, or of these the touched ones."""

    ids: IdRange
    touched: pl.DataFrame | None

    def cut(self, lake: pl.LazyFrame, source: Changes) -> pl.LazyFrame:
        """The rows of the lake that have one of the keys."""
        rows = self.ids.cut(lake, source.key)
        return (rows if self.touched is None else rows.join(self.touched.lazy(), on=ID, how="semi")).drop(ID)

    @property
    def scope(self) -> str:
        """Which rows of a table are of these keys, in SQL."""
        if self.touched is not None:
            return f"old.id IN (SELECT id FROM {_TOUCHED})"  # noqa: S608
        return self.ids.scope


def load_changes(
    connection: Connection,
    source: Changes,
    lake: pl.LazyFrame,
    lake_version: int,
    missing: MissingColumns = NOTHING_MISSING,
    changed_rows: ChangedRows | None = None,
) -> SnapshotLoad:
    """Bring both tables of a source to what the lake's changes say; rows that do not differ are not touched.

    Args:
        connection: where; both tables are changed in one transaction of its own.
        source: what is loaded.
        lake: all rows of the lake table at `lake_version`.
        lake_version: the version that was read; tables made from a newer one are left alone.
        missing: the columns that deliveries lack; their changes leave the values of these as they were.
        changed_rows: the key's columns and `object` of the rows that an older version of the lake has and this one has
            not, or the other way round; None where nobody can tell. Without it all keys are derived.

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
        written = 0
        if not is_stale and not is_known:
            touched = _find_touched(source, made, changed_rows)
            written = _write_all(connection, source, lake, missing, touched)
            _record(connection, source, made, lake_version, lake, is_changed=written > 0)
        keys, runs = count_rows(connection, source)
        return SnapshotLoad(keys=keys, runs=runs, changed=written, is_stale=is_stale)


def _write_all(
    connection: Connection, source: Changes, lake: pl.LazyFrame, missing: MissingColumns, touched: pl.DataFrame | None
) -> int:
    """Make the rows of the keys that are touched, or of all, in both tables; the rows written."""
    objects = find_full_dumps(lake, source)
    whole = _Lake(lake, missing, (objects, place_dumps(lake, source, objects)))
    if any(count_rows(connection, source)):
        return sum(_write(connection, source, whole, part) for part in _parts(lake, touched))
    written = sum(_write_first(connection, source, whole, part) for part in _parts(lake, touched))
    for table in (current_table(source), history_table(source)):
        execute(connection, f"ANALYZE {identifier(WAREHOUSE, table)}")
    return written


def _find_touched(source: Changes, made: SnapshotRecord, changed_rows: ChangedRows | None) -> pl.DataFrame | None:
    """The ids of the keys that are to be derived; None: of all keys."""
    if changed_rows is None or made.newest_day is None or made.declaration != source.fingerprint:
        return None
    rows = changed_rows(made.lake_version)
    if rows is None:
        return None
    try:
        if find_full_dumps(rows, source):
            return None
        ids = rows.select(row_id(rows.collect_schema(), source.key))
        return ids.unique().collect(engine="streaming")
    except (DeltaError, OSError, pl.exceptions.ComputeError):
        return None  # files of the older version are gone


def _parts(lake: pl.LazyFrame, touched: pl.DataFrame | None) -> Iterator[_Part]:
    """The keys in parts, each of about as many rows or keys as are held at once."""
    if touched is None:
        count = -(-lake.select(pl.len()).collect(engine="streaming").item() // _ROWS_AT_ONCE) or 1
    else:
        count = -(-touched.height // _KEYS_AT_ONCE)
    for ids in split_ids(count):
        yield _Part(ids, None if touched is None else touched.filter(ids.is_within))


def _write(connection: Connection, source: Changes, lake: _Lake, part: _Part) -> int:
    """Make the rows of some keys in both tables; the rows written."""
    changes = order_changes(part.cut(lake.rows, source), source, lake.missing, lake.dumps)
    if part.touched is not None:
        execute(connection, f"CREATE TEMPORARY TABLE {_TOUCHED} (id uuid) ON COMMIT DROP")
        copy_in(connection, None, _TOUCHED, in_batches(part.touched))
        execute(connection, f"ANALYZE {_TOUCHED}")
    current, history = current_table(source), history_table(source)
    written = merge_scope(connection, current, derive_current(changes, source), [ID], part.scope)
    written += merge_scope(connection, history, derive_history(changes, source), [ID, "valid_from"], part.scope)
    if part.touched is not None:
        execute(connection, f"DROP TABLE {_TOUCHED}")
    return written


def _write_first(connection: Connection, source: Changes, lake: _Lake, part: _Part) -> int:
    """As `_write`, into tables that were empty: in a third of the time."""
    changes = order_changes(part.cut(lake.rows, source), source, lake.missing, lake.dumps)
    rows = {
        current_table(source): derive_current(changes, source),
        history_table(source): derive_history(changes, source),
    }
    for table, frame in rows.items():
        copy_in(connection, WAREHOUSE, table, in_batches(frame))
    return sum(frame.height for frame in rows.values())


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
        newest_day=lake.select(pl.max("delivery_day")).collect(engine="streaming").item(),
        changed_version=lake_version if is_changed else made.changed_version,
    )
    write_snapshot(connection, source, record)
