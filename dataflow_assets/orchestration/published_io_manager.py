"""The portable file: every answer in one DuckDB file.

Here: what is said of each partition that is published. Not here: how the file is written (see `io_managers.published`).
"""

from datetime import date

import dagster as dg
import polars as pl

from dataflow_assets.io_managers import PublishedIOManager
from dataflow_assets.orchestration.assets.per_partition import write_each
from dataflow_assets.orchestration.metadata.metrics import Metrics, preview_newest
from dataflow_assets.orchestration.partitions import partition_days


class AnswersIOManager(PublishedIOManager):
    """Stores `published/<answer>` as the table `published.<answer>`."""

    def describe_partitions(self, context: dg.OutputContext, rows: pl.DataFrame, seconds: float) -> None:
        """Give each partition its metrics, and say them in the run's log."""
        days = partition_days(context.asset_partition_keys)
        partition = rows.get_column((context.definition_metadata or {})["partition_expr"])

        def metrics(day: date) -> Metrics:
            of_day = rows.filter(partition == day)
            preview = preview_newest(of_day, is_newest=day == max(days))
            return {"rows": of_day.height, "seconds": seconds / len(days), **preview}

        write_each(dg.AssetExecutionContext.get(), metrics)
