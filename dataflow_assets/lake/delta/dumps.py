"""The dumps of a snapshot: which delivery days a version of its table has, those without a row among them.

Here: counting the rows of each day by the files of a version, and the files without rows that say that a dump is empty,
was released, or lacks a column. Not here: which dumps are quarantined (see `warehouse.snapshots`).
"""

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

import obstore
import polars as pl
from deltalake.transaction import AddAction

from dataflow_assets.lake.delta.commit import stage_file
from dataflow_assets.lake.delta.table import LakeTable, list_files
from dataflow_assets.landing.deliveries import Delivery

_MARK, _RELEASED, _LACKS = "mark", "released", "lacks"  # the names of files without rows begin so


MissingColumns = Mapping[int, frozenset[str]]


@dataclass(frozen=True)
class Dumps:
    """The delivery days of a version of a snapshot table: how many rows each has, and which were released whole.

    `missing_columns` are those that a delivery, given by its small key, lacks.
    """

    rows: Mapping[date, int]
    released: frozenset[date]
    missing_columns: MissingColumns = field(default_factory=dict)


def read_dumps(table: LakeTable, version: int) -> Dumps:
    """The delivery days of a version of a snapshot's table, those without a row among them.

    Where several objects of a day have rows, each key counts once: a dump that came under two names is no larger.
    """
    is_released = pl.col("path").str.contains(f"/{_RELEASED}-", literal=True)
    files = list_files(table.open_version(version))
    by_delivery = files.group_by("partition.delivery_day", "partition.delivery").agg(
        pl.sum("num_records"), is_released=is_released.any()
    )
    days = by_delivery.group_by(day="partition.delivery_day").agg(pl.sum("num_records"), pl.all("is_released"))
    rows = {day: int(count) for day, count, _ in days.iter_rows()}
    with_rows = by_delivery.filter(pl.col("num_records") > 0).get_column("partition.delivery_day")
    if not (several := with_rows.filter(with_rows.is_duplicated()).unique()).is_empty():
        rows |= _count_keys(table, version, several)
    return Dumps(rows, frozenset(days.filter("is_released")["day"]), _missing_columns(table, files))


def read_missing_columns(table: LakeTable, version: int) -> MissingColumns:
    """The columns that deliveries of a version, given by their small keys, lack."""
    return _missing_columns(table, list_files(table.open_version(version)))


def _missing_columns(table: LakeTable, files: pl.DataFrame) -> MissingColumns:
    """As `read_missing_columns`, of some of `list_files`: a file without rows has the columns that are missing."""
    marks = files.filter(pl.col("path").str.contains(f"/{_LACKS}-", literal=True))
    return {
        delivery: frozenset(pl.read_parquet_schema(io.BytesIO(_read(table, path))))
        for path, delivery in marks.select("path", "partition.delivery").iter_rows()
    }


def _read(table: LakeTable, path: str) -> bytes:
    return bytes(obstore.get(table.storage.store, table.object_key(path)).bytes())


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


def stage_missing_columns(table: LakeTable, delivery: Delivery, columns: Collection[str]) -> AddAction:
    """Write a file without rows, by which `read_missing_columns` knows which columns a delivery lacks."""
    values = {"delivery_day": delivery.day, "delivery": delivery.id}
    return stage_file(table, values, pl.DataFrame(schema=table.schema).select(sorted(columns)), f"{_LACKS}-")
