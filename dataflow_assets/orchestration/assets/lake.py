"""The assets of the lake: `lake/<source>`, and the external ones that its runs speak of.

Here: what they depend on and say of themselves. Not here: which deliveries a run takes (see `ingest_config`), and what
it does (see `lake_run`).
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from dataflow_assets.orchestration.assets.lake_run import LakeRun
from dataflow_assets.orchestration.assets.per_partition import Written, outputs_of
from dataflow_assets.orchestration.checks import check_specs
from dataflow_assets.orchestration.checks.base import Outcome, Target
from dataflow_assets.orchestration.ingest_config import IngestConfig
from dataflow_assets.orchestration.keys import DAYS_SUFFIX, LAKE, LANDING, REJECTS
from dataflow_assets.orchestration.metadata import links
from dataflow_assets.orchestration.metadata.columns import columns_of_lake, columns_of_rejects
from dataflow_assets.orchestration.metadata.lineage import describe_columns, file_columns
from dataflow_assets.orchestration.partitions import daily_partitions, run_days
from dataflow_assets.orchestration.resources import (
    OBJECT_STORE,
    DatabaseResource,
    ObjectStoreResource,
    open_both,
)
from dataflow_assets.orchestration.retries import retry_transient
from dataflow_assets.orchestration.runs.going_on import go_on
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Events, Source


def build_lake_asset(settings: Settings, source: Source) -> dg.AssetsDefinition:
    """The asset of a source's valid, typed rows."""
    target = Target(LAKE, source)
    checks = check_specs(target)

    @dg.asset(
        name=source.name,
        key_prefix=LAKE,
        group_name=LAKE,
        description=f"{source.description} The valid, typed rows of each day's deliveries, and where each came from.",
        owners=[source.owner],
        kinds={"deltalake", "polars"},
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[[LANDING, source.name]],
        pool=OBJECT_STORE,
        metadata={
            **describe_columns(columns_of_lake(source), file_columns(source, [LANDING, source.name])),
            **links.deliveries(source),
            **links.rejects(source, settings.ui_url),
        },
        check_specs=checks,
    )
    def lake_table(
        context: dg.AssetExecutionContext,
        config: IngestConfig,
        object_store: ObjectStoreResource,
        database: DatabaseResource,
    ) -> Iterator[Written]:
        with retry_transient(context):
            days = run_days(context)
            outcome = Outcome(target=target, database=database, today=settings.today, days=days)
            storage = open_both(object_store, database, settings.first_day).storage
            LakeRun(context, settings, storage, outcome, config.objects, config.release).write()
        yield from outputs_of(checks)
        go_on(context, settings, outcome.url)

    return lake_table


def build_days_spec(settings: Settings, source: Events) -> dg.AssetSpec:
    """The asset by which deliveries say which event days they touch."""
    return dg.AssetSpec(
        [LAKE, source.name + DAYS_SUFFIX],
        group_name=LAKE,
        description=f"The event days of {source.name} that a delivery touched, each at the time it did.",
        owners=[source.owner],
        kinds={"deltalake"},
        partitions_def=daily_partitions(settings),
        deps=[dg.AssetDep([LAKE, source.name], partition_mapping=dg.AllPartitionMapping())],
    )


def build_rejects_spec(settings: Settings, sources: Sequence[Source]) -> dg.AssetSpec:
    """The asset of all rejected rows."""
    return dg.AssetSpec(
        REJECTS,
        group_name=LAKE,
        description="The rows that no source accepts, each with its text, its place and the reason.",
        owners=sorted({source.owner for source in sources}),
        kinds={"deltalake"},
        partitions_def=daily_partitions(settings),
        metadata={"dagster/column_schema": dg.TableSchema(columns_of_rejects())},
        deps=[[LANDING, source.name] for source in sources],
    )
