"""Housekeeping: what is no longer needed is removed every night, and it is said what that freed.

Here: what it consists of, the job, and when it runs. Not here: how each thing is found and removed (see `lake.upkeep`,
`history` and `warehouse.leftovers`).

Each step may be killed at any point and repeated; one that fails keeps no other from running.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from dataflow_assets.core.cleanup import Freed
from dataflow_assets.lake.delta.maintenance import delete_unused_files, merge_small_files
from dataflow_assets.lake.delta.table import LakeTable, rejects_table, rows_table
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.automation.jobs import every_night
from dataflow_assets.orchestration.maintenance.event_log_retention import forget
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import all_sources
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.orphans import drop_orphan_tables

HOUSEKEEPING = "housekeeping"


def tidy_lake(settings: Settings, *, dry_run: bool = False) -> Iterator[Freed]:
    """Merge small files of events, and delete the files that no one needs."""
    storage, keep = open_storage(settings), timedelta(days=settings.keep_days)
    events = [rows_table(storage, source) for source in all_sources() if isinstance(source, Events)]
    others = [rows_table(storage, source) for source in all_sources() if not isinstance(source, Events)]
    for table in filter(LakeTable.is_made, events):
        yield merge_small_files(table, dry_run=dry_run)
    for table in filter(LakeTable.is_made, [*events, *others, rejects_table(storage)]):
        yield delete_unused_files(table, keep, dry_run=dry_run)


def tidy_history(settings: Settings, instance: dg.DagsterInstance, *, dry_run: bool = False) -> Iterator[Freed]:
    """Forget runs that are long over."""

    def drop_logs(run: str) -> int:
        size = _size(settings.dagster_home / "storage" / run)
        if not dry_run:
            instance.compute_log_manager.delete_logs(prefix=[run])
        return size

    with connect(open_warehouse(settings)) as connection:
        before = datetime.now(UTC) - timedelta(days=settings.keep_days)
        yield from forget(connection, before, drop_logs, dry_run=dry_run)


def tidy_warehouse(settings: Settings, *, dry_run: bool = False) -> Iterator[Freed]:
    """Drop tables that came to no place."""
    with connect(open_warehouse(settings)) as connection:
        yield drop_orphan_tables(connection, dry_run=dry_run)


def _size(folder: Path) -> int:
    """The bytes of the files below a folder; none where it is not here."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def build_housekeeping_schedule(timezone: str) -> dg.ScheduleDefinition:
    """A job that removes what is no longer needed, every night at 03:30 of the time zone."""

    @dg.job(name=HOUSEKEEPING, description="Removes what is older than DATAFLOW_KEEP_DAYS and no longer needed.")
    def housekeeping() -> None:
        _step("lake", lambda _: tidy_lake(load_settings()))()
        _step("history", lambda instance: tidy_history(load_settings(), instance))()
        _step("warehouse", lambda _: tidy_warehouse(load_settings()))()

    return every_night(housekeeping, "30 3 * * *", timezone)


def _step(layer: str, tidy: Callable[[dg.DagsterInstance], Iterable[Freed]]) -> dg.OpDefinition:
    @dg.op(name=f"tidy_{layer}")
    def step(context: dg.OpExecutionContext) -> None:
        counts: dict[str, int] = {}
        for freed in tidy(context.instance):
            context.log.info(str(freed))
            counts |= {freed.what: freed.count, f"{freed.what}, bytes": freed.size}
        context.add_output_metadata(counts)

    return step
