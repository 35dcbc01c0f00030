"""Which types the columns of a table may have, so that no value changes on its way into PostgreSQL and back.

Here: the check, for sources and for answers. Not here: what else a declaration must say, and how a type is read or
stored.
"""

from collections.abc import Iterator, Mapping

import dataframely as dy
import polars as pl

_INSIDE = (pl.String, pl.Boolean, pl.Float64, pl.Int8, pl.Int16, pl.Int32, pl.Int64)
_HELD = (*_INSIDE, pl.Enum, pl.Categorical, pl.Date, pl.Decimal, pl.Float32)
_UNSIGNED = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


def refused(columns: Mapping[str, dy.Column]) -> Iterator[str]:
    """A sentence for each column, or part of a list or struct, of a type that is not held, with what to use."""
    for name, column in columns.items():
        is_instant = isinstance(column.dtype, pl.Datetime) and column.dtype.time_unit == "us"
        if not is_instant:
            yield from _refused(name, column.dtype, _HELD)


def _refused(name: str, dtype: pl.DataType, held: tuple[type[pl.DataType], ...]) -> Iterator[str]:
    if isinstance(dtype, pl.List):
        assert isinstance(dtype.inner, pl.DataType)
        yield from _refused(f"{name}[]", dtype.inner, _INSIDE)
    elif isinstance(dtype, pl.Struct) and dtype.fields:
        for field in dtype.fields:
            assert isinstance(field.dtype, pl.DataType)
            yield from _refused(f"{name}.{field.name}", field.dtype, _INSIDE)
    elif not isinstance(dtype, held):
        yield f"the column {name!r} cannot be of the type {dtype}; use {_instead(dtype, is_inside=held is _INSIDE)}"


def _instead(dtype: pl.DataType, *, is_inside: bool) -> str:
    if isinstance(dtype, _UNSIGNED):
        return "dy.Int64(min=0)"
    if isinstance(dtype, pl.Float32):
        return "dy.Float64()"
    if isinstance(dtype, pl.Array):
        return "dy.List"
    if isinstance(dtype, pl.Datetime) and not is_inside:
        return 'dy.Datetime(time_zone="UTC"), of microseconds'
    return "dy.String(), or a number in a unit that its name says"
