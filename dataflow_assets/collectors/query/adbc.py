"""Rows of a database by its ADBC driver, as Arrow batches.

Here: connecting, and which types and values of PostgreSQL are refused, as its driver gives other values for them. Not
here: which statement is asked, and what a failure means (see `query`).
"""

import importlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager._reader import AdbcRecordBatchReader

from dataflow_assets.collectors.base import CollectError
from dataflow_assets.postgres.sql import identifier

_DRIVER = re.compile("[a-z0-9_]+")
_TYPE = b"POSTGRESQL:type"
_OTHER_VALUES = ("money", "oid", "interval", "record")  # without a point, below zero, and of no type in Parquet
_DAYS = tuple((day - date(1970, 1, 1)).days for day in (date.min, date.max))  # of the years 1 to 9999
_MICROSECONDS = 86_400_000_000  # of a day


@contextmanager
def read_adbc(where: str, url: str, statement: str, timezone: str) -> Iterator[pa.RecordBatchReader]:
    """The rows of a statement.

    Args:
        where: the database, for people.
        url: such as `postgresql://me@host/name`, of which the days are those of the time zone, or
            `adbc:snowflake:me:password@account/database`.
        statement: a SELECT.
        timezone: see `url`.

    Raises:
        adbc_driver_manager.Error: the database does not answer, or refuses the statement.
        CollectError: there is no such driver, or rows would have other values than in the database.
    """
    with _connect(where, url) as connection, connection.cursor() as cursor:
        if not url.startswith("adbc:"):
            cursor.execute(f"SET TIME ZONE '{timezone}'")
        if url.startswith(("postgres", "adbc:postgresql:")):
            schema = cursor.adbc_execute_schema(statement)
            _require_same_values(where, schema)
            arrays = [field.name for field in schema if pa.types.is_list(field.type)]
            cursor.execute(_with_dimensions(statement, arrays))
            rows = _flat(where, _rows(cursor), schema, arrays)
            yield pa.RecordBatchReader.from_batches(schema, _of_calendar(where, rows))
        else:
            cursor.execute(statement)
            given = _rows(cursor)
            yield pa.RecordBatchReader.from_batches(given.schema, given)


def _connect(where: str, url: str) -> adbc.Connection:
    if not url.startswith("adbc:"):
        return adbc.connect(url)
    _, driver, uri = url.split(":", 2) if url.count(":") > 1 else ("", "", "")
    try:
        if not _DRIVER.fullmatch(driver):
            raise ImportError
        module = importlib.import_module(f"adbc_driver_{driver}.dbapi")
    except ImportError:
        raise CollectError(
            f"{where} is asked by the Python package adbc-driver-{driver}, which is not there."
        ) from None
    connection: adbc.Connection = module.connect(uri)
    return connection


def _rows(cursor: adbc.Cursor) -> pa.RecordBatchReader:
    """The rows of a statement, of which a late failure is told as an early one: with the code of its kind."""
    stream = cursor.fetch_arrow()  # which is gone with this name
    return AdbcRecordBatchReader._import_from_c(stream.address)


def _require_same_values(where: str, schema: pa.Schema) -> None:
    for field in schema:
        if found := _other_values(field):
            raise CollectError(
                f"{where} gives the column {field.name}, of the type {found}, which would have other values: cast it "
                "in the query, to a number or a text."
            )


def _other_values(field: pa.Field) -> str | None:
    """The type of PostgreSQL, of a column or a part of it, whose values are others in Arrow; None where there is none.

    Of a type that the driver does not know it gives the bytes that the server sends. Of an array in a row nobody asks
    how many dimensions it has.
    """
    name: str = (field.metadata or {}).get(_TYPE, b"").decode()
    if name in _OTHER_VALUES:
        return name
    if isinstance(field.type, pa.OpaqueType) and pa.types.is_binary(field.type.storage_type):
        return str(field.type.type_name)
    parts: list[pa.Field] = [field.type.field(place) for place in range(field.type.num_fields)]
    if pa.types.is_struct(field.type) and any(pa.types.is_list(part.type) for part in parts):
        return name
    return next(filter(None, map(_other_values, parts)), None)


def _with_dimensions(statement: str, arrays: Sequence[str]) -> str:
    """The statement, with how many dimensions each of some arrays has in columns after its own."""
    if not arrays:
        return statement
    asked = ", ".join(f"array_ndims({identifier(name)})" for name in arrays)
    return f"SELECT *, {asked} FROM ({statement}\n) AS asked"  # noqa: S608


def _flat(where: str, rows: pa.RecordBatchReader, schema: pa.Schema, arrays: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches without the dimensions of arrays, of which all have one: of others the driver makes a single list."""
    for batch in rows:
        for name, dimensions in zip(arrays, batch.columns[len(schema) :], strict=True):
            if (pc.max(dimensions).as_py() or 1) > 1:
                raise CollectError(
                    f"{where} gives an array of several dimensions in the column {name}, which would be one list: cast "
                    "it in the query, to a text."
                )
        yield pa.RecordBatch.from_arrays(batch.columns[: len(schema)], schema=schema)


def _of_calendar(where: str, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of dates and instants of the years 1 to 9999, and times of a day: of others the driver makes others."""
    for batch in rows:
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            if _is_outside(values):
                raise CollectError(
                    f"{where} gives what is outside the years 1 to 9999, such as infinity, or the time 24:00, in the "
                    f"column {name}, which would be another date or time: cast it in the query, to a text."
                )
        yield batch


def _is_outside(values: pa.Array) -> bool:
    """Whether a date, a time or an instant, in microseconds, is outside the calendar; also one in a list or a row."""
    if pa.types.is_list(values.type):
        return _is_outside(values.flatten())
    if pa.types.is_struct(values.type):
        return any(map(_is_outside, values.flatten()))
    kinds = (pa.types.is_date32, pa.types.is_time64, pa.types.is_timestamp)
    if not any(is_of(values.type) for is_of in kinds) or values.null_count == len(values):
        return False
    found = pc.min_max(values)
    if pa.types.is_time64(values.type):
        return bool(found["max"].value >= _MICROSECONDS)
    first, end = _DAYS[0], _DAYS[1] + 1
    unit = 1 if pa.types.is_date32(values.type) else _MICROSECONDS
    return bool(found["min"].value < first * unit or found["max"].value >= end * unit)
