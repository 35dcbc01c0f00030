"""IO managers that store the frames of any Dagster project: atomically, partition by partition.

Here: `DeltaIOManager` for Delta tables in S3 or in a folder, `PublishedIOManager` for one portable DuckDB file, and
what they share. Not here: anything of the platform's own assets.

    >>> import tempfile
    >>> from datetime import date
    >>> import dagster as dg
    >>> import polars as pl
    >>> from dataflow_assets.io_managers import DeltaIOManager
    >>> days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-03")
    >>> @dg.asset(partitions_def=days, metadata={"partition_expr": "day"})
    ... def sales(context: dg.AssetExecutionContext) -> pl.LazyFrame:
    ...     return pl.LazyFrame({"day": [date.fromisoformat(context.partition_key)], "amount": [100]})
    >>> manager = DeltaIOManager(root=tempfile.mkdtemp())
    >>> dg.materialize([sales], resources={"io_manager": manager}, partition_key="2024-01-01").success
    True
"""

from dataflow_assets.io_managers.delta import DeltaIOManager
from dataflow_assets.io_managers.postgres import PostgresIOManager
from dataflow_assets.io_managers.published import PublishedIOManager

__all__ = ["DeltaIOManager", "PostgresIOManager", "PublishedIOManager"]
