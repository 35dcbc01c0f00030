"""The columns of a Delta table that a frame fits into: in which types they are stored, and exact casts.

Here: pure functions over schemas and rows. Not here: the table itself (see `lake.delta`).
"""

from collections.abc import Mapping
from typing import Literal

import polars as pl
from polars._typing import PolarsDataType

from dataflow_assets.errors import SchemaMismatchError

OnSchemaChange = Literal["evolve", "error"]
_SIGNED = {pl.UInt8: pl.Int16(), pl.UInt16: pl.Int32(), pl.UInt32: pl.Int64(), pl.UInt64: pl.Decimal(20, 0)}
_AS_THEY_ARE = (
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64),
    *(pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Decimal),
)


def stored_type(dtype: pl.DataType) -> pl.DataType | None:
    """The type in which Delta Lake holds the values of a type; None where there is none."""
    found: pl.DataType | None = None
    match dtype:
        case pl.UInt8() | pl.UInt16() | pl.UInt32() | pl.UInt64():
            found = _SIGNED[type(dtype)]
        case pl.Datetime():
            found = pl.Datetime("us", "UTC" if dtype.time_zone else None)
        case pl.Categorical() | pl.Enum():
            found = pl.String()
        case pl.List() | pl.Array():
            inner = stored_type(_instance(dtype.inner))
            found = inner and pl.List(inner)
        case pl.Struct():
            fields = [(field.name, stored_type(_instance(field.dtype))) for field in dtype.fields]
            known = [pl.Field(name, stored) for name, stored in fields if stored]
            found = pl.Struct(known) if known and len(known) == len(fields) else None
        case _ if isinstance(dtype, _AS_THEY_ARE):
            found = dtype
    return found


def _instance(dtype: PolarsDataType) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()


def fit_columns(
    frame: pl.Schema, existing: pl.Schema | None, on_schema_change: OnSchemaChange, table: str
) -> dict[str, pl.DataType]:
    """The type in which each column of a frame is stored.

    Args:
        frame: the columns of the frame.
        existing: the columns that the table has; None where there is no table yet.
        on_schema_change: `error` refuses a column that the table lacks, and one that the frame lacks.
        table: its name, for errors.

    Raises:
        SchemaMismatchError: a column has another type than in the table, or one that Delta Lake cannot hold.
    """
    if existing is not None and on_schema_change == "error":
        _refuse_changes(frame, existing, table)
    before = dict(existing or {})
    return {name: _fit(name, dtype, before.get(name), on_schema_change, table) for name, dtype in frame.items()}


def _refuse_changes(frame: pl.Schema, existing: pl.Schema, table: str) -> None:
    new, missing = sorted(frame.keys() - existing.keys()), sorted(existing.keys() - frame.keys())
    if new or missing:
        said = [f"new are {', '.join(new)}"] * bool(new) + [f"missing are {', '.join(missing)}"] * bool(missing)
        raise SchemaMismatchError(
            f"The frame has other columns than the table {table}: {'; '.join(said)}. Nothing was written, as "
            "on_schema_change is 'error': return the table's columns, or set it to 'evolve'."
        )


def _fit(
    name: str, dtype: pl.DataType, existing: pl.DataType | None, on_schema_change: OnSchemaChange, table: str
) -> pl.DataType:
    stored = stored_type(dtype)
    if existing is None:
        if stored is None:
            raise SchemaMismatchError(
                f"The column {name} of {table} is {dtype}, which Delta Lake cannot hold. Nothing was written: cast it "
                "to a type that it has (integers of up to 64 bits, floats, decimals, text, binary, Boolean, Date, "
                "Datetime, lists and structs of these)."
            )
        return stored
    if stored == existing or (on_schema_change == "evolve" and _is_castable(dtype, existing)):
        return existing
    raise SchemaMismatchError(
        f"The column {name} of the table {table} is {existing}, and the frame's is {dtype}. Nothing was written: cast "
        "the frame's column, or delete the table and make it anew."
    )


def _is_castable(dtype: pl.DataType, existing: pl.DataType) -> bool:
    """Whether values of a type that are held by another one mean the same there."""
    kinds = (
        dtype.is_integer() and existing.is_integer(),
        dtype == pl.UInt64 and existing.is_decimal(),
        dtype.is_decimal() and existing.is_decimal(),
        dtype == pl.Float32 and existing == pl.Float64,
        dtype == pl.Null,
        isinstance(dtype, pl.List) and isinstance(existing, pl.List) and dtype.inner == pl.Null,
    )
    return any(kinds)


def cast_exactly(rows: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows with each column in its type.

    Raises:
        SchemaMismatchError: a value would be another one in that type; the sentence names column and value.
    """
    return rows.with_columns(_cast(rows[name], dtype) for name, dtype in types.items() if rows[name].dtype != dtype)


def _cast(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    found = values.cast(dtype, strict=False)
    if not _may_change(values.dtype, dtype):
        return found
    changed = values.filter(~found.cast(values.dtype, strict=False).eq_missing(values))
    if not changed.is_empty():
        raise SchemaMismatchError(
            f"The column {values.name} is stored as {dtype}, which does not hold {_quoted(changed)} ({values.dtype}) "
            "exactly. Round or cast it where the asset makes it."
        )
    return found


def _may_change(dtype: pl.DataType, stored: pl.DataType) -> bool:
    """Whether some value of a type may be another one as stored; texts of categories and instants in UTC never are."""
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.Null):
        return False
    return not (isinstance(dtype, pl.Datetime) and isinstance(stored, pl.Datetime) and dtype.time_unit == "us")


def _quoted(values: pl.Series) -> str:
    """The first value; an instant may be beyond what Python can say."""
    if isinstance(values.dtype, pl.Datetime):
        return f"{values.to_physical().item(0)} {values.dtype.time_unit} since 1970"
    return repr(values.item(0))
