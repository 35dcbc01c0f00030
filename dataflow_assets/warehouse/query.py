"""Statements that a user wrote.

Here: running one without letting it change anything (see `guards`), its rows as they come. Not here: how a result is
printed, and what the platform itself asks (see `scan`).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from dataflow_assets.errors import QueryError
from dataflow_assets.postgres.connection import AdbcError
from dataflow_assets.postgres.failures import unavailable
from dataflow_assets.postgres.sql import WITHOUT_COPY, column_list, execute, identifier
from dataflow_assets.warehouse.guards import LONGEST, STREAMED, guard, is_streamed, refusal, require_reading

_SMALL_BATCHES = {"adbc.postgresql.batch_size_hint_bytes": "1048576"}


@dataclass(frozen=True)
class Result:
    """The columns of a result, by name (a name may stand twice), and its rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Stream:
    """The columns of a result, by name, and its rows in batches, each read from the server when it is asked for."""

    columns: list[str]
    batches: Iterator[list[tuple[Any, ...]]]


def run_query(url: str, statement: str) -> Result:
    """Run one statement that reads, and hold all of its rows.

    Raises:
        QueryError: the server refused it: it changes something, is more than one, or is not SQL.
        WarehouseUnavailableError: the server does not answer.
    """
    with stream_query(url, statement) as stream:
        return Result(stream.columns, [row for batch in stream.batches for row in batch])


@contextmanager
def stream_query(url: str, statement: str, seconds: int = LONGEST) -> Iterator[Stream]:
    """Run one statement that reads; memory follows the batch, not the result.

    Args:
        url: the database.
        statement: in SQL. What may be several is held whole, as are SHOW and EXPLAIN.
        seconds: after which the server ends it, the time included in which its rows wait to be taken.

    Raises:
        QueryError: the server refused it, or ended it while its rows were read.
        WarehouseUnavailableError: the server does not answer.
    """
    word, streams = require_reading(statement), is_streamed(statement)
    text = statement.rstrip().removesuffix(";") + "\n"  # which ends a comment, before what the driver puts behind it
    try:
        connection = adbc.connect(url, autocommit=False)
    except AdbcError as error:
        raise unavailable(url, error) from None
    try:
        with connection.cursor() as cursor:
            with _refusals():
                guard(partial(execute, connection), seconds)
                cursor.adbc_statement.set_options(**_SMALL_BATCHES)
                schema = cursor.adbc_execute_schema(statement) if word.startswith(STREAMED) else None
                _require_no_rows(schema)
                if schema and _arrays(schema):
                    text = statement = _with_shapes(text, schema)
                if streams:
                    cursor.adbc_prepare(statement)  # so that what is wrong is said of the statement alone
                    # COPY takes its snapshot before its locks: having waited for a swap, it would find no rows.
                    execute(connection, f"EXPLAIN {text}")
                else:
                    cursor.adbc_statement.set_options(**WITHOUT_COPY)
                cursor.execute(text if streams else statement)
                reader = cursor.fetch_record_batch()
            schema = schema or reader.schema
            yield Stream(schema.names, _batches(reader, schema))
    finally:
        connection.close()


def _batches(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[list[tuple[Any, ...]]]:
    while True:
        with _refusals():
            batch = next(iter(reader), None)
        if batch is None:
            return
        table = pa.Table.from_batches([batch])
        _require_plain_arrays(schema, table)
        columns = [_values(field, column) for field, column in zip(schema, table.columns[: len(schema)], strict=True)]
        yield list(zip(*columns, strict=True))


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (AdbcError, pa.ArrowException, OSError) as error:
        raise refusal(error) from None


def _require_no_rows(schema: pa.Schema | None) -> None:
    """Look whether no column holds whole rows, whose fields the driver does not know."""
    for field in schema or ():
        kind = field.type.value_type if pa.types.is_list(field.type) else field.type
        if pa.types.is_struct(kind):
            raise QueryError(f'Whole rows cannot be shown: cast the column "{field.name}" to text.')


def _arrays(schema: pa.Schema) -> list[int]:
    """The places of the columns of arrays."""
    return [place for place, field in enumerate(schema) if pa.types.is_list(field.type)]


def _with_shapes(statement: str, schema: pa.Schema) -> str:
    """The statement, and behind its columns a flag for each array: the driver flattens one of several dimensions."""
    names = column_list([f"c{place}" for place in range(len(schema))])
    shapes = (f"q.{identifier(f'c{place}')}" for place in _arrays(schema))
    flags = ", ".join(f"array_ndims({array}) > 1 OR array_lower({array}, 1) <> 1" for array in shapes)
    return f"SELECT q.*, {flags} FROM ({statement}) AS q({names})"  # noqa: S608


def _require_plain_arrays(schema: pa.Schema, table: pa.Table) -> None:
    for place, flags in zip(_arrays(schema), table.columns[len(schema) :], strict=True):
        if True in flags.to_pylist():
            name = schema.names[place]
            raise QueryError(f'Arrays of several dimensions cannot be shown: cast the column "{name}" to text.')


def _values(field: pa.Field, column: pa.ChunkedArray) -> list[Any]:
    """The values of a column as Python has them; intervals as texts in ISO 8601."""
    kind = field.type.value_type if pa.types.is_list(field.type) else field.type
    name, database_type = field.name, _type_name(field)
    is_opaque = isinstance(kind, pa.OpaqueType)
    if database_type == "money" or (is_opaque and not pa.types.is_string(kind.storage_type)):
        raise QueryError(f'Values of type {database_type} cannot be shown: cast the column "{name}" to text.')
    convert: Callable[[Any], Any] | None = _CONVERSIONS.get(database_type)
    if is_opaque:
        convert = Decimal  # numbers of any precision come as text
    elif pa.types.is_interval(kind):
        convert = _iso
    elif pa.types.is_float32(kind):
        column, convert = column.cast(_like(field.type, pa.string())), float  # as text it has its own digits
    elif pa.types.is_time(kind):
        column, convert = column.cast(_like(field.type, pa.int64())), _time
    try:
        values = column.to_pylist()
    except (OverflowError, ValueError):
        raise QueryError(f'The column "{name}" has a time beyond the years 1 to 9999: cast it to text.') from None
    return values if convert is None else [_converted(value, convert) for value in values]


def _type_name(field: pa.Field) -> str:
    """The database's name of a type, and of an array that of its elements."""
    name = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    return str(name).removeprefix("_").removesuffix("vector")


def _like(kind: pa.DataType, element: pa.DataType) -> pa.DataType:
    return pa.list_(element) if pa.types.is_list(kind) else element


def _converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_converted(item, convert) for item in value]
    return None if value is None else convert(value)


def _unsigned(number: int) -> int:
    return number % (1 << 32)


def _time(microseconds: int) -> time | str:
    """A time of day; 24:00, which Python has not, as text."""
    if microseconds == 24 * 60 * 60 * 1_000_000:
        return "24:00:00"
    return (datetime(1970, 1, 1) + timedelta(microseconds=microseconds)).time()  # noqa: DTZ001


def _json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"oid": _unsigned, "json": _json, "jsonb": _json}


def _iso(interval: pa.MonthDayNano) -> str:
    seconds = Decimal(interval.nanoseconds) / 1_000_000_000
    return f"P{interval.months}M{interval.days}DT{seconds.normalize():f}S"
