"""The assets `published/<answer>`: every answer in one portable DuckDB file.

Here: what they depend on and say of themselves. Not here: how the file is written (see `published_io_manager`).
"""

import dagster as dg
import polars as pl

from dataflow_assets.analytics import Answer
from dataflow_assets.orchestration.keys import ANALYTICS, PUBLISHED
from dataflow_assets.orchestration.metadata.columns import columns_of_answer
from dataflow_assets.orchestration.metadata.lineage import describe_columns, same_columns
from dataflow_assets.orchestration.partitions import answer_partitions
from dataflow_assets.orchestration.resources import DATABASE
from dataflow_assets.settings import Settings

PUBLISHED_FILE = "published_file"  # the IO manager that stores them


def build_published_asset(settings: Settings, answer: Answer) -> dg.AssetsDefinition:
    """The asset of an answer's copy in the file."""

    @dg.asset(
        name=answer.name,
        key_prefix=PUBLISHED,
        group_name=PUBLISHED,
        description=f"{answer.description} In the portable file analytics.duckdb.",
        owners=[answer.owner],
        kinds={"duckdb"},
        partitions_def=answer_partitions(settings, answer),
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"answer": dg.AssetIn([ANALYTICS, answer.name])},
        io_manager_key=PUBLISHED_FILE,
        pool=DATABASE,
        metadata={
            **describe_columns(columns_of_answer(answer), same_columns(answer.schema, [ANALYTICS, answer.name])),
            "partition_expr": answer.schema.column_names()[0],
        },
    )
    def published_table(answer: pl.DataFrame) -> pl.DataFrame:
        return answer

    return published_table
