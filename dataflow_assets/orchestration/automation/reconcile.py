"""The backfills of the night: what the sensors missed, or what failed, is made again.

Here: the schedules, one for each job, and which partitions they look at. Not here: which of those are undone (see
`undone`), and in which ranges they are made (see `backfill`).

What one of them makes, the sensors bring further at once; so a morning needs no second night.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.assets import ANALYTICS, WAREHOUSE
from dataflow_assets.orchestration.automation.jobs import ANSWERS
from dataflow_assets.orchestration.lake_io_manager import LAKE
from dataflow_assets.orchestration.partitions import range_tags
from dataflow_assets.orchestration.runs.backfill import Backfill
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source

_CRON = {LAKE: "0 1 * * *", WAREHOUSE: "30 1 * * *", ANSWERS["day"]: "0 2 * * *", ANSWERS["month"]: "15 2 * * *"}


def build_nightly_schedules(
    settings: Settings, sources: Sequence[Source], answers: Sequence[Answer]
) -> list[dg.ScheduleDefinition]:
    """A schedule for each job of lake, warehouse and answers, an hour or two after midnight of the time zone."""
    keys = {layer: [dg.AssetKey([layer, source.name]) for source in sources] for layer in (LAKE, WAREHOUSE)}
    keys |= {
        job: [dg.AssetKey([ANALYTICS, answer.name]) for answer in answers if answer.grain == grain]
        for grain, job in ANSWERS.items()
    }
    return [_schedule(settings, job, assets) for job, assets in keys.items()]


def _schedule(settings: Settings, job: str, assets: Sequence[dg.AssetKey]) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{job}_nightly",
        job_name=job,
        cron_schedule=_CRON[job],
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Makes what is missing or old, from the month {settings.backfill_days} days ago on.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        today = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date()
        requests = [request for asset in assets for request in _requests(settings, asset, today)]
        return requests or dg.SkipReason("All is as it should be.")

    return nightly


def _requests(settings: Settings, asset: dg.AssetKey, today: date) -> Iterator[dg.RunRequest]:
    """A run for each range of what is undone in the window that ends today."""
    wanted = Backfill(settings, asset, (today - timedelta(days=settings.backfill_days)).replace(day=1), today)
    for start, end in wanted.ranges(only_missing=True):
        yield dg.RunRequest(
            run_key=f"{asset.to_user_string()}-{start}-{end}-{today}",
            asset_selection=wanted.assets,
            tags=range_tags(start, end),
        )
