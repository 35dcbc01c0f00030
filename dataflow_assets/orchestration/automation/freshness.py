"""The job that judges yesterday of every asset, at 06:00 of the business time zone.

Here: the job and its schedule. Not here: what the checks say of a day (see `checks`), and making what is missing (see
`reconcile`).
"""

from collections.abc import Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.automation.jobs import UNFINISHED
from dataflow_assets.orchestration.checks import judge_past_day
from dataflow_assets.orchestration.checks.base import PastDay, Target
from dataflow_assets.orchestration.keys import ANALYTICS, LAKE, LANDING, WAREHOUSE
from dataflow_assets.orchestration.resources import DatabaseResource, ObjectStoreResource, open_both
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source

FRESHNESS = "freshness_checks"


class DayConfig(dg.Config):
    """Which day a run of the job judges."""

    day: str


def build_freshness_schedule(
    settings: Settings, sources: Sequence[Source], answers: Sequence[Answer]
) -> dg.ScheduleDefinition:
    """A job that judges a day of every asset, for yesterday at 06:00 of the time zone."""
    targets = [Target(layer, source) for source in sources for layer in (LAKE, WAREHOUSE)]
    targets += [Target(LANDING, source) for source in sources if source.arrives]
    targets += [Target(ANALYTICS, answer) for answer in answers]

    @dg.op(name="judge_day", description="Evaluates the checks of a day, whether or not anything came.")
    def judge_day(
        context: dg.OpExecutionContext,
        config: DayConfig,
        object_store: ObjectStoreResource,
        database: DatabaseResource,
    ) -> None:
        are_all_idle = context.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)) <= 1  # this one
        stores, day = open_both(object_store, database, settings.first_day), date.fromisoformat(config.day)
        past = PastDay(stores=stores, day=day, are_all_idle=are_all_idle)
        for evaluation in [one for target in targets for one in judge_past_day(past, target)]:
            context.log_event(evaluation)  # type: ignore[arg-type]  # it takes evaluations, too

    @dg.job(name=FRESHNESS, description="Says of every asset whether yesterday is there, and as large as usual.")
    def freshness_checks() -> None:
        judge_day()

    @dg.schedule(
        name=f"{FRESHNESS}_daily",
        job=freshness_checks,
        description=freshness_checks.description,
        cron_schedule="0 6 * * *",
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def judge_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        today = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date()
        yesterday = (today - timedelta(days=1)).isoformat()
        return dg.RunRequest(run_key=yesterday, run_config={"ops": {"judge_day": {"config": {"day": yesterday}}}})

    return judge_yesterday
