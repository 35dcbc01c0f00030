"""The landing sensor: new objects to lake partitions.

Here: asking for runs of what has landed. Not here: where a tick looks (see `landing.discovery`), what is new
(see `ledger.discovery` and `ledger.corrections`), and what a run does.

The cursor only says where to look on: the record of deliveries decides what is new. Where a run failed, the same
objects are asked for again after a pause, which doubles with each time.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import dagster as dg
from deltalake.exceptions import DeltaError
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from dataflow_assets.errors import DataFlowError
from dataflow_assets.landing.companions import Companions
from dataflow_assets.landing.deliveries import Delivery, Expected, Stray
from dataflow_assets.landing.discovery import DiscoveryCursor
from dataflow_assets.landing.listing import Listed
from dataflow_assets.landing.storage import Storage
from dataflow_assets.ledger.corrections import find_corrected
from dataflow_assets.ledger.discovery import find_new, report_strays
from dataflow_assets.orchestration.automation.jobs import SENSOR_SECONDS, UNFINISHED
from dataflow_assets.orchestration.automation.told import keep, receive
from dataflow_assets.orchestration.automation.waiting import TICK_SECONDS, Look, look_until_there_is_something
from dataflow_assets.orchestration.ingest_config import ingest_config
from dataflow_assets.orchestration.keys import LAKE
from dataflow_assets.orchestration.partitions import batched_stretches, daily_partitions, stretches
from dataflow_assets.orchestration.planning.shares import cut_shares
from dataflow_assets.orchestration.resources import DatabaseResource, ObjectStoreResource, Stores, open_both
from dataflow_assets.postgres.connection import Connection, connect
from dataflow_assets.runtime.notices import Notices, notices
from dataflow_assets.runtime.slots import count_slots
from dataflow_assets.runtime.tags import GOES_ON, IN_PROCESS, VERSIONS, stretches_tags, takes
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source

_LOOK_SECONDS = 8.0  # after which a tick looks again at a store that tells of nothing
_QUEUE_SECONDS = 3.0  # after which a tick looks again into the queue of notifications
_SETTLING_SECONDS = 2.0  # after which nobody writes on at a local file
_GATHERING_SECONDS = 8.0  # after which a local file waits no longer for others that are being written
_LITTLE_SECONDS = 0.05  # clocks of files are coarser than others
_SMALL_BYTES = 4 << 20  # of a delivery that is brought to its answers by one run
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0  # seconds after a failed run


def build_landing_sensor(settings: Settings, sources: Sequence[Source]) -> dg.SensorDefinition:
    """A sensor that asks for the lake partitions of every object whose present version the lake does not hold."""
    partitions = daily_partitions(settings)

    @dg.sensor(
        name="landing_sensor",
        job_name=LAKE,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Finds new and changed objects in landing and asks for their days of the lake.",
    )
    def landing_sensor(
        context: dg.SensorEvaluationContext, object_store: ObjectStoreResource, database: DatabaseResource
    ) -> dg.SensorResult:
        corrected: list[Delivery] | None = None

        def look(cursor: str | None) -> Look:
            nonlocal corrected
            stores = open_both(object_store, database, settings.first_day)
            expected = Expected.of(sources, partitions.get_partition_keys())
            if corrected is None:  # once a tick, as each costs requests
                corrected = list(_find_corrected(context, stores, expected))
            return _look(context, settings, stores, expected, cursor, corrected)

        return look_until_there_is_something(look, context.cursor)

    return landing_sensor


def _find_corrected(context: dg.SensorEvaluationContext, stores: Stores, expected: Expected) -> Iterator[Delivery]:
    """What was quarantined and may be right now; a source of which it cannot be said keeps no other from landing."""
    for source in expected.declared.values():
        if source.control:
            try:
                yield from find_corrected(stores.url, stores.storage, source, expected.days)
            except (DataFlowError, DeltaError, BaseError, OSError) as error:
                context.log.warning(f"What of {source.name} is quarantined cannot be looked at again: {error}")


def _look(
    context: dg.SensorEvaluationContext,
    settings: Settings,
    stores: Stores,
    expected: Expected,
    cursor: str | None,
    corrected: Iterable[Delivery],
) -> Look:
    storage, discovery, heard = stores.storage, DiscoveryCursor.parse(cursor), notices()
    if heard:
        discovery.look_into(heard.take_landed())
    under_way = _under_way(context.instance)  # before what is known: one that ends meanwhile has been recorded
    with connect(stores.url) as connection:
        told = receive(context, settings, connection, storage)
        listed = (
            discovery.list_next(storage, expected, 60 * settings.discovery_minutes)
            if settings.listing_seconds is None
            else discovery.list_everything(storage, settings.listing_seconds)
        )
        fresh = _find_new(context, connection, chain(told, listed), expected)
        keep(connection, settings, told, fresh)
    fresh += corrected
    missing = Companions(storage, expected).find_missing
    ages = _ages(fresh)  # once: else one could be too young for a run, and a moment later too old for a look soon
    arriving = {found.source for found in fresh if not _is_settled(storage, ages[found])}
    settled = (found for found in fresh if _is_settled(storage, ages[found], found.source in arriving))
    ready = [found for found in settled if not missing(found) and not _is_in(under_way, found)]
    wanted = list(_requests(context.instance, ready, daily_partitions(settings), count_slots(settings) if ready else 1))
    if _is_small(settings, wanted) and not _is_anything_under_way(context.instance):
        wanted = [(_going_on(request), versions) for request, versions in wanted]
    requested = {found for _, versions in wanted for found in versions}
    if settings.listing_seconds is None:
        discovery.wait_for(found for found in fresh if found not in requested)
    said = dg.SensorResult(
        run_requests=[request for request, _ in wanted],
        skip_reason=None if wanted else _why_nothing(fresh, ready),
        cursor=str(discovery),
    )
    return Look(said, _seconds_to_next(ages.values(), settings, heard))


def _seconds_to_next(ages: Iterable[float], settings: Settings, heard: Notices | None) -> float:
    """When to look again: soon at what is being written, and rarely where somebody tells of what lands."""
    youngest = min(ages, default=_GATHERING_SECONDS)
    if youngest <= _SETTLING_SECONDS:
        return _SETTLING_SECONDS - youngest + _LITTLE_SECONDS
    if settings.s3_events_queue_url:
        return _QUEUE_SECONDS
    if settings.listing_seconds:
        return TICK_SECONDS if heard and heard.is_hearing else _LOOK_SECONDS
    return TICK_SECONDS if heard and heard.is_watching else _LOOK_SECONDS


def _find_new(
    context: dg.SensorEvaluationContext, connection: Connection, listed: Iterable[Listed], expected: Expected
) -> list[Delivery]:
    """The new deliveries among what a tick lists; the strays are reported."""
    found = dict.fromkeys(find_new(connection, listed, expected))
    for stray in report_strays(connection, [one for one in found if isinstance(one, Stray)]):
        context.log.warning(f"{stray.listed.key} {stray.reason}")
    # The time of one version is finer in a listing than in an answer to a request for it.
    return list({(one.object, one.etag): one for one in found if isinstance(one, Delivery)}.values())


def _is_settled(storage: Storage, age: float, more_arrive: bool = False) -> bool:
    """Whether nobody is writing an object of some age still: on S3 it is there when it is whole.

    Where more of its source arrive, it waits a little for them, so that many files at once become one run.
    """
    return not isinstance(storage.store, LocalStore) or age > (_GATHERING_SECONDS if more_arrive else _SETTLING_SECONDS)


def _ages(found: Iterable[Delivery]) -> dict[Delivery, float]:
    """The seconds since each object was written; the clock of a file may be wrong."""
    now = time.time()
    return {delivery: abs(now - delivery.last_modified.timestamp()) for delivery in found}


def _why_nothing(fresh: Sequence[Delivery], ready: Sequence[Delivery]) -> str:
    if ready:
        return "What landed failed and waits."
    return (
        "What landed is being written, waits for a file beside it, or a run takes it."
        if fresh
        else "Nothing new in landing."
    )


def _under_way(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(job_name=LAKE, statuses=UNFINISHED)))


def _is_in(runs: Iterable[dg.DagsterRun], delivery: Delivery) -> bool:
    """Whether one of the runs takes the delivery's day of its source."""
    key, day = dg.AssetKey([LAKE, delivery.source]), delivery.day.isoformat()
    return any(key in (run.asset_selection or ()) and takes(run.tags, [day]) for run in runs)


def _is_small(settings: Settings, wanted: Sequence[tuple[dg.RunRequest, Sequence[Delivery]]]) -> bool:
    """Whether all that is asked for is so little that its run goes on; Celery workers may be for other layers."""
    return settings.redis_url is None and len(wanted) == 1 and sum(one.size for one in wanted[0][1]) <= _SMALL_BYTES


def _going_on(request: dg.RunRequest) -> dg.RunRequest:
    return request.with_replaced_attrs(tags={**request.tags, GOES_ON: "true"})


def _is_anything_under_way(instance: dg.DagsterInstance) -> bool:
    """Whether a run waits or works, other than in the process of a command, which may have been killed."""
    return any(IN_PROCESS not in run.tags for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)))


def _requests(
    instance: dg.DagsterInstance, ready: Iterable[Delivery], partitions: dg.PartitionsDefinition[str], slots: int
) -> Iterator[tuple[dg.RunRequest, list[Delivery]]]:
    """The runs, and what each takes: of a source all, or, where several are made at once, a share.

    What failed before, a stretch of days, is taken apart, or it would fail the runs of what lands later.
    """
    by_source: dict[str, list[Delivery]] = {}
    for delivery in sorted(ready, key=lambda delivery: (delivery.source, delivery.day, delivery.object)):
        by_source.setdefault(delivery.source, []).append(delivery)
    for found in by_source.values():
        of_stretches = [_within(found, [one]) for one in stretches(partitions, {one.day for one in found})]
        failed = [versions for versions in of_stretches if _failures(instance, _name(versions))]
        others = [one for versions in of_stretches if versions not in failed for one in versions]
        for versions in [*failed, *_share_out(others, partitions, slots)]:
            failures = _failures(instance, _name(versions))
            # A failure of the future is old: the clock was set back since.
            if not failures or abs(time.time() - max(failures)) >= _pause_after(len(failures)):
                yield _request(versions, partitions, max(failures, default=0)), versions


def _share_out(
    found: Sequence[Delivery], partitions: dg.PartitionsDefinition[str], slots: int
) -> Iterator[list[Delivery]]:
    """What each run takes of what landed of a source, which is in order.

    The objects of one day may be those of several runs, which write them beside each other.
    """
    for together in batched_stretches(partitions, {delivery.day for delivery in found}):
        rest = _within(found, together)
        sizes = [delivery.size for delivery in rest]
        for count in cut_shares(sizes, slots) if slots > 1 else [len(rest)]:
            yield rest[:count]
            rest = rest[count:]


def _within(found: Iterable[Delivery], together: Sequence[tuple[str, str]]) -> list[Delivery]:
    """Those that landed from the first to the last of some days."""
    return [one for one in found if together[0][0] <= one.day.isoformat() <= together[-1][1]]


def _request(versions: Sequence[Delivery], partitions: dg.PartitionsDefinition[str], failed_at: float) -> dg.RunRequest:
    """The run of some deliveries of a source: its key follows from the objects' versions, and when they failed last.

    How often they failed is forgotten with old runs.
    """
    name = _name(versions)
    days = list(stretches(partitions, {delivery.day for delivery in versions}))
    return dg.RunRequest(
        run_key=f"{name}-{failed_at}",
        asset_selection=[dg.AssetKey([LAKE, versions[0].source])],
        run_config=ingest_config(versions),
        tags={**stretches_tags(days), VERSIONS: name},
    )


def _name(versions: Sequence[Delivery]) -> str:
    """What names some deliveries of a source, which are in order."""
    return f"{versions[0].source}-{versions[0].day}-{versions[-1].day}-{_digest(versions)}"


def _failures(instance: dg.DagsterInstance, versions: str) -> list[float]:
    """When the runs failed that were to take these versions, in seconds since 1970."""
    failed = dg.RunsFilter(tags={VERSIONS: versions}, statuses=[dg.DagsterRunStatus.FAILURE])
    return [record.end_time or record.update_timestamp.timestamp() for record in instance.get_run_records(failed)]


def _pause_after(failures: int) -> float:
    doubled = min(failures - 1, 16)  # a float has an end
    return min(_FIRST_PAUSE * 2.0**doubled, _LONGEST_PAUSE)


def _digest(deliveries: Iterable[Delivery]) -> str:
    versions = sorted((found.object, found.etag, found.size, *filter(None, [found.control])) for found in deliveries)
    return hashlib.blake2b(repr(versions).encode(), digest_size=8).hexdigest()
