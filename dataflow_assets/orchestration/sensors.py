"""The landing sensor: new objects to lake partitions.

Here: comparing what has landed with the deliveries that the lake holds, and asking for runs. Not here:
what a run does.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import dagster as dg

from dataflow_assets.landing.deliveries import Delivery, Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.assets import LAKE
from dataflow_assets.orchestration.partitions import range_tags, ranges
from dataflow_assets.settings import load_settings
from dataflow_assets.sources.declaration import Source
from dataflow_assets.warehouse.opening import open_warehouse
from dataflow_assets.warehouse.records import known_versions


def build_landing_sensor(sources: Sequence[Source], partitions: dg.PartitionsDefinition[str]) -> dg.SensorDefinition:
    """A sensor that asks for the lake partitions of every object whose present version the lake does not hold."""

    @dg.sensor(
        name="landing_sensor",
        job_name=LAKE,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Finds new and changed objects in landing and takes them into the lake.",
    )
    def landing_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        settings = load_settings()
        known = known_versions(open_warehouse(settings))
        landed = Landing(open_storage(settings)).deliveries()
        fresh = [delivery for delivery in landed if known.get(delivery.id) != (delivery.etag, delivery.size)]
        wanted = {source.name for source in sources}
        for delivery in fresh:
            if delivery.source not in wanted or not partitions.has_partition_key(delivery.day.isoformat()):
                context.log.warning(f"{delivery.object} is of no known source, or of a day without a partition")
        requests = list(_requests(fresh, wanted, partitions))
        yield from requests
        if not requests:
            yield dg.SkipReason("Nothing new in landing.")

    return landing_sensor


def _requests(
    fresh: Iterable[Delivery], wanted: set[str], partitions: dg.PartitionsDefinition[str]
) -> Iterator[dg.RunRequest]:
    """One run per source and run of consecutive days; its key follows from the objects' versions."""
    by_source: dict[str, dict[date, list[Delivery]]] = {}
    for delivery in fresh:
        if delivery.source in wanted and partitions.has_partition_key(delivery.day.isoformat()):
            by_source.setdefault(delivery.source, {}).setdefault(delivery.day, []).append(delivery)
    for source, by_day in sorted(by_source.items()):
        for first, last in ranges(by_day):
            versions = [found for day in sorted(by_day) if first <= day <= last for found in by_day[day]]
            yield dg.RunRequest(
                run_key=f"{source}-{first}-{last}-{_digest(versions)}",
                asset_selection=[dg.AssetKey([LAKE, source])],
                tags=range_tags(first, last),
            )


def _digest(deliveries: Iterable[Delivery]) -> str:
    versions = sorted((delivery.object, delivery.etag, delivery.size) for delivery in deliveries)
    return hashlib.blake2b(repr(versions).encode(), digest_size=8).hexdigest()
