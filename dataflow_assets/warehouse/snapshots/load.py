"""Bringing both tables of a snapshot source to what the lake's complete dumps say, in one transaction.

Here: which dumps have to be read for it, and what is recorded of it. Not here: the rows (see `derive` and
`incremental`), which dumps are complete (see `quarantine`), and where they come from (a frame of the lake).
"""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from dataflow_assets.lake.delta.dumps import Dumps, MissingColumns
from dataflow_assets.ledger.snapshots import SnapshotRecord, read_dumps, read_snapshot, replace_dumps, write_snapshot
from dataflow_assets.postgres.arrow import in_batches
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.locks import advisory_lock
from dataflow_assets.postgres.row_ids import ID, uuids
from dataflow_assets.postgres.schema import WAREHOUSE, current_table, history_table
from dataflow_assets.postgres.schema_check import explain_missing_values, require_columns
from dataflow_assets.postgres.sql import execute, identifier
from dataflow_assets.sources.base import Snapshot, Source
from dataflow_assets.warehouse.snapshots.derive import DAY, derive_current, derive_dumps, derive_history
from dataflow_assets.warehouse.snapshots.id_ranges import IdRange, split_ids
from dataflow_assets.warehouse.snapshots.incremental import compare_dump, join_changes, read_known, write_changes
from dataflow_assets.warehouse.snapshots.merge import merge_scope
from dataflow_assets.warehouse.snapshots.quarantine import find_quarantined_dumps

_ChangedDays = Callable[[int], set[date]]
_ROWS_AT_ONCE = 150_000  # of the dumps
_MOST_RANGES = 16  # of many dumps there are more rows at once: each range reads all of them
_RUN = [ID, "valid_from"]


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


@dataclass(frozen=True)
class _Lake:
    """The rows of the lake, which dumps of them are complete, and the columns that deliveries lack."""

    rows: pl.LazyFrame
    complete: Set[date]
    missing: MissingColumns


@dataclass(frozen=True)
class _Judgement:
    """Which dumps are quarantined, and why; and which are complete."""

    quarantined: Mapping[date, str]
    complete: Set[date]


def load_snapshot(
    connection: Connection,
    source: Snapshot,
    lake: pl.LazyFrame,
    lake_version: int,
    delivered: Dumps,
    changed_days: _ChangedDays | None = None,
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
    with explain_missing_values(source.name), transaction(connection):
        require_columns(connection, source)
        advisory_lock(connection, WAREHOUSE, source.name)
        made, before = read_snapshot(connection, source), _read_judgement(connection, source)
        if made.lake_version > lake_version:
            keys, runs = count_rows(connection, source)
            return SnapshotLoad(keys=keys, runs=runs, changed=0, is_stale=True, quarantined=before.quarantined)
        now = _judge(source, delivered)
        days = _find_days_to_read(source, made, before, now, changed_days)
        read = _Lake(lake, now.complete, delivered.missing_columns)
        changed, newest = _write_tables(connection, source, read, made, days)
        _record(connection, source, made, lake_version, newest, is_changed=changed > 0)
        replace_dumps(connection, source, delivered, now.quarantined)
        keys, runs = count_rows(connection, source)
        judged = now.quarantined.keys() ^ before.quarantined.keys()
        return SnapshotLoad(keys=keys, runs=runs, changed=changed, quarantined=now.quarantined, judged=judged)


def _read_judgement(connection: Connection, source: Snapshot) -> _Judgement:
    """How the dumps were judged when the tables were last made."""
    reasons = read_dumps(connection, source)
    quarantined = {day: reason for day, reason in reasons.items() if reason is not None}
    return _Judgement(quarantined, reasons.keys() - quarantined.keys())


def _judge(source: Snapshot, delivered: Dumps) -> _Judgement:
    quarantined = find_quarantined_dumps(delivered, source.smallest_share)
    return _Judgement(quarantined, delivered.rows.keys() - quarantined.keys())


def _find_days_to_read(
    source: Snapshot, made: SnapshotRecord, before: _Judgement, now: _Judgement, changed_days: _ChangedDays | None
) -> Set[date] | None:
    """The complete dumps that differ from those that the tables were made from; None where nobody can tell."""
    if changed_days is None or made.newest_day is None or made.declaration != source.fingerprint:
        return None
    differing = changed_days(made.lake_version) & (now.complete | before.complete)
    return differing | (now.complete ^ before.complete)


def _write_tables(
    connection: Connection, source: Snapshot, lake: _Lake, made: SnapshotRecord, days: Set[date] | None
) -> tuple[int, date | None]:
    """Bring both tables to what the complete dumps say; the rows written and the newest delivery day."""
    newest = made.newest_day
    match None if days is None else sorted(days):
        case []:
            return 0, newest
        case [day] if newest and day > newest:
            return _merge_newest(connection, source, lake, newest, day), day
    return _derive_all(connection, source, lake), max(lake.complete, default=None)


def _merge_newest(connection: Connection, source: Snapshot, lake: _Lake, newest: date, day: date) -> int:
    """Bring both tables from the newest dump to the next, reading that one alone; the rows written."""
    rows = lake.rows.filter(pl.col(DAY) == day)
    found = []
    for ids in _split(rows):
        dump = derive_dumps(ids.cut(rows, source.key), source).drop(DAY)
        dump = dump.with_columns(pl.Series(ID, uuids(dump[ID])))
        found.append(compare_dump(dump, read_known(connection, source, ids), source, lake.missing))
    return write_changes(connection, source, join_changes(found), day=day, newest_before=newest)


def _split(rows: pl.LazyFrame) -> Iterator[IdRange]:
    """All ids in ranges, each of as many of these rows as are held at once; no more ranges than may be."""
    count = -(-rows.select(pl.len()).collect(engine="streaming").item() // _ROWS_AT_ONCE)
    return split_ids(min(max(count, 1), _MOST_RANGES))


def _derive_all(connection: Connection, source: Snapshot, lake: _Lake) -> int:
    """Make both tables from every complete dump, some keys at a time; the rows written."""
    rows = lake.rows.filter(pl.col(DAY).is_in(list(lake.complete)))
    is_first = not any(count_rows(connection, source))
    written = 0
    for ids in _split(rows):
        dumps = derive_dumps(ids.cut(rows, source.key), source, lake.missing)
        history = derive_history(dumps, source)
        current = derive_current(dumps, history, lake.complete)
        for table, frame, key in ((current_table(source), current, [ID]), (history_table(source), history, _RUN)):
            if is_first:  # in a third of the time
                copy_in(connection, WAREHOUSE, table, in_batches(frame))
            written += frame.height if is_first else merge_scope(connection, table, frame, key, ids.scope)
    if is_first:
        for table in (current_table(source), history_table(source)):
            execute(connection, f"ANALYZE {identifier(WAREHOUSE, table)}")
    return written


def _record(
    connection: Connection,
    source: Snapshot,
    made: SnapshotRecord,
    lake_version: int,
    newest: date | None,
    *,
    is_changed: bool,
) -> None:
    record = SnapshotRecord(
        lake_version=lake_version,
        declaration=source.fingerprint,
        newest_day=newest,
        changed_version=lake_version if is_changed else made.changed_version,
    )
    write_snapshot(connection, source, record)


def count_rows(connection: Connection, source: Source) -> tuple[int, int]:
    """The keys ever seen, and the runs of equal values."""
    keys, runs = (
        int(execute(connection, f"SELECT count(*) FROM {identifier(WAREHOUSE, table)}")[0][0])  # noqa: S608
        for table in (current_table(source), history_table(source))
    )
    return keys, runs
