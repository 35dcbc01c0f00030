"""Parquet files to batches of typed rows and rejects.

Here: which types in a file agree with the declared ones, and its values as texts, so that the rules of all formats hold
for them too. Not here: what a row must hold (see `lake.validation`).
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow_assets.core.formatting import plain, to_json
from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.base import Batch, Content, most_names, no_rows
from dataflow_assets.lake.readers.columns import Matched, find_missing_columns, match_columns, quote_names
from dataflow_assets.lake.readers.parquet_int96 import BESIDE, Int96
from dataflow_assets.lake.readers.parquet_memory import bounded_batches, open_bounded
from dataflow_assets.lake.validation.repeated_hour import RepeatedHour
from dataflow_assets.lake.validation.validate import POSITION, validate
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Parquet, Reject

FORMAT = Parquet

_TEXTS = (pl.String, pl.Categorical, pl.Enum)
_WHOLE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_FLOATS = (pl.Float16, pl.Float32, pl.Float64)
_AGREEING: tuple[tuple[Any, Any], ...] = (
    (_TEXTS, _TEXTS),
    (_WHOLE, (*_WHOLE, pl.Decimal, pl.Float64)),
    (_FLOATS, (pl.Float64, *_WHOLE)),
    (pl.Decimal, (pl.Decimal, *_WHOLE)),
    (pl.Datetime, pl.Datetime),
)
_EXACT_BITS = {pl.Float16: 11, pl.Float32: 24, pl.Float64: 53}  # below so many, no two whole numbers are the same float
_TIME_FORMATS = ("%+", "%Y-%m-%dT%H:%M:%S%.f")
_DIGITS = {"ms": 3, "us": 6, "ns": 9}
_DAYS = (-719_162, 2_932_897)  # since 1970, of the years 1 to 9999, half-open; Polars can show no other texts safely


def read(path: Path, source: Source, bounds: Window | None) -> Content:
    """Read a Parquet file.

    Raises:
        FormatError: the file is not sound, or its columns are not those declared.
    """
    matched, declared = read_columns(path, source), source.schema.column_names()
    found = matched.names
    return Content(
        _read_batches(path, source, matched, bounds),
        undeclared_columns=set(most_names(found, declared, ())),
        missing_columns=find_missing_columns(found, source),
    )


def read_columns(path: Path, source: Source) -> Matched:
    """The columns of a Parquet file.

    Raises:
        FormatError: it is none, lacks a column that is not nullable, names one twice, or has one of another type.
    """
    with _open(path) as file:
        schema = file.schema_arrow
        matched, columns = match_columns(schema.names, source, path.name), source.schema.columns()
        names, instants = matched.names, _int96_columns(file, matched)
        if missing := [name for name, column in columns.items() if name not in names and not column.nullable]:
            raise FormatError(
                f"{path.name} is not a Parquet file of {source.name}: it lacks the column {', '.join(missing)}. "
                f"It has {quote_names(schema.names)}."
            )
        for name in (name for name in columns if name in names):
            found = schema.field(names.index(name))
            if not _agrees(found, columns[name].dtype, is_instant=name in instants):
                raise FormatError(
                    f"{path.name} is not a Parquet file of {source.name}: its column {name} is of the type "
                    f"{found.type}, which is not {columns[name].dtype}, the declared one."
                )
    return matched


def check(path: Path, source: Source) -> None:
    """Look at the columns of a file, by its footer.

    Raises:
        FormatError: they are not those declared.
    """
    read_columns(path, source)


def _agrees(found: pa.Field, declared: pl.DataType, *, is_instant: bool) -> bool:
    """Whether values of a type of Arrow can be values of the declared one: a number too large is its row's fault.

    So is one that the declared type could hold by rounding alone.
    """
    if pa.types.is_null(found.type):
        return True
    if pa.types.is_decimal256(found.type):  # which Polars cannot hold
        return False
    try:
        frame = pl.from_arrow(pa.schema([found.with_type(_in_utc(found.type))]).empty_table())
    except pl.exceptions.ComputeError:  # it has no such type
        return False
    assert isinstance(frame, pl.DataFrame)
    [dtype] = frame.dtypes
    if isinstance(dtype, pl.Datetime) and isinstance(declared, pl.Date):
        return not (is_instant or dtype.time_zone)  # whose day would depend on a time zone
    return dtype == declared or any(isinstance(dtype, of) and isinstance(declared, to) for of, to in _AGREEING)


def _in_utc(dtype: pa.DataType) -> pa.DataType:
    """A type whose instants are shown in UTC: whatever zone or offset it names, of which Polars has not all."""
    return pa.timestamp(dtype.unit, "UTC") if pa.types.is_timestamp(dtype) and dtype.tz else dtype


def _with_instants_in_utc(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.cast(pa.schema([field.with_type(_in_utc(field.type)) for field in batch.schema]))


def _read_batches(path: Path, source: Source, matched: Matched, bounds: Window | None) -> Iterator[Batch]:
    """The rows in order; the first batch tells how many there are, by the file's footer."""
    position, repeated_hour = 0, RepeatedHour()
    with _faults_of(path), open_bounded(path) as file:
        instants = _int96_columns(file, matched)
        repaired = +Counter(column_names=matched.repaired)
        yield Batch(no_rows(source), delivered=file.metadata.num_rows, repaired=repaired)
        declared = [name for name in source.schema.column_names() if name in matched.names]
        places = [matched.names.index(name) for name in declared]
        given = {file.schema_arrow.names[place]: name for place, name in zip(places, declared, strict=True)}
        with Int96(path, {there: name for there, name in given.items() if name in instants}) as int96:
            for batch in map(_with_instants_in_utc, bounded_batches(file, path)):
                batch.validate(full=True)  # Polars takes any bytes for UTF-8
                frame = pl.from_arrow(batch.select(places).rename_columns(declared))
                assert isinstance(frame, pl.DataFrame)
                texts = _texts(int96.add_nanoseconds(frame), source, position)
                checked = validate(texts, _as_written_here(source), bounds, repeated_hour)
                rejects = [_reject(batch, row - position, *why) for row, *why in checked.rejected.iter_rows()]
                yield Batch(checked.accepted, rejects, repaired=checked.repaired)
                position += batch.num_rows


def _texts(frame: pl.DataFrame, source: Source, position: int) -> pl.DataFrame:
    """The values of the declared columns as `validate` wants them, counted from a position on."""
    positions = pl.int_range(position, position + pl.len()).alias(POSITION)
    columns = source.schema.columns().items()
    return frame.select(positions, *(_text(name, frame.schema, column.dtype) for name, column in columns))


@cache
def _as_written_here(source: Source) -> Source:
    """A source with the forms that times have as texts here."""
    return replace(source, time_formats=_TIME_FORMATS)


def _text(name: str, types: Mapping[str, pl.DataType], declared: pl.DataType) -> pl.Expr:
    """The values of a column as texts that say them fully; null where there is no such column."""
    column, dtype = pl.col(name), types.get(name)
    match dtype:
        case None:
            return pl.lit(None, pl.String).alias(name)
        case pl.List() | pl.Struct():
            return column.map_batches(_json_texts, return_dtype=pl.String)
        case pl.Datetime(time_unit="us") if name + BESIDE in types:
            text = _time_text(column, "%Y-%m-%dT%H:%M:%S%.6f", 86_400 * 10**6)
            return pl.format("{}{}Z", text, pl.col(name + BESIDE).cast(pl.String).str.zfill(3)).alias(name)
        case pl.Datetime(time_unit=unit, time_zone=zone):
            utc = column.dt.convert_time_zone("UTC") if zone else column
            time_format = f"%Y-%m-%dT%H:%M:%S%.{_DIGITS[unit]}f{'Z' if zone else ''}"
            text = _time_text(utc, time_format, 86_400 * 10 ** _DIGITS[unit])
            return text.str.strip_suffix(f"T00:00:00.{'0' * _DIGITS[unit]}") if declared == pl.Date else text
        case pl.Date():
            return _time_text(column, "%Y-%m-%d", 1)
    return _number_text(column, dtype, declared)


def _number_text(column: pl.Expr, dtype: pl.DataType, declared: pl.DataType) -> pl.Expr:
    """The values of a column that are no times as texts; a text that is no number where a number would be rounded."""
    if isinstance(dtype, _FLOATS):
        double = column.cast(pl.Float64)
        if not isinstance(declared, _WHOLE):
            return double.cast(pl.String)
        is_whole = (double == double.floor()) & (double.abs() < 2 ** _EXACT_BITS[type(dtype)])
        return pl.coalesce(
            pl.when(is_whole).then(double.cast(pl.Int64, strict=False).cast(pl.String)), _inexact(column)
        )
    if isinstance(dtype, _WHOLE) and declared == pl.Float64:
        is_exact = column.cast(pl.Float64).cast(dtype, strict=False) == column
        return pl.coalesce(pl.when(is_exact).then(column.cast(pl.String)), _inexact(column))
    text = column.cast(pl.String)
    is_fraction = isinstance(dtype, pl.Decimal) and isinstance(declared, _WHOLE)
    return text.str.replace(r"\.0*$", "") if is_fraction else text


def _inexact(column: pl.Expr) -> pl.Expr:
    return pl.format("~{}", column.cast(pl.String))


def _time_text(times: pl.Expr, time_format: str, per_day: int) -> pl.Expr:
    """Times as texts, and as bare numbers, which are no times, outside the years that can be shown."""
    number = times.to_physical()
    is_shown = number.is_between(_DAYS[0] * per_day, _DAYS[1] * per_day, closed="left")
    return pl.coalesce(pl.when(is_shown).then(times).dt.to_string(time_format), number.cast(pl.String))


def _json_texts(values: pl.Series) -> pl.Series:
    texts = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values.to_list()]
    return pl.Series(values.name, texts, pl.String)


def _reject(batch: pa.RecordBatch, row: int, code: str, message: str) -> Reject:
    """A reject with its row as JSON text, all columns of the file among them."""
    values = {name: _plain(column[row]) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    return Reject(line=None, code=code, message=message, raw=to_json(plain(values)))


def _plain(value: pa.Scalar) -> Any:
    """A value for Python, or what it is stored as where Python has none of its size, precision or time zone."""
    try:
        return value.as_py()
    except (OverflowError, ValueError, KeyError) as error:
        if isinstance(value, pa.ListScalar | pa.StructScalar):
            return _plain_parts(value)
        with suppress(pa.ArrowNotImplementedError, pa.ArrowInvalid):
            if not isinstance(error, OverflowError):
                text = str(value.cast(pa.string()).as_py())
                return text.replace(" ", "T", 1) if pa.types.is_timestamp(value.type) else text  # as of coarser ones
        return getattr(value, "value", f"a value of {value.type}")


def _plain_parts(value: pa.Scalar) -> Any:
    """The same of a list, a map or a struct, part by part."""
    if isinstance(value, pa.MapScalar):
        return [[_plain(key), _plain(of_key)] for key, of_key in zip(*value.values.flatten(), strict=True)]
    if isinstance(value, pa.ListScalar):
        return [_plain(one) for one in value.values]
    return {field.name: _plain(value[place]) for place, field in enumerate(value.type)}


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    """A file, and what is wrong with it as a FormatError.

    Instants of INT96 are read in microseconds: those of nanoseconds end in 2262, and go round without a word.
    """
    with _faults_of(path), pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        yield file


def _int96_columns(file: pq.ParquetFile, matched: Matched) -> set[str]:
    """The columns of instants as Spark, Hive and Impala write them: of UTC, though the file does not say so."""
    columns = (file.schema.column(number) for number in range(len(file.schema)))
    found = {column.path for column in columns if column.physical_type == "INT96"}
    return {name for name, given in zip(matched.names, file.schema_arrow.names, strict=True) if given in found}


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """What Arrow says against the file is a FormatError, and a lack of memory or what the system says is not.

    Of names that are not UTF-8 Python says so, or Polars panics.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, pl.exceptions.PanicException) as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
            raise
        reason = str(error).partition("\n")[0].rstrip(".")
        raise FormatError(f"{path.name} cannot be parsed: {reason}.") from None
