"""The assets `analytics/<answer>`: what is answered again for each day or month.

Here: what they depend on and say of themselves. Not here: what a run does (see `answer_run`), and what an answer says
(see `analytics`).
"""

from collections.abc import Iterator

import dagster as dg

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.assets.answer_run import AnswerRun
from dataflow_assets.orchestration.assets.per_partition import Written, outputs_of
from dataflow_assets.orchestration.checks import check_specs
from dataflow_assets.orchestration.checks.base import Outcome, Target
from dataflow_assets.orchestration.keys import ANALYTICS, WAREHOUSE
from dataflow_assets.orchestration.metadata.columns import columns_of_answer
from dataflow_assets.orchestration.metadata.lineage import answer_columns, describe_columns
from dataflow_assets.orchestration.partitions import answer_partitions, run_days
from dataflow_assets.orchestration.planning.inputs import days_before
from dataflow_assets.orchestration.resources import DATABASE, DatabaseResource, ObjectStoreResource
from dataflow_assets.orchestration.retries import retry_transient
from dataflow_assets.orchestration.warehouse_tables import WAREHOUSE_TABLES
from dataflow_assets.settings import Settings
from dataflow_assets.sources import find_source
from dataflow_assets.sources.base import Events, Source


def build_answer_asset(settings: Settings, answer: Answer) -> dg.AssetsDefinition:
    """The asset of an answer's table."""
    target = Target(ANALYTICS, answer)
    checks = check_specs(target)

    @dg.asset(
        name=answer.name,
        key_prefix=ANALYTICS,
        group_name=ANALYTICS,
        description=answer.description,
        owners=[answer.owner],
        kinds={"polars" if answer.statement is None else "sql", "postgres"},
        partitions_def=answer_partitions(settings, answer),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[_dependency(answer, find_source(name), settings.timezone) for name in answer.reads],
        io_manager_key=WAREHOUSE_TABLES,
        pool=DATABASE,
        metadata={
            **describe_columns(columns_of_answer(answer), answer_columns(answer, WAREHOUSE)),
            "dagster/table_name": f"{ANALYTICS}.{answer.name}",
        },
        check_specs=checks,
    )
    def answer_table(
        context: dg.AssetExecutionContext, database: DatabaseResource, object_store: ObjectStoreResource
    ) -> Iterator[Written]:
        with retry_transient(context):
            days = run_days(context)
            outcome = Outcome(target=target, database=database, today=settings.today, days=days)
            AnswerRun(context, settings, answer, outcome, object_store).write()
        yield from outputs_of(checks)

    return answer_table


def _dependency(answer: Answer, source: Source, timezone: str) -> dg.AssetDep:
    key = [WAREHOUSE, source.name]
    if not isinstance(source, Events):
        # The latest values of every key: an answer does not ask how they were on its day.
        return dg.AssetDep(key, partition_mapping=dg.LastPartitionMapping())
    # The first days have none before them, and a month that is not over yet has days to come.
    mapping = dg.TimeWindowPartitionMapping(
        start_offset=-days_before(answer, timezone), allow_nonexistent_upstream_partitions=True
    )
    return dg.AssetDep(key, partition_mapping=mapping)
