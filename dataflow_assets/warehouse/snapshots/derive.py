"""Both tables of a snapshot source, derived from its dumps.

Here: that alone, as pure functions of frames. Not here: which dumps are complete (see `quarantine`), and writing the
tables (see `load`).
"""

from collections.abc import Collection
from datetime import date

import polars as pl

from dataflow_assets.lake.delta.dumps import MissingColumns
from dataflow_assets.postgres.row_ids import ID, row_id, typed_columns
from dataflow_assets.sources.base import Snapshot

DAY = "delivery_day"
NOTHING_MISSING: MissingColumns = {}
_ROW = "row|"  # no source has such a column
_ALWAYS = pl.lit(value=True)


def derive_dumps(lake: pl.LazyFrame, source: Snapshot, missing: MissingColumns = NOTHING_MISSING) -> pl.DataFrame:
    """One row per key and delivery day: of equal keys the last of the day (object key, position).

    A column that a delivery lacks (see `carry_values`) has the value of the day before that has it.

    Gives `id` (UInt128), `delivery_day` (Date), the schema's columns and `delivery` (Int64), by id and day.
    """
    rows = lake.with_columns(row_id(lake.collect_schema(), source.key)).sort(ID, DAY, "object", "position")
    is_last = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in (ID, DAY))
    dumps = rows.filter(is_last).select(ID, DAY, *typed_columns(source), "delivery").collect()
    return carry_values(dumps, missing)


def carry_values(rows: pl.DataFrame, missing: MissingColumns, gives: pl.Expr = _ALWAYS) -> pl.DataFrame:
    """Rows with the values of their key before in the columns that their deliveries lack; null where there are none.

    Args:
        rows: of each key in order, all rows of a key together: `id`, `delivery` and the columns that may be missing.
        missing: the columns that deliveries lack.
        gives: which rows give the values of those behind them.
    """
    deliveries: dict[str, list[int]] = {}
    for delivery, columns in missing.items():
        for column in columns.intersection(rows.columns):
            deliveries.setdefault(column, []).append(delivery)
    carried = []
    for column, deliveries_without in deliveries.items():
        lacks = pl.col("delivery").is_in(deliveries_without)
        origin = pl.when(gives & ~lacks).then(_ROW).forward_fill().over(ID)
        carried.append(pl.when(lacks).then(pl.col(column).gather(origin)).otherwise(column).alias(column))
    return rows.with_row_index(_ROW).with_columns(carried).drop(_ROW) if carried else rows


def derive_history(dumps: pl.DataFrame, source: Snapshot) -> pl.DataFrame:
    """One row per key and run of equal values over the dumps that have the key.

    A key's absence from a dump opens and closes nothing. Gives `id`, `valid_from` and `valid_to` (Date; null
    while open), the schema's columns, and the `delivery` that first gave the run's values.
    """
    columns = source.schema.column_names()
    is_first = pl.col(ID).ne_missing(pl.col(ID).shift())
    differs = pl.any_horizontal(is_first, *(pl.col(name).ne_missing(pl.col(name).shift()) for name in columns))
    runs = dumps.filter(differs).rename({DAY: "valid_from"})
    valid_to = pl.when(pl.col(ID) == pl.col(ID).shift(-1)).then(pl.col("valid_from").shift(-1))
    return runs.with_columns(valid_to=valid_to).select(ID, "valid_from", "valid_to", *columns, "delivery")


def derive_current(dumps: pl.DataFrame, history: pl.DataFrame, days: Collection[date]) -> pl.DataFrame:
    """One row per key ever seen, with its latest values, from the dumps, their history and their days.

    Gives `id`, the schema's columns, `delivery`, and `first_seen`, `last_seen`, `missing_since` (Date); the last
    two are null while the key is in the newest dump.
    """
    seen = dumps.group_by(ID).agg(first_seen=pl.col(DAY).min(), last_seen=pl.col(DAY).max())
    in_order = pl.DataFrame({"last_seen": sorted(days)}, schema={"last_seen": pl.Date})
    next_day = in_order.with_columns(missing_since=pl.col("last_seen").shift(-1))
    presence = seen.join(next_day, on="last_seen", how="left").with_columns(
        last_seen=pl.when(pl.col("missing_since").is_not_null()).then("last_seen")
    )
    latest = history.filter(pl.col("valid_to").is_null()).drop("valid_from", "valid_to")
    return latest.join(presence, on=ID, how="left").sort(ID)
