"""Values of columns as texts of a request: reading them strictly, in SQL, and in JSON Schema.

Here: one value of one column. Not here: which columns a request names (see `parameters`).

A framework's own parsing is too kind: it takes 20240115 for an instant of 1970 and 1_000 for a number. A text that is
not exactly a value of its column is refused, with a sentence that says what would be one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from dataflow_assets.postgres.sql import literal, value_literal
from dataflow_assets.serving.reading.relations import Column

Value = str | bool | int | float | Decimal | date | datetime

_INTEGER = r"[+-]?\d{1,20}"
_NUMBER = r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,3})?"
_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
_OFFSET = r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_BITS: Mapping[type[pl.DataType], int] = {pl.Int8: 8, pl.Int16: 16, pl.Int32: 32, pl.Int64: 64}
_LARGEST_SINGLE = 3.4028234663852886e38
_LARGEST_DOUBLE = 1.7976931348623157e308


@dataclass(frozen=True)
class _Kind:
    """What is said of the values of a kind of column.

    `like` completes the sentence "write it like …"; `schema` is JSON Schema; `parse` raises ValueError.
    """

    like: str
    pattern: str
    schema: Mapping[str, Any]
    parse: Callable[[str], Value]


def parse_value(column: Column, text: str) -> Value:
    """The value that a text says.

    Raises:
        ValueError: it says none of this column; the sentence says what would be right.
    """
    kind = _kind(column)
    try:
        if re.fullmatch(kind.pattern, text, re.ASCII | re.DOTALL):
            return kind.parse(text)
    except (ValueError, OverflowError):
        pass
    hint = " (in a URL, + is written %2B)" if " " in text and "Z" in kind.like else ""
    raise ValueError(f"{text!r} is no value of {column.name}; write it like {kind.like}{hint}")


def sql_value(column: Column, value: Value) -> str:
    """The value in SQL, of the type by which the server compares it with the column."""
    match value:
        case float():
            return f"{literal(repr(value))}::{'real' if isinstance(column.dtype, pl.Float32) else 'double precision'}"
        case Decimal():
            return f"{literal(str(value))}::numeric"
        case str() if column.sql_type == "UUID":
            return f"{literal(value)}::uuid"
    return value_literal(value)


def json_schema(column: Column) -> dict[str, Any]:
    """The values of a column in a response of JSON, as JSON Schema (null aside)."""
    if column.is_json:
        return {"type": "object"} if isinstance(column.dtype, pl.Struct) else {"type": "array"} if column.dtype else {}
    kept = ("type", "format", "enum")
    return {name: value for name, value in _kind(column).schema.items() if name in kept}


def parameter_schema(column: Column) -> dict[str, Any]:
    """The texts that `parse_value` takes, as JSON Schema of a query parameter."""
    kind = _kind(column)
    schema = dict(kind.schema)
    return schema | {"pattern": f"^{kind.pattern}$"} if schema["type"] == "string" and "enum" not in schema else schema


def has_order(column: Column) -> bool:
    """Whether values may be compared by more than equality."""
    return not column.is_json and not isinstance(column.dtype, pl.Boolean)


def _kind(column: Column) -> _Kind:
    assert not column.is_json, f"{column.name} holds JSON"
    dtype = column.dtype
    if column.sql_type == "UUID":
        return _Kind("00000000-0000-0000-0000-000000000000", _UUID, {"type": "string", "format": "uuid"}, str.lower)
    if isinstance(dtype, pl.Enum):
        return _enum(dtype)
    if isinstance(dtype, pl.Int8 | pl.Int16 | pl.Int32 | pl.Int64):
        return _integer(_BITS[type(dtype)])
    if isinstance(dtype, pl.Float32 | pl.Float64):
        return _float(is_single=isinstance(dtype, pl.Float32))
    if isinstance(dtype, pl.Datetime):
        return _INSTANT if dtype.time_zone else _LOCAL_TIME
    assert dtype is not None
    return _OTHERS[type(dtype)]


def _enum(dtype: pl.Enum) -> _Kind:
    names = dtype.categories.to_list()
    known = "|".join(map(re.escape, names)) or "(?!)"
    return _Kind(" or ".join(map(repr, names)), known, {"type": "string", "enum": names}, str)


def _integer(bits: int) -> _Kind:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def parse(text: str) -> int:
        if not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return _Kind(f"42 (from {low} to {high})", _INTEGER, {"type": "integer", "minimum": low, "maximum": high}, parse)


def _float(*, is_single: bool) -> _Kind:
    largest = _LARGEST_SINGLE if is_single else _LARGEST_DOUBLE

    def parse(text: str) -> float:
        if not abs(float(text)) <= largest:
            raise ValueError
        return float(text)

    return _Kind("0.5", _NUMBER, {"type": "number", "minimum": -largest, "maximum": largest}, parse)


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError
    return text


def _instant(text: str) -> datetime:
    """An instant in UTC; one before the year 1 or after 9999 overflows, and no column holds it."""
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


_INSTANT = _Kind(
    "2021-12-25T07:00:00Z or 2021-12-25T07:00:00+01:00 (from the year 1 to 9999 in UTC)",
    _DATE + _TIME + _OFFSET,
    {"type": "string", "format": "date-time"},
    _instant,
)
_LOCAL_TIME = _Kind("2021-12-25T07:00:00", _DATE + _TIME, {"type": "string"}, datetime.fromisoformat)
_TEXT = _Kind("any text without a NUL", r"[^\x00]*", {"type": "string"}, _text)
_OTHERS: Mapping[type[pl.DataType], _Kind] = {
    pl.String: _TEXT,
    pl.Categorical: _TEXT,
    pl.Boolean: _Kind("true or false", "true|false", {"type": "boolean"}, lambda text: text == "true"),
    pl.Date: _Kind("2021-12-25", _DATE, {"type": "string", "format": "date"}, date.fromisoformat),
    pl.Decimal: _Kind("12.50", _NUMBER, {"type": "number"}, Decimal),
}
