"""The warehouse sensor: what a delivery touched in the lake to warehouse partitions.

Here: which days of the lake are newer than the warehouse, and asking for runs. Not here: what a run does, and what
follows from it (see `answers_sensor`), and what newer means (see `planning.staleness`).

While a table is being loaded, no other load of it is asked for: the tick after that covers all that came meanwhile.
So many deliveries at once become few runs, of a snapshot mostly one.

A tick that was cut short is repeated, under the same run keys. A run that failed is not asked for again before its
days are touched again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import dagster as dg

from dataflow_assets.orchestration.automation.jobs import SENSOR_SECONDS, UNFINISHED
from dataflow_assets.orchestration.automation.materialization_feed import Materialization, MaterializationFeed
from dataflow_assets.orchestration.automation.waiting import Look, look_until_there_is_something
from dataflow_assets.orchestration.keys import DAYS_SUFFIX, LAKE, WAREHOUSE
from dataflow_assets.orchestration.partitions import batched_stretches, daily_partitions
from dataflow_assets.orchestration.planning.ranges import Range, cut_ranges, read_sizes
from dataflow_assets.orchestration.planning.staleness import newer_than_table
from dataflow_assets.orchestration.resources import DatabaseResource, ObjectStoreResource
from dataflow_assets.runtime.slots import count_slots
from dataflow_assets.runtime.tags import GOES_ON, stretches_tags
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Events, Source


def build_warehouse_sensor(settings: Settings, sources: Sequence[Source]) -> dg.SensorDefinition:
    """A sensor that asks for the warehouse partitions which were made from an older lake than there is."""
    partitions = daily_partitions(settings)

    @dg.sensor(
        name="warehouse_sensor",
        job_name=WAREHOUSE,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Brings the days that a delivery touched from the lake to the warehouse.",
    )
    def warehouse_sensor(
        context: dg.SensorEvaluationContext, object_store: ObjectStoreResource, database: DatabaseResource
    ) -> dg.SensorResult:
        def look(cursor: str | None) -> Look:
            feed, loading = MaterializationFeed(context.instance, partitions, cursor), _loading(context.instance)
            requests: list[dg.RunRequest] = []
            for source in sources:
                if _table(source) not in loading and (written := feed.read(_watched(source))):
                    newer = _newer(database.open_warehouse(), source, written)
                    shares = _cut(settings, object_store, source, newer, partitions)
                    requests += _requests(source, newer, shares)
            reason = "Nothing in the lake is newer than the warehouse" + (
                ", or it is being loaded." if loading else "."
            )
            skip = None if requests else reason
            return Look(dg.SensorResult(run_requests=requests, skip_reason=skip, cursor=feed.cursor))

        return look_until_there_is_something(look, context.cursor)

    return warehouse_sensor


def _watched(source: Source) -> dg.AssetKey:
    return dg.AssetKey([LAKE, source.name + (DAYS_SUFFIX if isinstance(source, Events) else "")])


def _table(source: Source) -> dg.AssetKey:
    return dg.AssetKey([WAREHOUSE, source.name])


def _loading(instance: dg.DagsterInstance) -> set[dg.AssetKey]:
    """The tables of which a load was asked for that has not ended, or that a run of the lake loads as it goes on."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    assets = {asset for run in runs if run.job_name == WAREHOUSE or GOES_ON in run.tags for asset in _assets(run)}
    return {dg.AssetKey([WAREHOUSE, asset.path[-1]]) for asset in assets}


def _assets(run: dg.DagsterRun) -> Iterable[dg.AssetKey]:
    return run.asset_selection or ()


def _newer(url: str, source: Source, written: Iterable[Materialization]) -> dict[date, int]:
    """The days that the warehouse has from an older version of the lake, each with the last event that says so."""
    is_newer = newer_than_table(url, source)
    return {one.day: one.number for one in written if is_newer(one.day, one.metrics.get("lake_version", 0))}


def _cut(
    settings: Settings,
    object_store: ObjectStoreResource,
    source: Source,
    newer: Mapping[date, int],
    partitions: dg.PartitionsDefinition[str],
) -> list[list[Range]]:
    """The stretches of days that each run takes: one takes all, and of many event days as many as are made at once.

    Other tables are made whole, by one run.
    """
    slots = count_slots(settings) if isinstance(source, Events) and len(newer) > 1 else 1
    if slots == 1:
        return list(batched_stretches(partitions, newer))
    sizes = read_sizes(object_store.open_storage(), _table(source))
    return [[together] for together in cut_ranges(partitions, newer, sizes, slots)]


def _requests(source: Source, newer: Mapping[date, int], shares: Iterable[list[Range]]) -> Iterator[dg.RunRequest]:
    """A run for each share of the days."""
    for share in shares:
        first, last = share[0][0], share[-1][1]
        newest = max(event for day, event in newer.items() if first <= day.isoformat() <= last)
        yield dg.RunRequest(
            run_key=f"{source.name}-{first}-{last}-{newest}",
            asset_selection=[_table(source)],
            tags=stretches_tags(share),
        )
