"""Slices of a table of PostgreSQL, as the IO manager replaces and reads them.

Here: slices as conditions in SQL, the rows of a slice as its table takes them, its replacement, and a scan of some.
Not here: what Dagster asks for (see `postgres`), and the statements (see `dataflow_assets.postgres`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from dataflow_assets.errors import SchemaMismatchError
from dataflow_assets.io_managers.asset_tables import AssetTable
from dataflow_assets.io_managers.frames import iter_batches, split
from dataflow_assets.io_managers.per_partition import Metadata
from dataflow_assets.io_managers.slices import Bounds, Slice, expression, number
from dataflow_assets.postgres.arrow import to_arrow
from dataflow_assets.postgres.connection import Connection, Connections, transaction
from dataflow_assets.postgres.made_from import record_versions, recorded_versions
from dataflow_assets.postgres.partitions import (
    TableSlice,
    Versions,
    count_rows,
    may_replace,
    replace_keyed_rows,
    replace_rows,
)
from dataflow_assets.postgres.pushdown import condition
from dataflow_assets.postgres.scan import scan_table
from dataflow_assets.postgres.sql import identifier, value_literal
from dataflow_assets.postgres.tables import Column
from dataflow_assets.postgres.types import JSON, exact, frame_type


def frame_types(columns: Mapping[str, Column]) -> pl.Schema:
    """The columns of a table as a frame holds them; of types that no frame has, as texts."""
    return pl.Schema({name: frame_type(column.type) or pl.String() for name, column in columns.items()})


@contextmanager
def split_slices(frame: pl.DataFrame | pl.LazyFrame, slices: Sequence[Slice]) -> Iterator[Sequence[pl.LazyFrame]]:
    """The rows of each slice: of a single one all rows, which are looked at when they are copied."""
    if len(slices) == 1:
        yield [frame.lazy()]
        return
    with split(frame, number(slices, frame.collect_schema()), len(slices)) as parts:
        yield parts


@dataclass(frozen=True)
class Replacement:
    """The rows that replace a slice of a table."""

    table: AssetTable
    columns: Mapping[str, Column]
    slice: Slice
    rows: pl.LazyFrame
    made_from: Versions | None

    def run(self, connection: Connection) -> Metadata:
        """Replace the slice in one transaction, unless it was made from newer versions; what became of it."""
        where = sql_condition([self.slice])
        replaced = TableSlice(self.table.schema, self.table.table, self.slice.key or "", where)
        versions = self.made_from or {}
        counted = _Counted(self._checked())

        def recorded() -> Versions:
            return recorded_versions(connection, replaced) if versions else {}

        with transaction(connection):
            name = ("slice", replaced.schema, replaced.table, replaced.name)
            if not may_replace(connection, name, versions, recorded):
                return {"rows": count_rows(connection, replaced), "is_stale": 1}
            superseded = self._put(connection, replaced, counted)
            if versions:
                record_versions(connection, replaced, versions)
        keyed = {"superseded": superseded} if self.table.key else {}
        return {"rows": counted.rows - superseded, **keyed, "bytes": counted.bytes}

    def _put(self, connection: Connection, replaced: TableSlice, batches: Iterable[pa.Table]) -> int:
        if self.table.key:
            return replace_keyed_rows(connection, replaced, batches, self.table.key, self.table.order_by)
        replace_rows(connection, replaced, batches)
        return 0

    def _checked(self) -> Iterator[pa.Table]:
        """The rows as the table's columns take them, in batches.

        Raises:
            SchemaMismatchError: a row is of another slice, or a value is none of its column's type.
        """
        schema = self.rows.collect_schema()
        is_other = ~expression([self.slice], schema).fill_null(value=False)
        rows = self.rows.select([name for name in schema if name in self.columns])
        for batch in iter_batches(rows):
            if others := batch.select(is_other.sum()).item():
                raise SchemaMismatchError(
                    f"{others:,} rows belong to another partition than {self.slice.key}. Nothing of it was written: "
                    "return the rows of the run's partitions alone."
                )
            yield self._converted(batch)

    def _converted(self, batch: pl.DataFrame) -> pa.Table:
        try:
            return to_arrow(pl.DataFrame([self._exact(values) for values in batch]))
        except ValueError as error:
            raise SchemaMismatchError(f"A list or struct of {self.table.name} is no JSON: {error}") from None

    def _exact(self, values: pl.Series) -> pl.Series:
        dtype = frame_type(self.columns[values.name].type)
        assert dtype is not None, f"{values.name}: the table was compared with the rows"
        return exact(values, dtype)


class _Counted:
    """Batches of rows, counted as they are taken."""

    def __init__(self, batches: Iterator[pa.Table]) -> None:
        self._batches, self.rows, self.bytes = batches, 0, 0

    def __iter__(self) -> Iterator[pa.Table]:
        for batch in self._batches:
            self.rows, self.bytes = self.rows + batch.num_rows, self.bytes + batch.nbytes
            yield batch


def sql_condition(slices: Sequence[Slice]) -> str:
    """The rows of some slices, in SQL; of no slice there are none."""
    one_value = [each.bounds[0] for each in slices if len(each.bounds) == 1 and each.bounds[0].end is None]
    if one_value and len(one_value) == len(slices):
        values = ", ".join(value_literal(bounds.first) for bounds in one_value)
        return f"{identifier(one_value[0].column)} IN ({values})"
    each_where = (" AND ".join(map(_within, each.bounds)) or "true" for each in slices)
    return " OR ".join(f"({where})" for where in each_where) or "false"


def _within(bounds: Bounds) -> str:
    column, first = identifier(bounds.column), value_literal(bounds.first)
    return (
        f"{column} = {first}"
        if bounds.end is None
        else f"{column} >= {first} AND {column} < {value_literal(bounds.end)}"
    )


def scan_slices(connections: Connections, table: AssetTable, held: Mapping[str, Column], where: str) -> pl.LazyFrame:
    """The rows of a table for which a condition holds; in declared types where there are some.

    Args:
        connections: to the database.
        table: which.
        held: its columns.
        where: the condition, in SQL.
    """
    own = frame_types(held)
    as_text = {name for name, column in held.items() if frame_type(column.type) is None}
    compared = pl.Schema(
        {name: dtype for name, dtype in own.items() if name not in as_text and held[name].type != JSON}
    )

    def filtered(predicate: pl.Expr | None) -> str:
        return where if predicate is None else f"({where}) AND {condition(predicate, compared)}"

    return scan_table(
        connections, identifier(table.schema, table.table), table.declared_types or own, filtered, as_text
    )
