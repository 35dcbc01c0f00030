"""Landing and lake as Dagster sees them.

Here: what loading and storing a partition of `landing/*` and `lake/*` means. Not here: reading files and
writing Delta tables (see `lake`), which know nothing of Dagster.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

import dagster as dg
import polars as pl

from dataflow_assets.lake.intake import Intake, take_in
from dataflow_assets.lake.tables import rejects_table, rows_table
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.orchestration.checks import COLUMNS, check_columns, log_evaluations
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.slices import Figures, partition_metadata, write_each
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.declaration import Source
from dataflow_assets.warehouse.opening import open_warehouse
from dataflow_assets.warehouse.records import record_delivery, recorded_versions

LAKE, DAYS_SUFFIX = "lake", "_days"
REJECTS = (LAKE, "rejects")


@dataclass(frozen=True)
class LakeRows:
    """All rows of a lake table at one version, and on which delivery days an older version differs from it."""

    frame: pl.LazyFrame
    version: int
    changed_days: Callable[[int], set[date]]


class LandingIOManager(dg.ConfigurableIOManager):
    """Loads a partition of `landing/<source>` as the deliveries of its days; nothing can be stored."""

    def load_input(self, context: dg.InputContext) -> list[Delivery]:
        """The objects landed on the partition's days, by key."""
        landing = Landing(open_storage(load_settings()))
        source = context.asset_key.path[-1]
        days = partition_days(context.asset_partition_keys)
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
        table = rows_table(open_storage(load_settings()), source)
        version = table.open().version()
        return LakeRows(table.scan(version), version, partial(table.changed_days, version=version))

    def handle_output(self, context: dg.OutputContext, obj: list[Delivery]) -> None:
        """Take in the deliveries, day by day."""
        storage = open_storage(load_settings())
        source = find_source(context.asset_key.path[-1])
        before = _rows_by_delivery(storage, source, partition_days(context.asset_partition_keys))

        def write(day: date) -> Figures:
            wanted = [delivery for delivery in obj if delivery.day == day]
            intakes = list(_take_in(context, storage, source, wanted))
            # What was deleted from landing stays in the lake.
            taken = {(day, intake.delivery.id) for intake in intakes}
            kept = sum(rows for key, rows in before.items() if key[0] == day and key not in taken)
            return _figures(intakes, kept)

        try:
            write_each(context, write)
        finally:
            _log_rejects(context, storage, {delivery.day for delivery in obj})
            days = partition_days(context.asset_partition_keys)
            log_evaluations(context, COLUMNS, days, check_columns(open_warehouse(load_settings()), source, days))


def _take_in(
    context: dg.OutputContext, storage: Storage, source: Source, deliveries: list[Delivery]
) -> Iterator[Intake]:
    """Take in objects one by one. Each is announced first and recorded as taken in last: a crash repeats it."""
    settings = load_settings()
    told = recorded_versions(open_warehouse(settings), source)
    for delivery in deliveries:
        last_told, first_day = told.get(delivery.id, 0), settings.first_day
        if intake := take_in(storage, source, delivery.object, settings.timezone, last_told, first_day=first_day):
            if intake.refusal:
                context.log.error(f"{delivery.object} is refused: {intake.refusal}")
            if intake.mended:
                context.log.info(f"{delivery.object} was mended: {_listed(intake.mended)}")
            _log_event_days(context, source, intake)
            record_delivery(open_warehouse(settings), intake)
            yield intake


def _listed(mended: Mapping[str, int]) -> str:
    return ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in sorted(mended.items()))


def _figures(intakes: list[Intake], kept: int) -> Figures:
    mended = sum((Counter(intake.mended) for intake in intakes), Counter[str]())
    accepted = sum(intake.accepted for intake in intakes)
    kept_out = sorted({name for intake in intakes for name in intake.kept_out})
    lacking = sorted({name for intake in intakes for name in intake.lacking})
    return {
        "objects": len(intakes),
        "delivered": sum(intake.delivered for intake in intakes),
        "accepted": accepted,
        "rejected": sum(intake.rejected for intake in intakes),
        "days_touched": len(set().union(*(intake.event_days for intake in intakes))),
        "rows": accepted + kept,
        "columns_kept_out": len(kept_out),
        "names_kept_out": kept_out,
        "columns_lacking": len(lacking),
        "names_lacking": lacking,
        **{f"mended_{kind}": count for kind, count in sorted(mended.items())},
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
