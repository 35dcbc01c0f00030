"""Connections to PostgreSQL, and how values and names get into SQL.

Here: ADBC connections, quoting, reading a statement's result as a frame, and what a failure means to a
user. Not here: what the statements say.
"""

import itertools
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager.dbapi import Connection, Cursor

from dataflow_assets.batches import prefetched
from dataflow_assets.errors import LockTimeoutError, WarehouseUnavailableError

__all__ = ["AdbcError", "Connection", "Cursor", "connect", "execute", "identifier", "literal", "read", "transaction"]

LOCK_TIMEOUT = "1s"
LOCK_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # seconds between two tries
WITHOUT_COPY = {"adbc.postgresql.use_copy": "false"}  # the driver's own way of reading, which not every statement takes


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """One connection; what the block leaves uncommitted is committed at its end, or rolled back where it fails.

    Raises:
        WarehouseUnavailableError: naming the server that does not answer, without its password.
    """
    try:
        connection = _database(url).adbc_clone()
    except AdbcError as error:
        raise unavailable(url, error) from None
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


@cache
def _database(url: str) -> Connection:
    """The first connection of this process. It read the server's types, which others take over from it."""
    connection: Connection = adbc.connect(url, autocommit=True)
    return connection


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Commit what the block did, or roll it back where it fails."""
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def unavailable(url: str, error: BaseException) -> WarehouseUnavailableError:
    """What a failed connection means to a user."""
    return WarehouseUnavailableError(
        f"PostgreSQL at {shown(url)} cannot be reached ({_reason(error, url)}); "
        "start it, or unset DATABASE_URL to use the embedded server."
    )


def shown(url: str) -> str:
    """A database URL as it may be shown: hosts, ports and database."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path


def _reason(error: BaseException, url: str) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = re.sub(r"^.*?failed: ", "", " ".join(lines[-2:])) if lines else type(error).__name__
    password = urlsplit(url).password
    return reason.replace(password, "********") if password else reason


def identifier(*names: str) -> str:
    """A name, or a dotted one, quoted for SQL."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(value: str) -> str:
    """A text as an SQL literal, for statements that take no parameters."""
    return "'" + value.replace("'", "''") + "'"


def execute(connection: Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run one statement; its rows, if it gives any. Parameters stand as $1, $2, …"""
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**WITHOUT_COPY)
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def read(connection: Connection, statement: str, *parameters: object) -> pl.DataFrame:
    """The rows of one statement as a frame, copied out in PostgreSQL's binary format."""
    # COPY takes its snapshot before its locks: having waited for a swap, it would find a day without rows. To
    # plan the statement takes the same locks, which stay until the transaction ends.
    execute(connection, f"EXPLAIN {statement}", *parameters)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        table = cursor.fetch_arrow_table()
    # Of types that Arrow lacks, the plain values: numbers of any precision are texts.
    plain = [field.with_type(getattr(field.type, "storage_type", field.type)) for field in table.schema]
    frame = pl.from_arrow(table.cast(pa.schema(plain)))
    assert isinstance(frame, pl.DataFrame)
    return frame


def copy_in(connection: Connection, schema: str | None, table: str, batches: Iterable[pa.Table]) -> None:
    """Copy Arrow tables, one after the other, into a table, or without a schema into a temporary one.

    The next one is made while one is sent.
    """
    ahead = prefetched(batch for made in batches for batch in made.to_batches())
    first = next(ahead, None)
    if first is None:
        return
    reader = pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], ahead))
    with connection.cursor() as cursor:
        cursor.adbc_ingest(table, reader, mode="append", db_schema_name=schema, temporary=schema is None)


def advisory_lock(connection: Connection, *names: str) -> None:
    """Take the lock of that name until the transaction ends."""
    execute(connection, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "/".join(names))


def with_lock_retries(connection: Connection, what: str, statements: Sequence[str]) -> None:
    """Run statements, all or none, that need strong locks for a moment; waits at most a second at a time.

    What the transaction did before stays done while they are tried again.

    Raises:
        LockTimeoutError: the locks were not granted in several tries.
    """
    # The server catches the failure: once an error has reached the driver, it does nothing but roll back.
    attempt = f"""
        DO $attempt$ BEGIN
            {"; ".join(statements)};
            PERFORM set_config('dataflow.attempt', 'done', true);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM set_config('dataflow.attempt', 'locked', true);
        END $attempt$"""
    execute(connection, f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for pause in (*LOCK_PAUSES, 0.0):
        execute(connection, attempt)
        if execute(connection, "SELECT current_setting('dataflow.attempt')") == [("done",)]:
            return
        time.sleep(pause)
    raise LockTimeoutError(
        f"{what} is held by another session (see pg_stat_activity); nothing was changed, try again later."
    )


def column_list(names: Sequence[str]) -> str:
    """Quoted names, separated by commas."""
    return ", ".join(identifier(name) for name in names)
