"""Lists and structs as JSON text, and JSON text as lists and structs of a declared type, strictly.

Here: both ways for a whole column, row by row in Python. Polars' own decoding cuts 1.5 to 1, takes the number 1 for
the text "1", makes nulls of what is out of range, and fails all rows for one. Not here: which columns are nested, and
what becomes of a text that is not of its type.
"""

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from math import isfinite

import polars as pl
import pyarrow as pa
from polars.datatypes import DataType, DataTypeClass

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_NOT_HELD = re.compile("[\0\ud800-\udfff]")  # what JSON can escape, and neither a frame nor `jsonb` holds
_FIRST_INEXACT = 2**53
_RANGES: dict[object, range] = {
    dtype: range(-(1 << bits - 1), 1 << bits - 1)
    for dtype, bits in ((pl.Int8, 8), (pl.Int16, 16), (pl.Int32, 32), (pl.Int64, 64))
}


def encoded(values: pl.Series) -> pl.Series:
    """The JSON text (String) of each list or struct."""
    texts = [None if value is None else _encode(value) for value in values.to_list()]
    return pl.Series(values.name, texts, pl.String)


def decoded(texts: pl.Series, dtype: DataType) -> pl.Series:
    """The lists or structs that JSON texts say.

    A struct's field that the text lacks is null, and a key that is no field is left out; where the one differs from the
    other by case or outer blanks alone, the text is not of this type.

    Raises:
        ValueError: a text is not JSON, or not of this type.
    """
    try:
        return _series(texts.name, (None if text is None else _typed(json.loads(text), dtype) for text in texts), dtype)
    except ValueError as error:
        raise ValueError(f"the column {texts.name!r} holds JSON of another type: {error}") from None


def decoded_or_null(texts: pl.Series, dtype: DataType) -> pl.Series:
    """The lists or structs that JSON texts say, null where a text says none of this type."""
    return _series(texts.name, (_or_none(text, dtype) for text in texts), dtype)


def _series(name: str, values: Iterable[object], dtype: DataType) -> pl.Series:
    # Arrow makes a column of Python's values in a tenth of the time that Polars takes.
    kind = pl.Series(dtype=dtype).to_arrow().type
    return pl.Series(name, pa.array(values, kind), dtype)


def _or_none(text: str | None, dtype: DataType) -> object:
    try:
        return None if text is None else _typed(json.loads(text), dtype)
    except (ValueError, OverflowError, RecursionError):
        return None


def _typed(value: object, dtype: DataType | DataTypeClass) -> object:
    """The value as a frame takes it for this type; a whole number may stand for a float, and 3.0 for 3.

    From 2^53 on several whole numbers are the same float: only the one that the float is written as stands for it.
    """
    if value is None:
        return None
    if isinstance(dtype, pl.List) and isinstance(value, list):
        return [_typed(item, dtype.inner) for item in value]
    if isinstance(dtype, pl.Struct) and isinstance(value, dict):
        _require_no_field_in_another_case(value, dtype)
        return {field.name: _typed(value.get(field.name), field.dtype) for field in dtype.fields}
    if isinstance(dtype, pl.Float64) and type(value) is int and _is_written_as(value, float(value)):
        value = float(value)
    elif type(dtype) in _RANGES and type(value) is float and value.is_integer() and abs(value) < _FIRST_INEXACT:
        value = int(value)
    if not _is_of(value, dtype):
        raise ValueError(f"{value!r} is not of the type {dtype}")
    return value


def _require_no_field_in_another_case(value: dict[str, object], dtype: pl.Struct) -> None:
    """Look whether no key could be meant for a field that is absent, which would be null without a word."""
    if absent := {field.name.casefold() for field in dtype.fields if field.name not in value}:
        for key in value:
            if key.strip().casefold() in absent:
                raise ValueError(f"{key!r} is like a field of {dtype}")


def _is_written_as(number: int, value: float) -> bool:
    """Whether a whole number is a float, as it is or by the fewest digits that tell it from others."""
    return int(value) == number or Decimal(repr(value)) == number


def _is_of(value: object, dtype: DataType | DataTypeClass) -> bool:
    """Whether a value that holds no others is of a type."""
    match value:
        case bool():
            return isinstance(dtype, pl.Boolean)
        case int():
            return value in _RANGES.get(type(dtype), ())
        case float():
            return isinstance(dtype, pl.Float64) and isfinite(value)
        case str():
            return isinstance(dtype, pl.String) and not _NOT_HELD.search(value)
    return False
