"""Landing and lake as Dagster sees them.

Here: what loading and storing a partition of `landing/*` and `lake/*` means. Not here: reading files and
writing Delta tables (see `lake`), which know nothing of Dagster.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

import dagster as dg
import polars as pl

from dataflow_assets.errors import LostRowsError
from dataflow_assets.lake.delta.dumps import Dumps, read_dumps
from dataflow_assets.lake.delta.table import rejects_table, rows_table
from dataflow_assets.lake.ingest import Intake, ingest
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.ledger.deliveries import read_recorded_versions, record_delivery
from dataflow_assets.orchestration.assets.per_partition import Metrics, partition_metadata, write_each
from dataflow_assets.orchestration.checks import (
    COLUMNS,
    LAKE_SUMS,
    QUARANTINED,
    VOLUME,
    check_columns,
    check_quarantined,
    check_volume,
    log_evaluations,
    log_fresh,
)
from dataflow_assets.orchestration.metadata import links
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.retries import retry_transient
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Source
from dataflow_assets.warehouse.bootstrap import open_warehouse

LAKE, DAYS_SUFFIX = "lake", "_days"
REJECTS = (LAKE, "rejects")


@dataclass(frozen=True)
class LakeRows:
    """All rows of a lake table at one version, its dumps, and on which delivery days an older version differs."""

    frame: pl.LazyFrame
    version: int
    dumps: Callable[[], Dumps]
    changed_days: Callable[[int], set[date]]


@dataclass(frozen=True)
class Wanted:
    """Deliveries to take in, and whether what would be quarantined of them is loaded all the same."""

    deliveries: list[Delivery]
    is_release: bool


class LandingIOManager(dg.ConfigurableIOManager):
    """Loads a partition of `landing/<source>` as the deliveries of its days; nothing can be stored."""

    def load_input(self, context: dg.InputContext) -> list[Delivery]:
        """The objects landed on the partition's days, by key."""
        source = context.asset_key.path[-1]
        days = partition_days(context.asset_partition_keys)
        with retry_transient(context):
            landing = Landing(open_storage(load_settings()))
            found = (delivery for day in days for delivery in landing.deliveries(source, day))
            return sorted(found, key=lambda delivery: delivery.object)

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Landing is filled from outside."""
        raise NotImplementedError("landing is filled by collectors, never by an asset")


class LakeIOManager(dg.ConfigurableIOManager):
    """Stores deliveries as rows of `lake/<source>`, in S3 or a local folder; loads a table at its newest version."""

    def load_input(self, context: dg.InputContext) -> LakeRows:
        """The whole table, read when it is collected: who asks cuts the days that it wants."""
        source = find_source(context.asset_key.path[-1].removesuffix(DAYS_SUFFIX))
        with retry_transient(context):
            table = rows_table(open_storage(load_settings()), source)
            version = table.open().version()
            changed_days = partial(table.changed_days, version=version)
            return LakeRows(table.scan(version), version, partial(read_dumps, table, version), changed_days)

    def handle_output(self, context: dg.OutputContext, obj: Wanted) -> None:
        """Take in the deliveries, day by day."""
        with retry_transient(context):
            _take_in_each(context, obj)


def _take_in_each(context: dg.OutputContext, wanted: Wanted) -> None:
    settings = load_settings()
    storage = open_storage(settings)
    source = find_source(context.asset_key.path[-1])
    days = partition_days(context.asset_partition_keys)
    before = _rows_by_delivery(storage, source, days)
    sums: dict[date, dict[str, int]] = {}
    lost: dict[date, str] = {}
    there: list[date] = []

    def write(day: date) -> Metrics:
        of_day = Wanted([delivery for delivery in wanted.deliveries if delivery.day == day], wanted.is_release)
        losses: list[str] = []
        intakes = list(_take_in(context, storage, source, of_day, losses))
        sums[day] = _sums(intakes)
        if losses:
            lost[day] = " ".join(losses)
            raise LostRowsError(lost[day])
        # What was deleted from landing stays in the lake.
        taken = {(day, intake.delivery.id) for intake in intakes}
        kept = sum(rows for key, rows in before.items() if key[0] == day and key not in taken)
        metrics = _figures(intakes, kept)
        if metrics["rows"]:
            there.append(day)
        objects = [intake.delivery.object for intake in intakes]
        return {**metrics, **links.taken_in(source, day, objects, sums[day]["rejected"], settings.ui_url)}

    try:
        write_each(context, write)
    finally:
        _log_rejects(context, storage, {delivery.day for delivery in wanted.deliveries})
        url = open_warehouse(settings)
        log_evaluations(context, LAKE_SUMS, sums, lost, metrics=sums)
        log_evaluations(context, QUARANTINED, days, check_quarantined(url, source, days))
        log_evaluations(context, COLUMNS, days, check_columns(url, source, days))
        log_evaluations(context, VOLUME, days, check_volume(url, source, days, settings.today))
        log_fresh(context, there)


def _take_in(
    context: dg.OutputContext, storage: Storage, source: Source, wanted: Wanted, losses: list[str]
) -> Iterator[Intake]:
    """Take in objects one by one. Each is announced first and recorded as taken in last: a crash repeats it.

    What would lose rows is not taken in, and keeps no other object from it; the sentences that say so go to `losses`.
    """
    settings = load_settings()
    recorded = read_recorded_versions(open_warehouse(settings), source)
    for delivery in wanted.deliveries:
        try:
            intake = ingest(
                *(storage, source, delivery.object, settings.timezone, recorded.get(delivery.id, 0)),
                first_day=settings.first_day,
                run=context.run_id,
                release=wanted.is_release,
            )
        except LostRowsError as error:
            losses.append(str(error))
            continue
        if intake is None:
            continue
        _log_intake(context, intake)
        if intake.delivered != intake.accepted + intake.rejected:
            losses.append(
                f"{delivery.object} holds {intake.delivered} rows, but the lake has {intake.accepted} of them and "
                f"{intake.rejected} rejects: somebody else changed its tables."
            )
        _log_event_days(context, source, intake)
        record_delivery(open_warehouse(settings), intake, _rejects_of(storage, intake))
        yield intake


def _log_intake(context: dg.OutputContext, intake: Intake) -> None:
    """Say what of an object was not taken as it is."""
    if intake.quarantine_reason:
        context.log.warning(f"{intake.delivery.object} is quarantined: {intake.quarantine_reason}")
    elif intake.refusal:
        context.log.error(f"{intake.delivery.object} is refused: {intake.refusal}")
    if intake.repaired:
        counts = (f"{kind.replace('_', ' ')} {count:,}" for kind, count in sorted(intake.repaired.items()))
        context.log.info(f"{intake.delivery.object} was repaired: {', '.join(counts)}")


def _rejects_of(storage: Storage, intake: Intake) -> pl.LazyFrame:
    rejects = rejects_table(storage)
    return rejects.scan() if intake.rejected else pl.LazyFrame(schema=rejects.schema)


def _sums(intakes: list[Intake]) -> dict[str, int]:
    return {
        "delivered": sum(intake.delivered for intake in intakes),
        "accepted": sum(intake.accepted for intake in intakes),
        "rejected": sum(intake.rejected for intake in intakes),
    }


def _figures(intakes: list[Intake], kept: int) -> Metrics:
    repaired = sum((Counter(intake.repaired) for intake in intakes), Counter[str]())
    sums = _sums(intakes)
    undeclared_columns = sorted({name for intake in intakes for name in intake.undeclared_columns})
    missing_columns = sorted({name for intake in intakes for name in intake.missing_columns})
    return {
        "objects": len(intakes),
        "bytes": sum(intake.delivery.size for intake in intakes if not intake.is_known),
        **sums,
        "quarantined": sum(intake.quarantine_reason is not None for intake in intakes),
        "days_touched": len(set().union(*(intake.event_days for intake in intakes))),
        "rows": sums["accepted"] + kept,
        "undeclared_columns": len(undeclared_columns),
        "undeclared_column_names": undeclared_columns,
        "missing_columns": len(missing_columns),
        "missing_column_names": missing_columns,
        **{f"repaired_{kind}": count for kind, count in sorted(repaired.items())},
        "lake_version": max((intake.version for intake in intakes), default=0),
    }


def _rows_by_delivery(storage: Storage, source: Source, days: Iterable[date]) -> dict[tuple[date, int], int]:
    rows = rows_table(storage, source).scan().filter(pl.col("delivery_day").is_in(list(days)))
    counted = rows.group_by("delivery_day", "delivery").len().collect()
    return {(day, delivery): rows for day, delivery, rows in counted.iter_rows()}


def _log_event_days(context: dg.OutputContext, source: Source, intake: Intake) -> None:
    """Say on `lake/<source>_days` which event days have changed, and which version of the lake holds it.

    A day without a partition is one of an older version, from before another first day, or follows a delivery of
    tomorrow.
    """
    key = dg.AssetKey([LAKE, source.name + DAYS_SUFFIX])
    known = context.asset_partitions_def
    metadata = partition_metadata({"lake_version": intake.version})
    for day in sorted(intake.event_days):
        if known.has_partition_key(day.isoformat()):
            context.log_event(dg.AssetMaterialization(key, partition=day.isoformat(), metadata=metadata))
        else:
            context.log.warning(
                f"{source.name}: the event day {day} has no partition, so nothing in the warehouse follows from it"
            )


def _log_rejects(context: dg.OutputContext, storage: Storage, days: set[date]) -> None:
    """Say on `lake/rejects` how many rows of each source and code the delivery days have now, if only none."""
    rows = rejects_table(storage).scan().filter(pl.col("delivery_day").is_in(days))
    counted = rows.group_by("delivery_day", "source", "code").len().sort(pl.all()).collect()
    for day in sorted(days):
        of_day = counted.filter(pl.col("delivery_day") == day)
        codes = {f"{source}: {code}": count for _, source, code, count in of_day.iter_rows()}
        metadata = partition_metadata({**codes, "rows": sum(codes.values())})
        context.log_event(dg.AssetMaterialization(dg.AssetKey(REJECTS), partition=day.isoformat(), metadata=metadata))
