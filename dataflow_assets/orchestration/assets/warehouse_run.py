"""What a run of `warehouse/<source>` does: loads its days from the lake, and says what became of them.

The work is done here and not by an IO manager that is handed a frame: each day is read, verified and swapped in by one
transaction, of its own or with other small days, so that one bad day fails alone, and a snapshot's dumps are merged
into a table that knows no partitions.

Here: the order, and what is said of each day. Not here: the statements (see `warehouse`).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import LostRowsError
from dataflow_assets.lake.delta.dumps import Dumps, read_dumps, read_missing_columns
from dataflow_assets.lake.delta.opened import OpenedTable
from dataflow_assets.lake.delta.table import LakeTable, rows_table
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.event_days import read_day_versions
from dataflow_assets.ledger.lake import require_tables
from dataflow_assets.ledger.snapshots import read_snapshot
from dataflow_assets.orchestration.assets.per_partition import log_others, write_each
from dataflow_assets.orchestration.checks import judge_run, snapshots_complete
from dataflow_assets.orchestration.checks.base import Outcome
from dataflow_assets.orchestration.metadata.metrics import Metrics
from dataflow_assets.postgres.connection import Connection, Connections
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.sources.changes import Changes
from dataflow_assets.warehouse.changes import load_changes
from dataflow_assets.warehouse.events import DayLoad, load_day
from dataflow_assets.warehouse.small_days import load_small_days
from dataflow_assets.warehouse.snapshots import SnapshotLoad, load_snapshot


@dataclass(frozen=True)
class _Lake:
    """A source's table of the lake as it was at one version, which is open."""

    table: LakeTable
    opened: OpenedTable

    @property
    def version(self) -> int:
        """The version."""
        return self.opened.version()

    @property
    def rows(self) -> pl.LazyFrame:
        """All rows, read when they are collected: who asks cuts the days that it wants."""
        return self.table.scan_opened(self.opened)

    def rows_of(self, window: Window) -> pl.LazyFrame:
        """The same of the files that may have events of a window."""
        return self.table.scan_opened(self.opened, window.dates)

    def dumps(self) -> Dumps:
        """The dumps that there are."""
        return read_dumps(self.table, self.version)

    def changed_days(self, older: int) -> set[date]:
        """The delivery days on which an older version differs."""
        return self.table.changed_days(older, version=self.version)

    def changed_rows(self, older: int) -> pl.LazyFrame:
        """The keys and objects of the rows that an older version has and this one has not, or the other way round."""
        return self.table.changed_rows(older, version=self.version)


@dataclass(frozen=True)
class WarehouseRun:
    """A run of some days of a source's table."""

    context: dg.AssetExecutionContext
    settings: Settings
    storage: Storage
    outcome: Outcome

    def write(self) -> None:
        """Load the days, and let the checks judge, whatever fails."""
        source = self.outcome.target.source
        require_tables(self.outcome.url, self.storage, [source])
        table = rows_table(self.storage, source)
        lake = _Lake(table, table.open())
        try:
            connections = Connections(self.outcome.url)
            if isinstance(source, Events):
                self._write_events(connections, source, lake)
            else:
                self._write_whole(connections, source, lake)
        finally:
            judge_run(self.context, self.outcome)

    def _write_events(self, connections: Connections, source: Events, lake: _Lake) -> None:
        timezone, days = self.settings.timezone, self.outcome.days
        with connections.take() as connection:
            before = read_day_versions(connection, source, min(days), max(days))
        # Where a key happens once, a row of any other day may have moved it.
        rows = lake.rows if source.happens_once else lake.rows_of(Window.of_days(min(days), max(days), timezone))

        def write(day: date) -> Metrics:
            try:
                # One that was lost with a day's load is no other day's.
                with connections.take() as connection:
                    load = load_day(connection, source, rows, lake.version, day, timezone)
            except LostRowsError as error:
                self.outcome.losses[day] = str(error)
                raise
            return self._note_day(source, lake, before, load)

        def write_small(days: Sequence[date]) -> Iterator[Mapping[date, Metrics]]:
            with connections.take() as connection:
                for loads in load_small_days(connection, source, rows, lake.version, days, timezone):
                    yield {load.day: self._note_day(source, lake, before, load) for load in loads}

        write_each(self.context, write, self.settings.home, together=write_small)

    def _note_day(self, source: Events, lake: _Lake, before: Mapping[date, int], load: DayLoad) -> Metrics:
        """Note for the checks what loading a day gave, and say it."""
        if load.is_stale:
            self.context.log.warning(f"{source.name} of {load.day} was already made from a newer version of the lake")
        counts = {"accepted": load.accepted, "rows": load.rows, "superseded": load.superseded}
        self.outcome.counts[load.day] = counts
        self.outcome.present.append(load.day)
        is_changed = not (load.is_known or load.is_stale)
        return counts | _versions(lake, before.get(load.day, -1), is_changed=is_changed)

    def _write_whole(self, connections: Connections, source: Source, lake: _Lake) -> None:
        """Load the whole table, and say of each day that this brought, whether the run was asked for it or not."""
        start = time.monotonic()
        with connections.take() as connection:
            before = read_snapshot(connection, source).lake_version
            load = _load_whole(connection, source, lake)
        if load.is_stale:
            self.context.log.warning(f"{source.name} was already made from a newer version of the lake")
        asked = self.outcome.days
        days = sorted({*asked, *self._days_brought(lake, before)})
        dumped = _count_dumped(source, lake.rows, days)
        self._note_dumps(source, load, dumped)
        table = {"table_rows": load.keys, "history_rows": load.runs, "rows_changed": load.changed}
        table |= _versions(lake, before, is_changed=load.changed > 0)
        share = (time.monotonic() - start) / len(days)  # they are merged at once

        def metrics(day: date) -> Metrics:
            rows = dumped[day]["accepted"] - dumped[day]["superseded"]
            return {"rows": rows, "is_quarantined": int(day in load.quarantined), "seconds": share, **table}

        log_others(self.context, {day: metrics(day) for day in days if day not in asked})
        write_each(self.context, metrics, self.settings.home)

    def _note_dumps(self, source: Source, load: SnapshotLoad, counts: Mapping[date, dict[str, int]]) -> None:
        """Note for the checks what became of the dumps of some days, and warn of those that are quarantined."""
        self.outcome.counts.update(counts)
        self.outcome.judged.update(counts.keys(), load.judged)
        self.outcome.quarantined.update(load.quarantined)
        self.outcome.present.extend(day for day in counts if day not in load.quarantined)
        for day in sorted(self.outcome.judged & load.quarantined.keys()):
            self.context.log.warning(snapshots_complete.explain(source.name, day, load.quarantined[day]))

    def _days_brought(self, lake: _Lake, version: int) -> set[date]:
        """The delivery days with a partition on which the lake differs from the version the table was made from."""
        if version >= lake.version:
            return set()
        changed = lake.dumps().rows.keys() if version < 0 else lake.changed_days(version)
        partitions = self.context.assets_def.partitions_def
        assert partitions
        return {day for day in changed if partitions.has_partition_key(day.isoformat())}


def _load_whole(connection: Connection, source: Source, lake: _Lake) -> SnapshotLoad:
    """Bring the tables of a source without event days to what the lake says."""
    if isinstance(source, Snapshot):
        return load_snapshot(connection, source, lake.rows, lake.version, lake.dumps(), lake.changed_days)
    assert isinstance(source, Changes)
    missing = read_missing_columns(lake.table, lake.version)
    return load_changes(connection, source, lake.rows, lake.version, missing, lake.changed_rows)


def _versions(lake: _Lake, before: int, *, is_changed: bool) -> dict[str, int]:
    """From which version of the lake a table was made, before a load and after it, and whether the load wrote to it."""
    earlier = {"lake_version_before": before} if before >= 0 else {}
    return {**earlier, "lake_version": max(lake.version, before), "is_changed": int(is_changed)}


def _count_dumped(source: Source, lake: pl.LazyFrame, days: Sequence[date]) -> dict[date, dict[str, int]]:
    """Of the dumps of some delivery days: `accepted` rows, and those `superseded` by another one of the same key."""
    of_days = lake.filter(pl.col("delivery_day").is_in(days)).select("delivery_day", *source.key)
    rows = pl.len().alias("rows of a key")
    keys = of_days.group_by("delivery_day", *source.key).agg(rows).group_by("delivery_day")
    counted = keys.agg(pl.col("rows of a key").sum(), more=(pl.col("rows of a key") - 1).sum()).collect()
    found = {day: {"accepted": rows, "superseded": more} for day, rows, more in counted.iter_rows()}
    return {day: {"accepted": 0, "superseded": 0} for day in days} | found
