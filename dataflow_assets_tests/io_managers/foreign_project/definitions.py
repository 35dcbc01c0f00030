"""A Dagster project that has nothing to do with ours but its IO managers.

ROWS_PER_DAY says how many rows each day has, and RUN what they say of the run that made them.
"""

import os
from datetime import date

import dagster as dg
import polars as pl

from dataflow_assets.io_managers import DeltaIOManager, PostgresIOManager

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-31")


def measured(day: date) -> pl.LazyFrame:
    """One day of measurements."""
    n = pl.int_range(pl.lit(0, pl.Int64), int(os.environ["ROWS_PER_DAY"]))
    return pl.LazyFrame().select(
        n.alias("n"),
        day=pl.lit(day),
        sensor=pl.format("sensor {}", n % 1000),
        value=n * 0.25,
        run=pl.lit(int(os.environ["RUN"])),
    )


def assets(name: str) -> list[dg.AssetsDefinition]:
    """The same two assets over one IO manager."""

    @dg.asset(
        key_prefix=name,
        io_manager_key=name,
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata={"partition_expr": "day"},
    )
    def measurements(context: dg.AssetExecutionContext) -> pl.LazyFrame:
        return pl.concat([measured(date.fromisoformat(key)) for key in context.partition_keys])

    @dg.asset(key_prefix=name, io_manager_key=name, ins={"measurements": dg.AssetIn([name, "measurements"])})
    def totals(measurements: pl.LazyFrame) -> pl.DataFrame:
        return measurements.group_by("day", "run").len("rows").collect()

    return [measurements, totals]


defs = dg.Definitions(
    assets=[*assets("postgres"), *assets("delta")],
    resources={
        "postgres": PostgresIOManager(url=dg.EnvVar("FOREIGN_DATABASE_URL")),
        "delta": DeltaIOManager(root=dg.EnvVar("FOREIGN_ROOT")),
    },
)
