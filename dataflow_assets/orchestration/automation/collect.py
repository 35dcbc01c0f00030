"""The schedules by which sources are collected, each as its declaration says.

Here: asking for a run that brings what is new. Not here: what that does (see `assets.collected`).
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import dagster as dg

from dataflow_assets.errors import DeclarationError
from dataflow_assets.orchestration.assets.collected import collect_config
from dataflow_assets.orchestration.automation.jobs import UNFINISHED
from dataflow_assets.orchestration.keys import LANDING
from dataflow_assets.runtime.tags import range_tags
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source


def build_collect_schedules(settings: Settings, sources: Sequence[Source]) -> list[dg.ScheduleDefinition]:
    """A schedule for each source that says from where it arrives.

    Raises:
        DeclarationError: one says no time that there is.
    """
    return [_schedule(settings, source) for source in sources if source.arrives]


def _schedule(settings: Settings, source: Source) -> dg.ScheduleDefinition:
    assert source.arrives
    key = dg.AssetKey([LANDING, source.name])

    def collect(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        under_way = context.instance.get_runs(dg.RunsFilter(job_name=LANDING, statuses=UNFINISHED))
        if any(key in (run.asset_selection or ()) for run in under_way):
            return dg.SkipReason("A run is collecting already.")
        today = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date().isoformat()
        return dg.RunRequest(
            run_key=context.scheduled_execution_time.isoformat(),
            asset_selection=[key],
            run_config=collect_config(source),
            tags=range_tags(today, today),
        )

    try:
        return dg.schedule(
            name=f"collect_{source.name}",
            job_name=LANDING,
            cron_schedule=source.arrives.schedule,
            execution_timezone=settings.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Brings what is new at {source.arrives.address} into landing.",
        )(collect)
    except dg.DagsterInvalidDefinitionError:
        said = f"The source {source.name} is declared to arrive by the schedule {source.arrives.schedule!r}"
        raise DeclarationError(f"{said}, which is no time: correct it, as in '*/10 * * * *'.") from None
