"""Landing and lake as Dagster sees them.

Here: what loading and storing a partition of `landing/*` and `lake/*` means. Not here: reading files and
writing Delta tables (see `lake`), which know nothing of Dagster.
"""

from dataclasses import dataclass
from datetime import date

import dagster as dg
import polars as pl

from dataflow_assets.lake.intake import Intake, take_in
from dataflow_assets.lake.tables import rows_table
from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.slices import write_each
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.declaration import Source
from dataflow_assets.warehouse.opening import open_warehouse
from dataflow_assets.warehouse.records import record_delivery

DAYS_SUFFIX = "_days"


@dataclass(frozen=True)
class LakeRows:
    """All rows of a lake table at one version."""

    frame: pl.LazyFrame
    version: int


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
        return LakeRows(table.scan(version), version)

    def handle_output(self, context: dg.OutputContext, obj: list[Delivery]) -> None:
        """Take in the deliveries, day by day."""
        settings = load_settings()
        storage, url = open_storage(settings), open_warehouse(settings)
        source = find_source(context.asset_key.path[-1])

        def write(day: date) -> dict[str, int]:
            wanted = [delivery for delivery in obj if delivery.day == day]
            return _take_in_day(context, storage, url, source, wanted)

        write_each(context, write)


def _take_in_day(
    context: dg.OutputContext, storage: Storage, url: str, source: Source, deliveries: list[Delivery]
) -> dict[str, int]:
    timezone = load_settings().timezone
    taken = [take_in(storage, source, delivery.object, timezone) for delivery in deliveries]
    intakes = [intake for intake in taken if intake is not None]
    for intake in intakes:
        record_delivery(url, intake)
        if intake.refusal:
            context.log.error(f"{intake.delivery.object} is refused: {intake.refusal}")
    _log_event_days(context, source, intakes)
    return {
        "objects": len(intakes),
        "delivered": sum(intake.delivered for intake in intakes),
        "rows": sum(intake.accepted for intake in intakes),
        "rejected": sum(intake.rejected for intake in intakes),
        "days_touched": len(_touched(intakes)),
    }


def _touched(intakes: list[Intake]) -> set[date]:
    return set().union(*(intake.event_days for intake in intakes))


def _log_event_days(context: dg.OutputContext, source: Source, intakes: list[Intake]) -> None:
    """Say on `lake/<source>_days` which event days have changed."""
    key = dg.AssetKey(["lake", source.name + DAYS_SUFFIX])
    known = context.asset_partitions_def
    for day in sorted(_touched(intakes)):
        if known.has_partition_key(day.isoformat()):
            context.log_event(dg.AssetMaterialization(key, partition=day.isoformat()))
        else:
            context.log.warning(
                f"{source.name}: the event day {day} lies outside the partitions and is only in the lake"
            )
