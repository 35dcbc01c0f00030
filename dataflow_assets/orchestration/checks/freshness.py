"""Whether yesterday is there: what a check of every asset says at 06:00 of the business time zone.

Here: the job and its schedule, and why a partition is not there. Not here: partitions that come later, which their own
runs judge (see `checks.log_fresh`), and making what is missing (see `nightly`).

Dagster's own freshness looks at when an asset was last materialized: a backfill of an old year would make it fresh.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.ledger.answers import read_answer_versions
from dataflow_assets.ledger.delivery_reports import read_deliveries
from dataflow_assets.ledger.event_days import read_loaded_days
from dataflow_assets.ledger.snapshots import read_snapshot
from dataflow_assets.orchestration.assets import ANALYTICS, WAREHOUSE
from dataflow_assets.orchestration.automation.landing_sensor import UNFINISHED
from dataflow_assets.orchestration.checks import FRESH, VOLUME, check_volume, evaluation
from dataflow_assets.orchestration.lake_io_manager import LAKE
from dataflow_assets.orchestration.planning.staleness import undone
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.warehouse.bootstrap import open_warehouse

MORNING = "morning_checks"


class Morning(dg.Config):
    """What a run of the job looks at."""

    day: str


def build_morning_schedule(
    timezone: str, sources: Sequence[Source], answers: Sequence[Answer]
) -> dg.ScheduleDefinition:
    """A job that judges a day of every asset, for yesterday at 06:00 of the time zone."""

    @dg.op(name="look_at_day", description="Evaluates the checks of a day, whether or not anything came.")
    def look_at_day(context: dg.OpExecutionContext, config: Morning) -> None:
        settings, day = load_settings(), date.fromisoformat(config.day)
        are_all_idle = context.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)) <= 1  # this one
        judged = [found for source in sources for found in _of_source(settings, source, day)]
        judged += [_of_answer(settings, answer, day, are_all_idle=are_all_idle) for answer in answers]
        for found in judged:
            context.log_event(found)  # type: ignore[arg-type]  # it takes evaluations, too

    @dg.job(name=MORNING, description="Says of every asset whether yesterday is there, and as large as usual.")
    def morning_checks() -> None:
        look_at_day()

    @dg.schedule(
        name=f"{MORNING}_daily",
        job=morning_checks,
        cron_schedule="0 6 * * *",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def morning(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        today = context.scheduled_execution_time.astimezone(ZoneInfo(timezone)).date()
        yesterday = (today - timedelta(days=1)).isoformat()
        return dg.RunRequest(run_key=yesterday, run_config={"ops": {"look_at_day": {"config": {"day": yesterday}}}})

    return morning


def _of_source(settings: Settings, source: Source, day: date) -> Iterator[dg.AssetCheckEvaluation]:
    in_lake, in_warehouse = ([layer, source.name] for layer in (LAKE, WAREHOUSE))
    yield _judged(in_lake, day, _why_not_in_lake(settings, source, day))
    yield _judged(in_warehouse, day, _why_not_in_warehouse(settings, source, day))
    unusual = check_volume(open_warehouse(settings), source, [day], day + timedelta(days=1)).get(day)
    yield evaluation(VOLUME, dg.AssetKey(in_lake), day, unusual)


def _of_answer(settings: Settings, answer: Answer, day: date, *, are_all_idle: bool) -> dg.AssetCheckEvaluation:
    first = day if answer.grain == "day" else day.replace(day=1)
    why_not = _why_not_answered(settings, answer, first, are_all_idle=are_all_idle)
    return _judged([ANALYTICS, answer.name], first, why_not)


def _judged(key: Sequence[str], day: date, why_not: str | None) -> dg.AssetCheckEvaluation:
    said = f"{'/'.join(key)} of {day} is not there as it should be: {why_not}." if why_not else None
    return evaluation(FRESH, dg.AssetKey(key), day, said)


def _why_not_in_lake(settings: Settings, source: Source, day: date) -> str | None:
    """Why the lake has no rows of a delivery day, or not all; None if it has."""
    if undone(settings, dg.AssetKey([LAKE, source.name]), [day]):
        return "what landed is not taken in yet, so see the newest runs of the asset"
    states = {delivery["state"] for delivery in read_deliveries(open_warehouse(settings), source.name, day)}
    if "accepted" in states:
        return None
    if not states:
        return "nothing was delivered"
    told = f"`dataflow deliveries --source {source.name} --day {day}` says why"
    return f"what was delivered is {' or '.join(sorted(states - {'superseded'}))}, and {told}"


def _why_not_in_warehouse(settings: Settings, source: Source, day: date) -> str | None:
    """Why a table does not have a day of the lake; None if it has."""
    if undone(settings, dg.AssetKey([WAREHOUSE, source.name]), [day]):
        return "the lake has newer rows of it, so see the newest runs of the asset"
    with connect(open_warehouse(settings)) as connection:
        if isinstance(source, Events):
            return None if day in read_loaded_days(connection, source) else "no event of that day was delivered"
        assert isinstance(source, Snapshot)
        newest = read_snapshot(connection, source).newest_day
    if newest is None:
        return "no dump was loaded yet"
    return None if newest >= day else f"the newest dump that was loaded is of {newest}"


def _why_not_answered(settings: Settings, answer: Answer, first: date, *, are_all_idle: bool) -> str | None:
    """Why a partition of an answer is missing or old; None if it is not, or is being made."""
    if undone(settings, dg.AssetKey([ANALYTICS, answer.name]), [first]):
        return "its tables are newer, so see the newest runs of the asset" if are_all_idle else None
    with connect(open_warehouse(settings)) as connection:
        is_made = first in read_answer_versions(connection, answer.name, first, first)
    return None if is_made else "there are no events that it could be made from"
