"""The types of PostgreSQL's columns for the types of a frame, and a frame's values as such a column takes them.

Here: from a Polars type to a column's, back, and exact casts. Not here: lists and structs as JSON, and Arrow (see
`arrow`); the tables of declared sources (see `schema`).

A COPY takes bytes as they are: what is of another type, or out of the type's range, would be another value without an
error. So each value is cast to the one type that its column takes, or refused.
"""

import re
from typing import Any

import polars as pl

from dataflow_assets.errors import SchemaMismatchError

JSON = "jsonb"
_NAMES: dict[type[pl.DataType], str] = {
    pl.Boolean: "boolean",
    pl.Int8: "smallint",
    pl.Int16: "smallint",
    pl.Int32: "integer",
    pl.Int64: "bigint",
    pl.UInt8: "smallint",
    pl.UInt16: "integer",
    pl.UInt32: "bigint",
    pl.UInt64: "numeric(20,0)",
    pl.Float32: "real",
    pl.Float64: "double precision",
    pl.String: "text",
    pl.Categorical: "text",
    pl.Enum: "text",
    pl.Binary: "bytea",
    pl.Date: "date",
    pl.Time: "time without time zone",
    pl.List: JSON,
    pl.Struct: JSON,
    pl.Array: JSON,
}
_INSTANT, _LOCAL_TIME = "timestamp with time zone", "timestamp without time zone"
_TYPES: dict[str, pl.DataType] = {
    "boolean": pl.Boolean(),
    "smallint": pl.Int16(),
    "integer": pl.Int32(),
    "bigint": pl.Int64(),
    "real": pl.Float32(),
    "double precision": pl.Float64(),
    "text": pl.String(),
    "character varying": pl.String(),
    "bytea": pl.Binary(),
    "date": pl.Date(),
    "time without time zone": pl.Time(),
    _LOCAL_TIME: pl.Datetime("us"),
    _INSTANT: pl.Datetime("us", "UTC"),
    JSON: pl.String(),
}
_INTEGERS = ("smallint", "integer", "bigint")
_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_IN_JSON = (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Null)
_FIRST_SECOND, _END_SECOND = -62_135_596_800, 253_402_300_800  # of the years 1 to 9999; nanoseconds reach less far
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896


def column_type(name: str, dtype: pl.DataType) -> str:
    """The type of a column, as `format_type` names it, that holds every value of a frame's type.

    Raises:
        SchemaMismatchError: no type does; it names the column and says what to cast it to.
    """
    if isinstance(dtype, pl.Datetime):
        return _LOCAL_TIME if dtype.time_zone is None else _INSTANT
    if isinstance(dtype, pl.Decimal):
        return f"numeric({dtype.precision},{dtype.scale})"
    if dtype.is_nested() and not _is_json(dtype):
        raise SchemaMismatchError(f"The column {name} ({dtype}) holds values that JSON does not have: cast them first.")
    if (found := _NAMES.get(type(dtype))) is None:
        raise SchemaMismatchError(f"The column {name} ({dtype}) has no type in PostgreSQL: cast it first.")
    return found


def _is_json(dtype: Any) -> bool:
    if isinstance(dtype, pl.Struct):
        return all(_is_json(field.dtype) for field in dtype.fields)
    if isinstance(dtype, pl.List | pl.Array):
        return _is_json(dtype.inner)
    return dtype in _IN_JSON or (dtype.is_numeric() and not dtype.is_decimal())


def frame_type(name: str) -> pl.DataType | None:
    """The type of a frame that holds a column's values, by the column's type; None where they are given as text."""
    if numeric := _NUMERIC.fullmatch(name):
        precision, scale = map(int, numeric.groups())
        return pl.Decimal(precision, scale) if scale <= precision <= 38 else None
    return _TYPES.get(name.partition("(")[0] if name.startswith("character varying") else name)


def fits(column: str, dtype: pl.DataType, name: str) -> bool:
    """Whether a column of that type holds every value of a frame's type as it is."""
    if frame_type(name) is None or dtype == pl.Null:
        return frame_type(name) is not None
    own = column_type(column, dtype)
    if own in _INTEGERS and name in _INTEGERS:
        return _INTEGERS.index(own) <= _INTEGERS.index(name)
    is_text = own == "text" and name.startswith("character varying")
    if own == name or is_text or (own, name) == ("real", "double precision"):
        return True
    wanted, given = _NUMERIC.fullmatch(name), _NUMERIC.fullmatch(own)
    if wanted is None:
        return False
    digits, scale = map(int, given.groups()) if given else (_DIGITS.get(own, 1000), 0)
    return int(wanted[2]) >= scale and int(wanted[1]) - int(wanted[2]) >= digits - scale


def exact(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """The values in the type that their column takes, each as it is; lists and structs are left.

    Raises:
        SchemaMismatchError: a value is no value of that type; it names the column and the value.
    """
    if values.dtype.is_nested():
        return values
    if values.dtype.is_temporal():
        _check_times(values)
    try:
        return values.cast(dtype)
    except pl.exceptions.PolarsError as error:
        raise SchemaMismatchError(f"The column {values.name} ({values.dtype}) does not fit {dtype}: {error}") from None


def _check_times(values: pl.Series) -> None:
    """PostgreSQL has microseconds, and COPY takes any number for a time: of other years it makes another time."""
    dtype, numbers = values.dtype, values.to_physical()
    if isinstance(dtype, pl.Time) or (isinstance(dtype, pl.Datetime) and dtype.time_unit == "ns"):
        _refuse(values, numbers % 1000 != 0, "is finer than a microsecond: round it")
    elif isinstance(dtype, pl.Datetime):
        per_second = 1000 if dtype.time_unit == "ms" else 1_000_000
        first, last = _FIRST_SECOND * per_second, _END_SECOND * per_second - 1
        _refuse(values, (numbers < first) | (numbers > last), "is not in the years 1 to 9999")
    elif isinstance(dtype, pl.Date):
        _refuse(values, (numbers < _FIRST_DAY) | (numbers > _LAST_DAY), "is not in the years 1 to 9999")


def _refuse(values: pl.Series, is_wrong: pl.Series, why: str) -> None:
    if is_wrong.any():
        physical = values.to_physical().filter(is_wrong)[0]
        raise SchemaMismatchError(f"The column {values.name} ({values.dtype}): the value {physical} {why}.")
