"""Texts to values: how the text of a column is read where a cast of Polars cannot read it, or reads it wrongly.

Here: expressions over the texts of a batch. Not here: times (see `timestamps`), the types that a cast reads well (whole
numbers, floats), and what becomes of a row whose text is not readable (see `validate`).
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isfinite

import polars as pl

from dataflow_assets.core.json_columns import decoded_or_null
from dataflow_assets.lake.validation.repeated_hour import RepeatedHour
from dataflow_assets.lake.validation.timestamps import SKIPPED, has_local_times, with_instants
from dataflow_assets.sources.base import Source

_BOOLS = {**dict.fromkeys(("true", "t", "yes", "y", "1"), True), **dict.fromkeys(("false", "f", "no", "n", "0"), False)}
_KINDS = {
    pl.Datetime: "time",
    pl.Date: "date",
    pl.Boolean: "bool",
    pl.Decimal: "decimal",
    pl.List: "json",
    pl.Struct: "json",
}

_AS_FLOAT = "[.eE]"
_FIRST_INEXACT = 2**53  # whole numbers from here on may be the same float
_EXACT_DIGITS: Mapping[object, int] = {pl.Float32: 8, pl.Float64: 16}  # as many as may be more than a float has
_NO_NUMBER = "no number"


def read_texts(text: pl.DataFrame, source: Source, repeated: RepeatedHour | None = None) -> pl.DataFrame:
    """Add the values that the texts of each column of such a type say, as `column|value`: null where they say none."""
    text = _with_floats(_with_whole_numbers(text, source), source)
    instants = {name: _beside(name) for name, dtype, _ in _read(source) if isinstance(dtype, pl.Datetime)}
    if has_local_times(source):
        text = text.with_columns(pl.lit(value=False).alias(instant + SKIPPED) for instant in instants.values())
    values = [_value(name, dtype).alias(_beside(name)) for name, dtype, _ in _read(source) if name not in instants]
    return with_instants(text, instants, source, repeated).with_columns(values)


def _with_whole_numbers(text: pl.DataFrame, source: Source) -> pl.DataFrame:
    """The texts, with 3 for 3.0, 3. or 3e0 in columns of whole numbers.

    Who writes so has had a float: from 2^53 on it may have been another number, which is left to be rejected.
    """
    names = [name for name, column in source.schema.columns().items() if column.dtype.is_integer()]
    if not names:
        return text
    as_floats = text.select(pl.col(names).str.contains(_AS_FLOAT).any()).row(0, named=True)
    return text.with_columns(_whole_number(name) for name, is_float in as_floats.items() if is_float)


def _whole_number(column: str) -> pl.Expr:
    number = _decimal(pl.col(column), pl.Decimal(38, 0))
    is_exact = pl.col(column).str.contains(_AS_FLOAT) & (number.abs() < _FIRST_INEXACT)
    return pl.when(is_exact).then(number.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column).alias(column)


def _with_floats(text: pl.DataFrame, source: Source) -> pl.DataFrame:
    """The texts, with no number for whole numbers in columns of floats that are not exactly a float.

    One whose digits are the fewest that tell a float from others stands for that.
    """
    floats = {name: column.dtype for name, column in source.schema.columns().items() if column.dtype.is_float()}
    are_long = [(pl.col(name).str.len_bytes() >= _EXACT_DIGITS[type(dtype)]).any() for name, dtype in floats.items()]
    found = text.select(are_long).row(0, named=True) if floats else {}
    return text.with_columns(_exact_float(name, floats[name]) for name, is_long in found.items() if is_long)


def _exact_float(column: str, dtype: pl.DataType) -> pl.Expr:
    number = pl.col(column)
    is_whole = number.str.contains(f"^[+-]?[0-9]{{{_EXACT_DIGITS[type(dtype)]},}}$")
    is_other = pl.when(is_whole).then(number).map_batches(lambda texts: _are_other_numbers(texts, dtype), pl.Boolean)
    return pl.when(is_other).then(pl.lit(_NO_NUMBER)).otherwise(number).alias(column)


def _are_other_numbers(numbers: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Whether the float of each whole number is another one, and not just the longer text of it."""
    floats = numbers.cast(dtype, strict=False)
    shortest = zip(numbers, floats, floats.cast(pl.String), strict=True)
    said = [
        number is not None and isfinite(value) and int(number) not in (int(value), Decimal(text))
        for number, value, text in shortest
    ]
    return pl.Series(numbers.name, said, pl.Boolean)


def unreadable(source: Source) -> list[pl.Expr]:
    """Flags, named like rules, of the texts that say no value of the declared type."""
    return [flag for name, _, kind in _read(source) for flag in _unreadable(name, kind, source)]


def _unreadable(name: str, kind: str, source: Source) -> Iterator[pl.Expr]:
    is_unread = pl.col(name).is_not_null() & pl.col(_beside(name)).is_null()
    if kind == "time" and has_local_times(source):
        was_skipped = is_unread & pl.col(_beside(name) + SKIPPED)
        yield was_skipped.alias(f"{name}|skipped_time")
        is_unread &= ~was_skipped
    yield is_unread.alias(f"{name}|{kind}")


def values_for_texts(source: Source) -> dict[str, pl.Expr]:
    """The values that were read, by the column whose texts they replace."""
    return {name: pl.col(_beside(name)) for name, *_ in _read(source)}


def _read(source: Source) -> Iterator[tuple[str, pl.DataType, str]]:
    """The columns whose texts are read here, with their type and the name of its rule."""
    for name, column in source.schema.columns().items():
        if kind := _KINDS.get(type(column.dtype)):
            yield name, column.dtype, kind


def _beside(column: str) -> str:
    return f"{column}|value"


def _value(column: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col(column)
    match dtype:
        case pl.Date():
            return _date(text)
        case pl.Boolean():
            return text.str.to_lowercase().replace_strict(_BOOLS, default=None, return_dtype=pl.Boolean)
        case pl.Decimal():
            return _decimal(text, dtype)
        case _:
            return text.map_batches(lambda texts: decoded_or_null(texts, dtype), return_dtype=dtype)


def _date(text: pl.Expr) -> pl.Expr:
    """A day of the years 1 to 9999, written as ISO 8601 does; Polars also takes signs, spaces and single digits."""
    is_iso = text.str.contains("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") & (text > "0001")
    return pl.when(is_iso).then(text.str.to_date("%Y-%m-%d", strict=False))


def _decimal(text: pl.Expr, dtype: pl.Decimal) -> pl.Expr:
    """A number with no more digits than the type has, zeros at the end aside: Polars rounds those it lacks."""
    has_exponent = text.str.contains(r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]{1,3}$")
    written_out = pl.when(has_exponent).then(text).map_batches(_without_exponent, return_dtype=pl.String)
    plain = pl.coalesce(written_out, text)
    is_exact = plain.str.contains(rf"^[+-]?[0-9]*(?:\.[0-9]{{0,{dtype.scale}}}0*)?$")
    return pl.when(is_exact).then(plain.cast(dtype, strict=False))


def _without_exponent(numbers: pl.Series) -> pl.Series:
    return pl.Series(numbers.name, [number and f"{Decimal(number):f}" for number in numbers], pl.String)
