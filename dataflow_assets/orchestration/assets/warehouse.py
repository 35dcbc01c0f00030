"""The assets `warehouse/<source>`: the tables that people query.

Here: what they depend on and say of themselves. Not here: what a run does (see `warehouse_run`), and how other assets
read them (see `warehouse_tables`).
"""

from collections.abc import Iterator

import dagster as dg

from dataflow_assets.orchestration.assets.per_partition import Written, outputs_of
from dataflow_assets.orchestration.assets.warehouse_run import WarehouseRun
from dataflow_assets.orchestration.checks import check_specs
from dataflow_assets.orchestration.checks.base import Outcome, Target
from dataflow_assets.orchestration.keys import DAYS_SUFFIX, LAKE, WAREHOUSE
from dataflow_assets.orchestration.metadata import links
from dataflow_assets.orchestration.metadata.columns import columns_of_warehouse
from dataflow_assets.orchestration.metadata.lineage import describe_columns, same_columns
from dataflow_assets.orchestration.partitions import daily_partitions, run_days
from dataflow_assets.orchestration.resources import DATABASE, DatabaseResource, ObjectStoreResource, open_both
from dataflow_assets.orchestration.retries import retry_transient
from dataflow_assets.orchestration.warehouse_tables import WAREHOUSE_TABLES
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Events, Source


def build_warehouse_asset(settings: Settings, source: Source) -> dg.AssetsDefinition:
    """The asset of a source's table."""
    read = source.name + DAYS_SUFFIX if isinstance(source, Events) else source.name
    target = Target(WAREHOUSE, source)
    checks = check_specs(target)

    @dg.asset(
        name=source.name,
        key_prefix=WAREHOUSE,
        group_name=WAREHOUSE,
        description=f"{source.description} The table people query: typed, keyed, without duplicates.",
        owners=[source.owner],
        kinds={"postgres", "table"},
        partitions_def=daily_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[[LAKE, read]],
        io_manager_key=WAREHOUSE_TABLES,
        pool=DATABASE,
        metadata={
            **describe_columns(columns_of_warehouse(source), same_columns(source.schema, [LAKE, source.name])),
            **links.delivered_by(source),
            "dagster/table_name": f"{WAREHOUSE}.{source.name}",
        },
        check_specs=checks,
    )
    def warehouse_table(
        context: dg.AssetExecutionContext, object_store: ObjectStoreResource, database: DatabaseResource
    ) -> Iterator[Written]:
        with retry_transient(context):
            days = run_days(context)
            outcome = Outcome(target=target, database=database, today=settings.today, days=days)
            storage = open_both(object_store, database, settings.first_day).storage
            WarehouseRun(context, settings, storage, outcome).write()
        yield from outputs_of(checks)

    return warehouse_table
