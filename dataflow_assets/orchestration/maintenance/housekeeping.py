"""Housekeeping: what is no longer needed is removed every night, and it is said what that freed.

Here: what it consists of, the job, and when it runs. Not here: how each thing is found and removed (see
`lake.delta.maintenance`, `event_log_retention`, `warehouse.orphans` and `warehouse.months`).

Each step may be killed at any point and repeated; one that fails keeps no other from running.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from dataflow_assets.core.cleanup import Freed
from dataflow_assets.core.time_windows import day_of
from dataflow_assets.lake.delta.maintenance import delete_unused_files, merge_small_files
from dataflow_assets.lake.delta.table import LakeTable, rejects_table, rows_table
from dataflow_assets.ledger.lake import require_tables
from dataflow_assets.orchestration.automation.jobs import every_night
from dataflow_assets.orchestration.maintenance.event_log_retention import forget
from dataflow_assets.orchestration.resources import DatabaseResource, ObjectStoreResource, Stores, open_both
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.months import merge_old_days
from dataflow_assets.warehouse.orphans import drop_orphan_tables

HOUSEKEEPING = "housekeeping"


def tidy_lake(stores: Stores, keep: timedelta, *, dry_run: bool = False) -> Iterator[Freed]:
    """Merge small files of events, and delete the files that no one needs and that are older than what is kept.

    Raises:
        LakeMismatchError: the lake is older than the database, so that what it does not know may be a newer one's.
    """
    storage = stores.storage
    require_tables(stores.url, storage, all_sources())
    events = [rows_table(storage, source) for source in all_sources() if isinstance(source, Events)]
    others = [rows_table(storage, source) for source in all_sources() if not isinstance(source, Events)]
    for table in filter(LakeTable.is_made, events):
        yield merge_small_files(table, dry_run=dry_run)
    for table in filter(LakeTable.is_made, [*events, *others, rejects_table(storage)]):
        yield delete_unused_files(table, keep, dry_run=dry_run)


def tidy_event_log(
    url: str, dagster_home: Path, keep: timedelta, instance: dg.DagsterInstance, *, dry_run: bool = False
) -> Iterator[Freed]:
    """Forget runs that are over for longer than is kept; what they printed is below Dagster's home."""

    def drop_logs(run: str) -> int:
        size = _size(dagster_home / "storage" / run)
        if not dry_run:
            instance.compute_log_manager.delete_logs(prefix=[run])
        return size

    with connect(url) as connection:
        yield from forget(connection, datetime.now(UTC) - keep, drop_logs, dry_run=dry_run)


def tidy_warehouse(url: str, timezone: str, merge_after: timedelta, *, dry_run: bool = False) -> Iterator[Freed]:
    """Drop tables that came to no place, and merge the days of months that are over for longer than is said."""
    before = day_of(datetime.now(UTC), timezone) - merge_after
    with connect(url) as connection:
        yield drop_orphan_tables(connection, dry_run=dry_run)
        for source in all_sources():
            if isinstance(source, Events):
                yield merge_old_days(connection, source, before, timezone, dry_run=dry_run)


def _size(folder: Path) -> int:
    """The bytes of the files below a folder; none where it is not here."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def build_housekeeping_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """A job that removes what is no longer needed, every night at 03:30 of the time zone."""
    keep, merge_after = timedelta(days=settings.keep_days), timedelta(days=settings.merge_after_days)
    dagster_home = settings.dagster_home

    @dg.op(name="tidy_lake", description="Merges small files of events and deletes files that nothing needs.")
    def lake(context: dg.OpExecutionContext, object_store: ObjectStoreResource, database: DatabaseResource) -> None:
        _log(context, tidy_lake(open_both(object_store, database, settings.first_day), keep))

    @dg.op(name="tidy_event_log", description="Forgets runs that are over for longer than is kept.")
    def event_log(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
        _log(context, tidy_event_log(database.open_warehouse(), dagster_home, keep, context.instance))

    @dg.op(name="tidy_warehouse", description="Drops tables that a killed run left, and merges old days into months.")
    def warehouse(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
        _log(context, tidy_warehouse(database.open_warehouse(), settings.timezone, merge_after))

    @dg.job(name=HOUSEKEEPING, description="Removes what is older than DATAFLOW_KEEP_DAYS and no longer needed.")
    def housekeeping() -> None:
        lake()
        event_log()
        warehouse()

    return every_night(housekeeping, "30 3 * * *", settings.timezone)


def _log(context: dg.OpExecutionContext, tidied: Iterable[Freed]) -> None:
    """Say what was freed, in the run's log and as metadata."""
    counts: dict[str, int] = {}
    for freed in tidied:
        context.log.info(str(freed))
        counts |= {freed.what: freed.count, f"{freed.what}, bytes": freed.size}
    context.add_output_metadata(counts)
