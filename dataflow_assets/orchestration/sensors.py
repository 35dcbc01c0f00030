"""The landing sensor: new objects to lake partitions.

Here: comparing what has landed with the deliveries that the lake holds, and asking for runs. Not here:
what a run does.

Where a run failed, the same objects are asked for again after a pause, which doubles with each time.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.assets import taking
from dataflow_assets.orchestration.lake_io_manager import LAKE
from dataflow_assets.orchestration.partitions import RANGE_END, RANGE_START, range_tags, stretches
from dataflow_assets.settings import load_settings
from dataflow_assets.sources.declaration import Source
from dataflow_assets.warehouse.opening import open_warehouse
from dataflow_assets.warehouse.records import known_versions

SENSOR_SECONDS = 4  # the daemon looks every 5 seconds, and with 5 would often find that it is not yet time
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0  # seconds after a failed run
_VERSIONS = "dataflow/versions"  # the tag of a run that says which versions of which objects it takes
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def build_landing_sensor(sources: Sequence[Source], partitions: dg.PartitionsDefinition[str]) -> dg.SensorDefinition:
    """A sensor that asks for the lake partitions of every object whose present version the lake does not hold."""
    names = {source.name for source in sources}

    @dg.sensor(
        name="landing_sensor",
        job_name=LAKE,
        minimum_interval_seconds=2 * SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Finds new and changed objects in landing and takes them into the lake.",
    )
    def landing_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        settings = load_settings()
        under_way = _under_way(context.instance)  # before what is known: one that ends meanwhile has been recorded
        known = known_versions(open_warehouse(settings))
        landed = Landing(open_storage(settings)).deliveries()
        fresh = [delivery for delivery in landed if known.get(delivery.id) != (delivery.etag, delivery.size)]
        wanted = []
        for delivery in fresh:
            if _is_in(under_way, delivery):
                continue  # that run may read this version; if it does not, it is asked for again after it
            if delivery.source in names and partitions.has_partition_key(delivery.day.isoformat()):
                wanted.append(delivery)
            else:
                context.log.warning(f"{delivery.object} is of no known source, or of a day without a partition")
        requests = list(_requests(context.instance, wanted, partitions))
        yield from requests
        if not requests:
            yield dg.SkipReason("What landed failed and waits." if wanted else "Nothing new in landing.")

    return landing_sensor


def _under_way(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(job_name=LAKE, statuses=UNFINISHED)))


def _is_in(runs: Iterable[dg.DagsterRun], delivery: Delivery) -> bool:
    """Whether one of the runs takes the delivery's day of its source."""
    key, day = dg.AssetKey([LAKE, delivery.source]), delivery.day.isoformat()
    return any(
        key in (run.asset_selection or ()) and run.tags.get(RANGE_START, "") <= day <= run.tags.get(RANGE_END, "")
        for run in runs
    )


def _requests(
    instance: dg.DagsterInstance, fresh: Iterable[Delivery], partitions: dg.PartitionsDefinition[str]
) -> Iterator[dg.RunRequest]:
    """One run per source and stretch of days; its key follows from the objects' versions, and how often they failed."""
    by_source: dict[str, list[Delivery]] = {}
    for delivery in fresh:
        by_source.setdefault(delivery.source, []).append(delivery)
    for source, found in sorted(by_source.items()):
        for first, last in stretches(partitions, {delivery.day for delivery in found}):
            versions = [delivery for delivery in found if first <= delivery.day.isoformat() <= last]
            name = f"{source}-{first}-{last}-{_digest(versions)}"
            failures = _failures(instance, name)
            if failures and time.time() < max(failures) + _pause_after(len(failures)):
                continue
            yield dg.RunRequest(
                run_key=f"{name}-{len(failures)}",
                asset_selection=[dg.AssetKey([LAKE, source])],
                run_config=taking(versions),
                tags={**range_tags(first, last), _VERSIONS: name},
            )


def _failures(instance: dg.DagsterInstance, versions: str) -> list[float]:
    """When the runs failed that were to take these versions, in seconds since 1970."""
    failed = dg.RunsFilter(tags={_VERSIONS: versions}, statuses=[dg.DagsterRunStatus.FAILURE])
    return [record.end_time or record.update_timestamp.timestamp() for record in instance.get_run_records(failed)]


def _pause_after(failures: int) -> float:
    doubled = min(failures - 1, 16)  # a float has an end
    return min(_FIRST_PAUSE * 2.0**doubled, _LONGEST_PAUSE)


def _digest(deliveries: Iterable[Delivery]) -> str:
    versions = sorted((delivery.object, delivery.etag, delivery.size) for delivery in deliveries)
    return hashlib.blake2b(repr(versions).encode(), digest_size=8).hexdigest()
