"""The assets `landing/<source>` that are collected: a run brings what was delivered.

Here: what a run is told, and what the asset says of itself. Not here: what a run does (see `collect_run`), when that is
(see `automation.collect`), and the assets that somebody else fills (see `landing`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from dataflow_assets.orchestration.assets.collect_run import CollectRun
from dataflow_assets.orchestration.assets.landing import build_landing_spec
from dataflow_assets.orchestration.assets.per_partition import Written
from dataflow_assets.orchestration.checks import check_specs
from dataflow_assets.orchestration.checks.base import Outcome, Target
from dataflow_assets.orchestration.keys import LANDING
from dataflow_assets.orchestration.partitions import partition_days
from dataflow_assets.orchestration.resources import DatabaseResource, ObjectStoreResource, open_both
from dataflow_assets.orchestration.retries import retry_transient
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source

COLLECTORS = "collectors"  # the pool that limits how many runs collect at a time


class CollectConfig(dg.Config):
    """What a run of a collected landing asset brings."""

    any_day: bool = Field(
        default=False, description="Whether what is new of any day is brought, and not that of the run's days alone."
    )


def collect_config(source: Source) -> dict[str, Any]:
    """The configuration of a run that brings what is new of any day."""
    return {"ops": {dg.AssetKey([LANDING, source.name]).to_python_identifier(): {"config": {"any_day": True}}}}


def build_collected_asset(settings: Settings, source: Source) -> dg.AssetsDefinition:
    """The asset of what is delivered of a source that says from where it arrives."""
    origin, spec = source.arrives, build_landing_spec(settings, source)
    assert origin
    target = Target(LANDING, source)
    checks = check_specs(target)

    @dg.multi_asset(
        name=spec.key.to_python_identifier(),
        specs=[
            spec.replace_attributes(
                kinds={*spec.kinds, origin.label.lower()},
                metadata={**spec.metadata, "arrives from": origin.address},
                skippable=True,  # where nothing is new, no day is written
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=COLLECTORS,
        check_specs=checks,
    )
    def landing_folder(
        context: dg.AssetExecutionContext,
        config: CollectConfig,
        object_store: ObjectStoreResource,
        database: DatabaseResource,
    ) -> Iterator[Written]:
        with retry_transient(context):
            days = partition_days(context.partition_keys)
            outcome = Outcome(target=target, database=database, today=settings.today, days=days)
            storage = open_both(object_store, database, settings.first_day).storage
            CollectRun(context, settings, storage, outcome, any_day=config.any_day).write()
        if not config.any_day:
            yield dg.MaterializeResult()
        for check in checks:
            yield dg.Output(None, check.get_python_identifier())

    return landing_folder
