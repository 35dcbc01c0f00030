"""Connections to PostgreSQL, and how values and names get into SQL.

Here: ADBC connections, quoting, reading a statement's result as a frame, and what a failure means to a
user. Not here: what the statements say.
"""

import itertools
import re
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager.dbapi import Connection, Cursor

from dataflow_assets.core.iteration import prefetched
from dataflow_assets.errors import LockTimeoutError, WarehouseRefusedError, WarehouseUnavailableError

__all__ = ["AdbcError", "Connection", "Cursor", "connect", "execute", "identifier", "literal", "read", "transaction"]

LOCK_TIMEOUT = "1s"
LOCK_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # seconds between two tries
_LOOK_SECONDS = 0.05
# What a server says that will let the same user in later; of a failed connection the driver knows no code.
_BUSY = re.compile(r"starting up|shutting down|recovery|not yet accepting|too many|reserved|terminating connection")
# A session of pg_stat_activity. Of those of other users the server may tell no more than their number.
SESSION = r"""format('session %s (%s%s%s)', pid,
        coalesce(nullif(application_name, ''), usename, backend_type, 'unknown'),
        to_char(xact_start AT TIME ZONE 'UTC', '", in a transaction since "YYYY-MM-DD HH24:MI:SS "UTC"'),
        ', last statement: ' || left(regexp_replace(query, '\s+', ' ', 'g'), 80))"""
_HOLDERS = f"""
    SELECT {SESSION}
    FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1::int)) ORDER BY xact_start, pid"""  # noqa: S608
WITHOUT_COPY = {"adbc.postgresql.use_copy": "false"}  # the driver's own way of reading, which not every statement takes


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """One connection; what the block leaves uncommitted is committed at its end, or rolled back where it fails.

    Raises:
        WarehouseUnavailableError: naming the server that does not answer, without its password.
    """
    connection = _open(url)
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


class Connections:
    """Connections to one database, each used again by the next block that wants one.

    A new one costs more than reading a small day. They are closed when this object is forgotten.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Connection] = []
        weakref.finalize(self, _close_each, self._idle)

    @contextmanager
    def take(self) -> Iterator[Connection]:
        """A connection that no other block has; what was done is committed at the block's end.

        Raises:
            WarehouseUnavailableError: naming the server that does not answer.
        """
        connection = None
        with suppress(IndexError):
            connection = self._idle.pop()
        connection = connection or _open(self._url)
        try:
            yield connection
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)


def _close_each(connections: list[Connection]) -> None:
    for connection in connections:
        connection.close()


def _open(url: str) -> Connection:
    try:
        return _database(url).adbc_clone()
    except AdbcError as error:
        raise unavailable(url, error) from None


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
        with suppress(AdbcError):  # the connection is lost, and with it what was done: that is the failure
            connection.rollback()
        raise
    connection.commit()


def unavailable(url: str, error: BaseException) -> WarehouseUnavailableError:
    """What a failed connection means to a user."""
    reason = _reason(error, url)
    if "FATAL" in reason and not _BUSY.search(reason):
        return WarehouseRefusedError(
            f"PostgreSQL at {shown(url)} refuses the connection ({reason}); "
            "correct DATABASE_URL, or unset it to use the embedded server."
        )
    return WarehouseUnavailableError(
        f"PostgreSQL at {shown(url)} cannot be reached ({reason}); "
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


def change(connection: Connection, statement: str) -> int:
    """Run one statement that changes rows; how many."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount


def has_table(connection: Connection, table: str) -> bool:
    """Whether there is a table of that quoted name."""
    return bool(execute(connection, "SELECT 1 WHERE to_regclass($1) IS NOT NULL", table))


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


def advisory_lock(connection: Connection, *names: str) -> None:
    """Take the lock of that name until the transaction ends."""
    execute(connection, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "/".join(names))


def with_lock_retries(connection: Connection, what: str, statements: Sequence[str]) -> None:
    """Run statements, all or none, that need strong locks for a moment; waits at most a second at a time.

    What the transaction did before stays done while they are tried again.

    Raises:
        LockTimeoutError: the locks were not granted in several tries; it names who holds them.
    """
    # The server catches the failure: once an error has reached the driver, it does nothing but roll back.
    attempt = f"""
        DO $attempt$ BEGIN
            {"; ".join(statements)};
            PERFORM set_config('dataflow.attempt', 'done', true);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM set_config('dataflow.attempt', 'locked', true);
        END $attempt$"""

    def is_done() -> bool:
        execute(connection, attempt)
        return execute(connection, "SELECT current_setting('dataflow.attempt')") == [("done",)]

    execute(connection, f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for pause in LOCK_PAUSES:
        if is_done():
            return
        time.sleep(pause)
    done, holders = _watched(connection, is_done)
    if not done:
        raise held_by(what, holders)


def held_by(what: str, holders: Sequence[str]) -> LockTimeoutError:
    """What it means to a user that these sessions did not let go of something in time."""
    named = "; and by ".join(holders) or "another session"
    return LockTimeoutError(f"{what} is held by {named}. Nothing was changed: try again later, or end that session.")


def _watched(connection: Connection, attempt: Callable[[], bool]) -> tuple[bool, list[str]]:
    """Run the last try, and see from another connection which sessions it waits for: only then the server knows."""
    [(waiting,)] = execute(connection, "SELECT pg_backend_pid()")
    holders: list[str] = []
    with closing(connection.adbc_clone()) as watcher, ThreadPoolExecutor(1, "lock") as pool:
        trying = pool.submit(attempt)
        while not wait([trying], _LOOK_SECONDS).done:
            holders = [holder for (holder,) in execute(watcher, _HOLDERS, waiting)] or holders
            watcher.rollback()  # within a transaction, what the sessions do stays as it was first seen
    return trying.result(), holders


def column_list(names: Sequence[str]) -> str:
    """Quoted names, separated by commas."""
    return ", ".join(identifier(name) for name in names)
