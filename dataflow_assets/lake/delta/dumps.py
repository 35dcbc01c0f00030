"""The dumps of a snapshot: which delivery days a version of its table has, those without a row among them.

Here: counting the rows of each day by the files of a version, and the files without rows that say that a dump is empty
or was released. Not here: which dumps are quarantined (see `warehouse.snapshots`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl
from deltalake.transaction import AddAction

from dataflow_assets.lake.delta.commit import stage_file
from dataflow_assets.lake.delta.table import LakeTable, list_files
from dataflow_assets.landing.deliveries import Delivery

_MARK, _RELEASED = "mark", "released"  # the names of files without rows begin so


@dataclass(frozen=True)
class Dumps:
    """The delivery days of a version of a snapshot table: how many rows each has, and which were released whole."""

    rows: Mapping[date, int]
    released: frozenset[date]


def read_dumps(table: LakeTable, version: int) -> Dumps:
    """The delivery days of a version of a snapshot's table, those without a row among them.

    Where several objects of a day have rows, each key counts once: a dump that came under two names is no larger.
    """
    is_released = pl.col("path").str.contains(f"/{_RELEASED}-", literal=True)
    by_delivery = (
        list_files(table.open_version(version))
        .group_by("partition.delivery_day", "partition.delivery")
        .agg(pl.sum("num_records"), is_released=is_released.any())
    )
    days = by_delivery.group_by(day="partition.delivery_day").agg(pl.sum("num_records"), pl.all("is_released"))
    rows = {day: int(count) for day, count, _ in days.iter_rows()}
    with_rows = by_delivery.filter(pl.col("num_records") > 0).get_column("partition.delivery_day")
    if not (several := with_rows.filter(with_rows.is_duplicated()).unique()).is_empty():
        rows |= _count_keys(table, version, several)
    return Dumps(rows, frozenset(days.filter("is_released")["day"]))


def _count_keys(table: LakeTable, version: int, days: pl.Series) -> dict[date, int]:
    """How many keys some delivery days of a version have."""
    rows = table.scan(version).filter(pl.col("delivery_day").is_in(days.implode()))
    keys = rows.select("delivery_day", *table.key).unique()
    return dict(keys.group_by("delivery_day").len().collect().iter_rows())


def stage_mark(table: LakeTable, delivery: Delivery, *, is_released: bool) -> AddAction:
    """Write a file without rows, by which `read_dumps` knows a delivery that has none, or one that was released.

    A file, because it comes and goes with the rows of the delivery's version, and every version of the table says
    of itself which there are.
    """
    values = {"delivery_day": delivery.day, "delivery": delivery.id}
    empty = pl.DataFrame(schema=table.schema).drop(table.partition_by)
    return stage_file(table, values, empty, f"{_RELEASED if is_released else _MARK}-")
