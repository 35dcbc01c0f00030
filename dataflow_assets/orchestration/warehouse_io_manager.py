"""PostgreSQL as Dagster sees it.

Here: what loading and storing a partition of `warehouse/*` and `analytics/*` means. Not here: the
statements (see `warehouse`).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
import polars as pl

from dataflow_assets.analytics import find_answer
from dataflow_assets.errors import LostRowsError, NotFoundError
from dataflow_assets.ledger.answers import Versions
from dataflow_assets.ledger.event_days import read_day_versions
from dataflow_assets.ledger.snapshots import read_snapshot
from dataflow_assets.orchestration.assets.per_partition import Metrics, log_written, previewed, write_each
from dataflow_assets.orchestration.checks import (
    COMPLETE,
    DUPLICATES,
    TABLE_SUMS,
    check_complete,
    check_duplicates,
    log_evaluations,
    log_fresh,
)
from dataflow_assets.orchestration.checks.references import log_references
from dataflow_assets.orchestration.lake_io_manager import LakeRows
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.retries import retry_transient
from dataflow_assets.postgres.connection import Connection, Connections
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.scan import Table, open_table, scan_answer, scan_source
from dataflow_assets.warehouse.snapshots import load_snapshot


@dataclass(frozen=True)
class Answered:
    """Partitions of an answer: all their rows, what each was made from, and the seconds that took."""

    rows: pl.DataFrame
    made_from: Mapping[date, Versions]
    seconds: Mapping[date, float]


class WarehouseIOManager(dg.ConfigurableIOManager):
    """Stores `warehouse/<source>` from lake rows and `analytics/<answer>` from answers; loads both as frames.

    An input that is annotated `pl.LazyFrame` is read when it is collected, and then only the columns and days that
    its query uses: collected twice, it is read twice (see `warehouse.reading`). One that is annotated `Table` reads
    the days of each partition apart, of a source's table. Any other is a `pl.DataFrame`.
    `dg.AssetIn(metadata={"columns": [...]})` leaves the other columns out of either frame.

    Of an event table and of an answer the partition's days are loaded; a snapshot table is loaded as it stands,
    one row per key ever seen.
    """

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | pl.LazyFrame | Table:
        """The rows of the wanted partitions.

        Raises:
            NotFoundError: `columns` names one that the table does not have.
        """
        settings, kind = load_settings(), context.dagster_type.typing_type
        with retry_transient(context):
            url = open_warehouse(settings)
            if kind is Table:
                return open_table(url, find_source(context.asset_key.path[-1]), settings.timezone)
            rows = _chosen(context, _scan(context, url, settings.timezone))
            return rows if kind is pl.LazyFrame else rows.collect()

    def handle_output(self, context: dg.OutputContext, obj: LakeRows | Answered) -> None:
        """Put the run's partitions in place of those in the table."""
        with retry_transient(context):
            if isinstance(obj, Answered):
                _store_answer(context, context.asset_key.path[-1], obj)
            else:
                source = find_source(context.asset_key.path[-1])
                try:
                    _store_source(context, source, obj)
                finally:
                    log_references(context, source)


def _scan(context: dg.InputContext, url: str, timezone: str) -> pl.LazyFrame:
    layer, name = context.asset_key.path
    days = partition_days(context.asset_partition_keys)
    if layer == "analytics":
        return scan_answer(url, name, find_answer(name).schema, days)
    return scan_source(url, find_source(name), timezone, days)


def _chosen(context: dg.InputContext, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The columns that the input's metadata names; all of them where it names none."""
    known = rows.collect_schema().names()
    columns = (context.definition_metadata or {}).get("columns", known)
    if unknown := [name for name in columns if name not in known]:
        raise NotFoundError(
            f"{context.asset_key.to_user_string()} has no columns {unknown}; it has {', '.join(known)}."
        )
    return rows.select(columns)


def _store_answer(context: dg.OutputContext, name: str, answered: Answered) -> None:
    partition, *_ = find_answer(name).schema.column_names()
    newest = max(partition_days(context.asset_partition_keys))
    connections = Connections(open_warehouse(load_settings()))

    def write(day: date) -> Metrics:
        rows = answered.rows.filter(pl.col(partition) == day)
        with connections.take() as connection:
            load = load_answer(connection, name, partition, day, rows, answered.made_from[day])
        if load.is_stale:
            context.log.warning(f"{name} of {day} was already made from newer tables")
        return {"rows": load.rows, "seconds": answered.seconds[day], **previewed(rows, is_newest=day == newest)}

    write_each(context, write)
    log_fresh(context, answered.made_from)


def _store_source(context: dg.OutputContext, source: Source, lake: LakeRows) -> None:
    settings = load_settings()
    connections = Connections(open_warehouse(settings))
    if isinstance(source, Snapshot):
        with connections.take() as connection:
            _store_snapshot(context, connection, source, lake)
    else:
        assert isinstance(source, Events)
        _store_events(context, connections, source, lake, settings.timezone)


def _store_events(
    context: dg.OutputContext, connections: Connections, source: Events, lake: LakeRows, timezone: str
) -> None:
    with connections.take() as connection:
        before = read_day_versions(connection, source)
    sums: dict[date, dict[str, int]] = {}
    lost: dict[date, str] = {}

    def write(day: date) -> dict[str, int]:
        try:
            # One that was lost with a day's load is no other day's.
            with connections.take() as connection:
                load = load_day(connection, source, lake.frame, lake.version, day, timezone)
        except LostRowsError as error:
            lost[day] = str(error)
            raise
        if load.is_stale:
            context.log.warning(f"{source.name} of {day} was already made from a newer version of the lake")
        sums[day] = {"accepted": load.accepted, "rows": load.rows, "superseded": load.superseded}
        is_changed = not (load.is_known or load.is_stale)
        return sums[day] | _made_from(lake, before.get(day, -1), is_changed=is_changed)

    try:
        write_each(context, write)
    finally:
        days = sums.keys() | lost.keys()
        log_evaluations(context, TABLE_SUMS, days, lost, metrics=sums)
        counted = {day: (metrics["accepted"], metrics["superseded"]) for day, metrics in sums.items()}
        log_evaluations(context, DUPLICATES, counted, check_duplicates(source, counted))
        log_fresh(context, sums)


def _store_snapshot(context: dg.OutputContext, connection: Connection, source: Snapshot, lake: LakeRows) -> None:
    """Load the whole table, and tell of each day that this brought, whether the run was asked for it or not."""
    asked = partition_days(context.asset_partition_keys)
    start = time.monotonic()
    version = read_snapshot(connection, source).lake_version
    merged = load_snapshot(connection, source, lake.frame, lake.version, lake.dumps(), lake.changed_days)
    if merged.is_stale:
        context.log.warning(f"{source.name} was already made from a newer version of the lake")
    days = sorted({*asked, *_days_brought(context, lake, version)})
    warnings = check_complete(source, merged.quarantined)
    judged = {*days, *merged.judged}
    for day in sorted(judged & warnings.keys()):
        context.log.warning(warnings[day])
    log_evaluations(context, COMPLETE, judged, warnings)
    log_fresh(context, [day for day in days if day not in warnings])
    dumped = _dumped(source, lake.frame, days)
    log_evaluations(context, DUPLICATES, days, check_duplicates(source, dumped))
    table = {"table_rows": merged.keys, "history_rows": merged.runs, "rows_changed": merged.changed}
    table |= _made_from(lake, version, is_changed=merged.changed > 0)
    share = (time.monotonic() - start) / len(days)  # they are merged at once

    def metrics(day: date) -> Metrics:
        return {
            "rows": dumped[day][0] - dumped[day][1],
            "is_quarantined": int(day in warnings),
            "seconds": share,
            **table,
        }

    log_written(context, {day: metrics(day) for day in days if day not in asked})
    write_each(context, metrics)


def _days_brought(context: dg.OutputContext, lake: LakeRows, version: int) -> set[date]:
    """The delivery days with a partition on which the lake differs from the version that a table was made from."""
    if version >= lake.version:
        return set()
    changed = lake.dumps().rows.keys() if version < 0 else lake.changed_days(version)
    return {day for day in changed if context.asset_partitions_def.has_partition_key(day.isoformat())}


def _made_from(lake: LakeRows, before: int, *, is_changed: bool) -> dict[str, int]:
    """From which version of the lake a table was made, before a load and after it, and whether the load wrote to it."""
    return {"lake_version_before": before, "lake_version": max(lake.version, before), "is_changed": int(is_changed)}


def _dumped(source: Snapshot, lake: pl.LazyFrame, days: Sequence[date]) -> dict[date, tuple[int, int]]:
    """How many rows the dumps of some delivery days have, and how many of those have the key of another one."""
    of_days = lake.filter(pl.col("delivery_day").is_in(days)).select("delivery_day", *source.key)
    rows = pl.len().alias("rows of a key")
    keys = of_days.group_by("delivery_day", *source.key).agg(rows).group_by("delivery_day")
    counted = keys.agg(pl.col("rows of a key").sum(), more=(pl.col("rows of a key") - 1).sum()).collect()
    return dict.fromkeys(days, (0, 0)) | {day: (rows, more) for day, rows, more in counted.iter_rows()}
