"""COPY in PostgreSQL's binary format: Arrow tables into a table, and the rows of a statement out as frames.

Here: both ways, streamed. Not here: what values look like (see `arrow`), and which statement or table.
"""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa

from dataflow_assets.core.iteration import prefetched
from dataflow_assets.postgres.connection import AdbcError, Connection
from dataflow_assets.postgres.sql import execute


def copy_in(connection: Connection, schema: str | None, table: str, batches: Iterable[pa.Table]) -> None:
    """Copy Arrow tables, one after the other, into a table, or without a schema into a temporary one.

    The next one is made while one is sent. What fails in the making is raised as it is: the driver would hand on no
    more than its words.
    """
    failed: list[Exception] = []
    ahead = _noting(prefetched(batch for made in batches for batch in made.to_batches()), failed)
    first = next(ahead, None)
    if first is None:
        return
    reader = pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], ahead))
    try:
        with connection.cursor() as cursor:
            cursor.adbc_ingest(table, reader, mode="append", db_schema_name=schema, temporary=schema is None)
        # Any question ends the COPY for the driver. Else it begins the transaction once more at the next statement, and
        # the server's log gets a warning for each table that is loaded.
        _ = connection.adbc_current_db_schema
    except AdbcError:
        if failed:
            raise failed[0] from None
        raise


def _noting(batches: Iterator[pa.RecordBatch], failed: list[Exception]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except Exception as error:
        failed.append(error)
        raise


def read(connection: Connection, statement: str) -> pl.DataFrame:
    """The rows of one statement as a frame, copied out in PostgreSQL's binary format."""
    with _copied_out(connection, statement) as reader:
        return _frame(reader.read_all())


def read_batches(connection: Connection, statement: str) -> Iterator[pl.DataFrame]:
    """The rows of one statement as frames of some megabytes, each read from the server when it is asked for."""
    with _copied_out(connection, statement) as reader:
        for batch in reader:
            yield _frame(pa.Table.from_batches([batch]))


@contextmanager
def _copied_out(connection: Connection, statement: str) -> Iterator[pa.RecordBatchReader]:
    # COPY takes its snapshot before its locks: having waited for a swap, it would find a day without rows. To
    # plan the statement takes the same locks, which stay until the transaction ends.
    execute(connection, f"EXPLAIN {statement}")
    with connection.cursor() as cursor:
        cursor.execute(statement)
        yield cursor.fetch_record_batch()


def _frame(table: pa.Table) -> pl.DataFrame:
    # Of types that Arrow lacks, the plain values: numbers of any precision are texts.
    plain = [field.with_type(getattr(field.type, "storage_type", field.type)) for field in table.schema]
    frame = pl.from_arrow(table.cast(pa.schema(plain)))
    assert isinstance(frame, pl.DataFrame)
    return frame
