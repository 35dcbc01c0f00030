"""The answers sensor: what was loaded into the warehouse to the answers that may say something else now.

Here: what changed in the warehouse since the last tick, and asking for runs. Not here: which answers follow from it
(see
`planning.downstream`), and what a run does.

The published file says what an answer's table held when it was read, and nothing keeps one that was read earlier from
being published later. So nothing is asked for while answers are being made: the tick after that covers all that changed
meanwhile. Where more is on its way to the warehouse, what changed waits for it some seconds, for a changed snapshot may
change all answers, and the files of a morning come at once.

A tick that was cut short is repeated, under the same run keys. A run that failed is not asked for again before
something that it reads changes.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg

from dataflow_assets.analytics import all_answers
from dataflow_assets.ledger.event_days import read_loaded_days
from dataflow_assets.orchestration.automation.jobs import ANSWERS, SENSOR_SECONDS, UNFINISHED
from dataflow_assets.orchestration.automation.materialization_feed import (
    Materialization,
    MaterializationFeed,
    cursor_after,
)
from dataflow_assets.orchestration.automation.waiting import Look, look_until_there_is_something
from dataflow_assets.orchestration.keys import ANALYTICS, LAKE, WAREHOUSE
from dataflow_assets.orchestration.partitions import daily_partitions, stretches
from dataflow_assets.orchestration.planning.downstream import affected_partitions
from dataflow_assets.orchestration.resources import DatabaseResource
from dataflow_assets.postgres.connection import connect
from dataflow_assets.runtime.tags import ANSWERED, GOES_ON, IN_PROCESS, range_tags
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.answers import are_answers_being_made

_PATIENCE_SECONDS = 20.0


def build_answers_sensor(settings: Settings, sources: Sequence[Source], jobs: Sequence[Any]) -> dg.SensorDefinition:
    """A sensor that asks for the partitions of answers that follow from what was loaded into some partitions."""

    @dg.sensor(
        name="answers_sensor",
        jobs=jobs,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes the answers of the days and months that changed in the warehouse, and publishes them.",
    )
    def answers_sensor(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult:
        def look(cursor: str | None) -> Look:
            return Look(_look(settings, sources, context.instance, database, cursor))

        return look_until_there_is_something(look, context.cursor)

    return answers_sensor


def _look(
    settings: Settings,
    sources: Sequence[Source],
    instance: dg.DagsterInstance,
    database: DatabaseResource,
    cursor: str | None,
) -> dg.SensorResult:
    cursor = cursor or _first_cursor(instance, sources)
    feed = MaterializationFeed(instance, daily_partitions(settings), cursor)
    changes = {source.name: _changes(feed, source) for source in sources}
    if not any(changes.values()):
        return dg.SensorResult(skip_reason="Nothing changed in the warehouse.", cursor=feed.cursor)
    url = database.open_warehouse()
    # A process that was killed leaves its own runs unfinished for ever, but not its lock.
    unfinished = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    launched = [run for run in unfinished if IN_PROCESS not in run.tags]
    if any(map(_makes_answers, launched)) or are_answers_being_made(url):
        return dg.SensorResult(skip_reason="Answers are being made; the next ones wait.", cursor=cursor)
    answered = _find_answered(instance, {load.run for loads in changes.values() for load in loads})
    left = {source: [load for load in loads if load.run not in answered] for source, loads in changes.items()}
    if not any(left.values()):
        return dg.SensorResult(skip_reason="What changed was answered at once.", cursor=feed.cursor)
    oldest = min(load.at for loads in left.values() for load in loads)
    # A change of the future is old: the clock was set back since.
    if abs(time.time() - oldest) < _PATIENCE_SECONDS and any(run.job_name in (LAKE, WAREHOUSE) for run in launched):
        return dg.SensorResult(skip_reason="More is being loaded; its answers are made together.", cursor=cursor)
    return dg.SensorResult(run_requests=list(_requests(settings, url, left)), cursor=feed.cursor)


def _first_cursor(instance: dg.DagsterInstance, sources: Sequence[Source]) -> str:
    """Whoever made the answers before there was a cursor had them follow what they read."""
    return cursor_after({dg.AssetKey([WAREHOUSE, source.name]): _answered(instance, source) for source in sources})


def _answered(instance: dg.DagsterInstance, source: Source) -> int:
    """The last event that was before the newest partition of each answer that reads the source."""
    answers = [dg.AssetKey([ANALYTICS, answer.name]) for answer in all_answers() if source.name in answer.reads]
    newest = [instance.fetch_materializations(answer, limit=1).records for answer in answers]
    return min((records[0].storage_id if records else 0 for records in newest), default=0)


def _changes(feed: MaterializationFeed, source: Source) -> list[Materialization]:
    """The new loads that wrote to their table, or found it written by one that ended before it could say so."""

    def is_change(load: Materialization) -> bool:
        if load.metrics.get("is_changed", 1):
            return True
        last = feed.metrics_before(load, of_its_day=isinstance(source, Events))
        return last.get("lake_version", -1) < load.metrics.get("lake_version_before", -1)

    return [load for load in feed.read(dg.AssetKey([WAREHOUSE, source.name])) if is_change(load)]


def _find_answered(instance: dg.DagsterInstance, runs: Collection[str]) -> set[str]:
    """Those among some runs whose changes are in the answers already, because the run of a delivery went on."""
    return {run.run_id for run in instance.get_runs(dg.RunsFilter(run_ids=list(runs))) if ANSWERED in run.tags}


def _makes_answers(run: dg.DagsterRun) -> bool:
    if GOES_ON in run.tags:
        return True
    if run.asset_selection is None:
        return run.job_name in ANSWERS.values()
    return any(asset.path[0] == ANALYTICS for asset in run.asset_selection)


def _requests(
    settings: Settings, url: str, changes: Mapping[str, Sequence[Materialization]]
) -> Iterator[dg.RunRequest]:
    """One run per stretch of the partitions that several answers have in common."""
    changed = {source: {load.day for load in loads} for source, loads in changes.items() if loads}
    newest = max(load.number for loads in changes.values() for load in loads)
    with connect(url) as connection:
        affected = affected_partitions(changed, partial(read_loaded_days, connection), settings.timezone)
    for together in affected:
        names = "-".join(answer.name for answer in together.answers)
        for first, last in stretches(together.partitions(settings), together.days):
            yield dg.RunRequest(
                run_key=f"{names}-{first}-{last}-{newest}",
                job_name=ANSWERS[together.answers[0].grain],
                asset_selection=together.assets,
                tags=range_tags(first, last),
            )
