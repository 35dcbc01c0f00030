"""The nightly reconciliation: what the sensors missed, or what failed, is made again.

Here: the schedules, one for each job, and which partitions they look at. Not here: which of those are stale, and in
which ranges they are made (see `planning`).

What one of them makes, the sensors bring further at once; so a morning needs no second night.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.automation.jobs import ANSWERS
from dataflow_assets.orchestration.keys import ANALYTICS, LAKE, WAREHOUSE
from dataflow_assets.orchestration.planning.ranges import assets_with, find_ranges, partitions_of_asset
from dataflow_assets.orchestration.resources import DatabaseResource, ObjectStoreResource, Stores, open_both
from dataflow_assets.runtime.slots import count_slots
from dataflow_assets.runtime.tags import range_tags
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source

_CRON = {LAKE: "0 1 * * *", WAREHOUSE: "30 1 * * *", ANSWERS["day"]: "0 2 * * *", ANSWERS["month"]: "15 2 * * *"}


def build_reconcile_schedules(
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
    def reconcile(
        context: dg.ScheduleEvaluationContext, object_store: ObjectStoreResource, database: DatabaseResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        today = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date()
        stores = open_both(object_store, database, settings.first_day)
        requests = [request for asset in assets for request in _requests(settings, stores, asset, today)]
        return requests or dg.SkipReason("All is as it should be.")

    return reconcile


def _requests(settings: Settings, stores: Stores, asset: dg.AssetKey, today: date) -> Iterator[dg.RunRequest]:
    """A run for each range of what is stale in the window that ends today."""
    first = (today - timedelta(days=settings.backfill_days)).replace(day=1)
    partitions = partitions_of_asset(settings, asset)
    for start, end in find_ranges(
        stores, asset, partitions, first, today, only_stale=True, slots=count_slots(settings)
    ):
        yield dg.RunRequest(
            run_key=f"{asset.to_user_string()}-{start}-{end}-{today}",
            asset_selection=assets_with(asset),
            tags=range_tags(start, end),
        )
