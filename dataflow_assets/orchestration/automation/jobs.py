"""One job per layer, and of the answers one per partition grain.

Here: which assets run together, how a job of the night is scheduled, and which runs have not ended. Not here: for which
partitions.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.keys import ANALYTICS, LAKE, LANDING, PUBLISHED, WAREHOUSE
from dataflow_assets.sources.base import Source

SENSOR_SECONDS = 4  # the daemon looks every 5 seconds, and with 5 would often find that it is not yet time
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
ANSWERS = {"day": "answers_daily", "month": "answers_monthly"}  # by grain


def build_source_jobs(sources: Sequence[Source]) -> list[Any]:
    """The jobs of lake and warehouse, and that of landing where something is collected."""
    jobs = [_job(layer, [[layer, source.name] for source in sources]) for layer in (LAKE, WAREHOUSE)]
    collected = [[LANDING, source.name] for source in sources if source.arrives]
    return [*jobs, _job(LANDING, collected)] if collected else jobs


def build_answer_jobs(answers: Sequence[Answer]) -> list[Any]:
    """The jobs that make answers and publish them."""
    return [
        _job(
            name,
            [[layer, answer.name] for layer in (ANALYTICS, PUBLISHED) for answer in answers if answer.grain == grain],
        )
        for grain, name in ANSWERS.items()
    ]


def every_night(job: dg.JobDefinition, cron: str, timezone: str) -> dg.ScheduleDefinition:
    """The schedule of a job that runs once a night, at a time of the time zone."""
    return dg.ScheduleDefinition(
        name=f"{job.name}_nightly",
        job=job,
        description=job.description,
        cron_schedule=cron,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def _job(name: str, keys: Sequence[Sequence[str]]) -> Any:
    listed = ", ".join("/".join(key) for key in keys)
    return dg.define_asset_job(name, dg.AssetSelection.assets(*keys), description=f"Materializes {listed}.")
