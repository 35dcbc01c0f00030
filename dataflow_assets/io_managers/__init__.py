"""IO managers that store the frames of any Dagster project: atomically, partition by partition.

Here: `PostgresIOManager` for tables of PostgreSQL, `DeltaIOManager` for Delta tables in S3 or in a folder,
`PublishedIOManager` for one portable DuckDB file, and what they share. Not here: anything of the platform's own assets.

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

In PostgreSQL, where an asset downstream is given the frame in the kind that it asks for:

    >>> from dataflow_assets.io_managers import PostgresIOManager
    >>> @dg.asset(metadata={"key": ["order"], "order_by": ["version"]})
    ... def orders() -> pl.DataFrame:
    ...     return pl.DataFrame({"order": [1, 2, 2], "version": [1, 1, 2], "amount": [10, 20, 25]})
    >>> @dg.asset
    ... def total(orders: pl.LazyFrame) -> pl.DataFrame:
    ...     return orders.select(pl.sum("amount")).collect()
    >>> from pathlib import Path
    >>> from dataflow_assets.postgres import embedded
    >>> with embedded.acquire(Path("platform").absolute()) as server:
    ...     manager = PostgresIOManager(url=server.url)
    ...     dg.materialize([orders, total], resources={"io_manager": manager}).asset_value("total").item()
    35
"""

from dataflow_assets.io_managers.delta import DeltaIOManager
from dataflow_assets.io_managers.postgres import PostgresIOManager
from dataflow_assets.io_managers.published import PublishedIOManager

__all__ = ["DeltaIOManager", "PostgresIOManager", "PublishedIOManager"]
