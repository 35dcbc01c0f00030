"""The warehouse sensor: what a delivery touched in the lake to warehouse partitions.

Here: which days of the lake are newer than the warehouse, and asking for runs. Not here: what a run does, and what
follows from it (see `answers_sensor`).

While a table is being loaded, no other load of it is asked for: the tick after that covers all that came meanwhile.
So many deliveries at once become few runs, of a snapshot mostly one.

A tick that was cut short is repeated, under the same run keys. A run that failed is not asked for again before its
days are touched again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

import dagster as dg

from dataflow_assets.ledger.event_days import read_day_versions
from dataflow_assets.ledger.snapshots import read_snapshot
from dataflow_assets.orchestration.assets import WAREHOUSE
from dataflow_assets.orchestration.automation.landing_sensor import SENSOR_SECONDS, UNFINISHED
from dataflow_assets.orchestration.automation.materialization_feed import Materialization, MaterializationFeed
from dataflow_assets.orchestration.lake_io_manager import DAYS_SUFFIX, LAKE
from dataflow_assets.orchestration.partitions import range_tags, stretches
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import load_settings
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.warehouse.bootstrap import open_warehouse


def build_warehouse_sensor(sources: Sequence[Source], partitions: dg.PartitionsDefinition[str]) -> dg.SensorDefinition:
    """A sensor that asks for the warehouse partitions which were made from an older lake than there is."""

    @dg.sensor(
        name="warehouse_sensor",
        job_name=WAREHOUSE,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Brings the days that a delivery touched from the lake to the warehouse.",
    )
    def warehouse_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        feed, loading = MaterializationFeed(context.instance, partitions, context.cursor), _loading(context.instance)
        requests: list[dg.RunRequest] = []
        for source in sources:
            if _table(source) not in loading and (told := feed.of(_watched(source))):
                requests += _requests(source, _newer(source, told), partitions)
        reason = "Nothing in the lake is newer than the warehouse" + (", or it is being loaded." if loading else ".")
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason, cursor=feed.cursor)

    return warehouse_sensor


def _watched(source: Source) -> dg.AssetKey:
    return dg.AssetKey([LAKE, source.name + (DAYS_SUFFIX if isinstance(source, Events) else "")])


def _table(source: Source) -> dg.AssetKey:
    return dg.AssetKey([WAREHOUSE, source.name])


def _loading(instance: dg.DagsterInstance) -> set[dg.AssetKey]:
    """The tables of which a load was asked for that has not ended."""
    runs = instance.get_runs(dg.RunsFilter(job_name=WAREHOUSE, statuses=UNFINISHED))
    return {table for run in runs for table in run.asset_selection or ()}


def _newer(source: Source, told: Iterable[Materialization]) -> dict[date, int]:
    """The days that the warehouse has from an older version of the lake, each with the last event that told of it."""
    made = _made_from(source)
    return {touch.day: touch.number for touch in told if touch.metrics.get("lake_version", 0) > made(touch.day)}


def _made_from(source: Source) -> Callable[[date], int]:
    """From which version of the lake the warehouse has a day; -1 where it does not have it."""
    with connect(open_warehouse(load_settings())) as connection:
        if isinstance(source, Snapshot):
            version = read_snapshot(connection, source).lake_version
            return lambda _: version
        assert isinstance(source, Events)
        versions = read_day_versions(connection, source)
        return lambda day: versions.get(day, -1)


def _requests(
    source: Source, newer: Mapping[date, int], partitions: dg.PartitionsDefinition[str]
) -> Iterator[dg.RunRequest]:
    """One run per stretch of days."""
    for first, last in stretches(partitions, newer):
        newest = max(event for day, event in newer.items() if first <= day.isoformat() <= last)
        yield dg.RunRequest(
            run_key=f"{source.name}-{first}-{last}-{newest}",
            asset_selection=[_table(source)],
            tags=range_tags(first, last),
        )
