"""What a run of `lake/<source>` does: ingests the deliveries of its days, and says what became of them.

Here: the order, day by day, and what is said of each. Not here: reading files and writing Delta tables (see `lake`),
which know nothing of Dagster.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial

import dagster as dg
import polars as pl

from dataflow_assets.errors import LostRowsError
from dataflow_assets.lake.delta.table import rejects_table, rows_table
from dataflow_assets.lake.ingest import Intake, ingest, ingest_small
from dataflow_assets.lake.open_tables import OpenTables
from dataflow_assets.landing.companions import Companions
from dataflow_assets.landing.deliveries import Delivery, Expected, Landing
from dataflow_assets.landing.events import find_deliveries
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.deliveries import read_recorded_versions, record_deliveries
from dataflow_assets.ledger.lake import require_tables
from dataflow_assets.orchestration.assets.per_partition import write_each
from dataflow_assets.orchestration.assets.small_objects import SmallObjects
from dataflow_assets.orchestration.checks import judge_run
from dataflow_assets.orchestration.checks.base import Outcome
from dataflow_assets.orchestration.keys import DAYS_SUFFIX, LAKE, REJECTS
from dataflow_assets.orchestration.metadata import links
from dataflow_assets.orchestration.metadata.metrics import Metrics, partition_metadata
from dataflow_assets.postgres.connection import Connections
from dataflow_assets.runtime.event_log import storing_together
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source

_Before = dict[tuple[date, int], int]  # the rows that the lake had of each delivery day and delivery


@dataclass(frozen=True)
class LakeRun:
    """A run of one source's days; without `objects` it takes all that landed on them.

    `release` has the etags of the versions that are released, by the object's key.
    """

    context: dg.AssetExecutionContext
    settings: Settings
    storage: Storage
    outcome: Outcome
    objects: Collection[str]
    release: Mapping[str, str]

    @property
    def source(self) -> Source:
        """The source whose days these are."""
        return self.outcome.target.source

    @cached_property
    def _tables(self) -> OpenTables:
        """The tables that the objects are taken into, one after the other."""
        return OpenTables(self.storage, self.source)

    @cached_property
    def _connections(self) -> Connections:
        """Those by which the objects are recorded, one after the other."""
        return Connections(self.outcome.url)

    @cached_property
    def _recorded(self) -> Mapping[int, int]:
        """The versions that were recorded before this run, which takes each object once."""
        return read_recorded_versions(self.outcome.url, self.source)

    def write(self) -> None:
        """Ingest day by day; say of rejects, and let the checks judge, whatever fails."""
        days = self.outcome.days
        require_tables(self.outcome.url, self.storage, [self.source])
        deliveries = self._find_deliveries(days)
        before = _count_rows(self.storage, self.source, days)
        try:
            small = SmallObjects(deliveries, self._ingest_small)
            write_each(self.context, partial(self._write_day, deliveries, small, before), self.settings.home)
        finally:
            require_tables(self.outcome.url, self.storage, [self.source])
            with storing_together(self.context.instance):
                _log_rejects(self.context, self.storage, {delivery.day for delivery in deliveries})
            judge_run(self.context, self.outcome)

    def _find_deliveries(self, days: Sequence[date]) -> list[Delivery]:
        """The objects landed on these days that the run takes, by key; of all those that wait for nothing."""
        landing, companions = Landing(self.storage), Companions(self.storage, Expected.of([self.source], ()))
        if self.objects:  # nothing is listed to find them
            found = [one for one in find_deliveries(self.storage, self.objects) if self._is_of(one, days)]
        else:
            landed = (one for day in days for one in landing.deliveries(self.source.name, day))
            found = [one for one in landed if not companions.find_missing(one)]
        return sorted((one for one in found if not companions.is_companion(one)), key=lambda one: one.object)

    def _is_of(self, delivery: Delivery, days: Sequence[date]) -> bool:
        return delivery.source == self.source.name and delivery.day in days

    def _write_day(self, deliveries: Sequence[Delivery], small: SmallObjects, before: _Before, day: date) -> Metrics:
        losses: list[str] = []
        borrowed = small.borrowed_seconds
        of_day = [delivery for delivery in deliveries if delivery.day == day]
        intakes = list(self._ingest(of_day, small, losses))
        self.outcome.counts[day] = sums = _sums(intakes)
        if losses:
            self.outcome.losses[day] = " ".join(losses)
            raise LostRowsError(self.outcome.losses[day])
        # What was deleted from landing stays in the lake.
        ingested = {(day, intake.delivery.id) for intake in intakes}
        kept = sum(rows for key, rows in before.items() if key[0] == day and key not in ingested)
        metrics = {**_metrics(intakes, kept), "seconds": borrowed - small.borrowed_seconds}
        if metrics["rows"] or any(_is_accepted(intake) for intake in intakes):  # an empty delivery is there, too
            self.outcome.present.append(day)
        objects = [intake.delivery.object for intake in intakes]
        ui = self.settings.ui_url
        return {**metrics, **links.ingested_objects(self.source, day, objects, sums["rejected"], ui)}

    def _ingest(self, deliveries: Iterable[Delivery], small: SmallObjects, losses: list[str]) -> Iterator[Intake]:
        """Ingest objects, the small ones with others of their kind.

        What would lose rows is not ingested, and keeps no other object from it; the sentences that say so go to
        `losses`.
        """
        for delivery in deliveries:
            try:
                intake = small.take(delivery) or self._ingest_alone(delivery)
            except LostRowsError as error:
                losses.append(str(error))
                continue
            if intake is None:
                continue
            if intake.delivered != intake.accepted + intake.rejected:
                losses.append(_loss(intake))
            yield intake

    def _ingest_alone(self, delivery: Delivery) -> Intake | None:
        intake = ingest(
            *(self.storage, self.source, delivery.object, self.settings.timezone),
            self._recorded.get(delivery.id, 0),
            first_day=self.settings.first_day,
            run=self.context.run_id,
            release=self.release.get(delivery.object),
            tables=self._tables,
        )
        self._record([intake] if intake else [])
        return intake

    def _ingest_small(self, deliveries: Iterable[Delivery]) -> list[Intake]:
        wanted = {one: self._recorded.get(one.id, 0) for one in deliveries if one.object not in self.release}
        day, run = self.settings.first_day, self.context.run_id
        intakes = ingest_small(self._tables, wanted, self.settings.timezone, first_day=day, run=run)
        self._record(intakes)
        return intakes

    def _record(self, intakes: Sequence[Intake]) -> None:
        """Announce the days of objects first, and record these last: a crash repeats it."""
        if not intakes:
            return
        for intake in intakes:
            _log_intake(self.context, intake)
        with storing_together(self.context.instance):
            for intake in intakes:
                _log_event_days(self.context, self.source, intake)
        record_deliveries(self._connections, intakes, _rejects_of(self.storage, intakes))


def _is_accepted(intake: Intake) -> bool:
    return not (intake.quarantine_reason or intake.refusal)


def _loss(intake: Intake) -> str:
    return (
        f"{intake.delivery.object} holds {intake.delivered} rows, but the lake has {intake.accepted} of them and "
        f"{intake.rejected} rejects: somebody else changed its tables."
    )


def _log_intake(context: dg.AssetExecutionContext, intake: Intake) -> None:
    """Say what of an object was not taken as it is."""
    if intake.quarantine_reason:
        context.log.warning(f"{intake.delivery.object} is quarantined: {intake.quarantine_reason}")
    elif intake.refusal:
        context.log.error(f"{intake.delivery.object} is refused: {intake.refusal}")
    if intake.repaired:
        counts = (f"{kind.replace('_', ' ')} {count:,}" for kind, count in sorted(intake.repaired.items()))
        context.log.info(f"{intake.delivery.object} was repaired: {', '.join(counts)}")


def _rejects_of(storage: Storage, intakes: Iterable[Intake]) -> pl.LazyFrame:
    rejects = rejects_table(storage)
    return rejects.scan() if any(one.rejected for one in intakes) else pl.LazyFrame(schema=rejects.schema)


def _sums(intakes: Sequence[Intake]) -> dict[str, int]:
    return {
        "delivered": sum(intake.delivered for intake in intakes),
        "accepted": sum(intake.accepted for intake in intakes),
        "rejected": sum(intake.rejected for intake in intakes),
    }


def _metrics(intakes: Sequence[Intake], kept: int) -> Metrics:
    """What is said of a day: what its objects gave, and how many rows it has with the `kept` ones of others."""
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


def _count_rows(storage: Storage, source: Source, days: Iterable[date]) -> _Before:
    rows = rows_table(storage, source).scan().filter(pl.col("delivery_day").is_in(list(days)))
    counted = rows.group_by("delivery_day", "delivery").len().collect()
    return {(day, delivery): rows for day, delivery, rows in counted.iter_rows()}


def _log_event_days(context: dg.AssetExecutionContext, source: Source, intake: Intake) -> None:
    """Say on `lake/<source>_days` which event days have changed, and which version of the lake holds it.

    A day without a partition is one of an older version, from before another first day, or follows a delivery of
    tomorrow.
    """
    key = dg.AssetKey([LAKE, source.name + DAYS_SUFFIX])
    partitions = context.assets_def.partitions_def
    assert partitions
    metadata = partition_metadata({"lake_version": intake.version})
    for day in sorted(intake.event_days):
        if partitions.has_partition_key(day.isoformat()):
            context.log_event(dg.AssetMaterialization(key, partition=day.isoformat(), metadata=metadata))
        else:
            context.log.warning(
                f"{source.name}: the event day {day} has no partition, so nothing in the warehouse follows from it"
            )


def _log_rejects(context: dg.AssetExecutionContext, storage: Storage, days: set[date]) -> None:
    """Say on `lake/rejects` how many rows of each source and code the delivery days have now, if only none."""
    rows = rejects_table(storage).scan().filter(pl.col("delivery_day").is_in(days))
    counted = rows.group_by("delivery_day", "source", "code").len().sort(pl.all()).collect()
    for day in sorted(days):
        of_day = counted.filter(pl.col("delivery_day") == day)
        codes = {f"{source}: {code}": count for _, source, code, count in of_day.iter_rows()}
        metadata = partition_metadata({**codes, "rows": sum(codes.values())})
        context.log_event(dg.AssetMaterialization(dg.AssetKey(REJECTS), partition=day.isoformat(), metadata=metadata))
