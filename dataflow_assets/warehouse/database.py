"""Connections to PostgreSQL, and how values and names get into SQL.

Here: ADBC connections, quoting, reading a statement's result as a frame, and what a failure means to a
user. Not here: what the statements say.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager.dbapi import Connection, Cursor

from dataflow_assets.errors import LockTimeoutError, WarehouseUnavailableError

__all__ = ["AdbcError", "Connection", "Cursor", "connect", "execute", "identifier", "literal", "read", "transaction"]

LOCK_TIMEOUT = "1s"
_LOCK_NOT_AVAILABLE, _DEADLOCK = "55P03", "40P01"
_LOCK_TRIES = 8


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
    connection: Connection = adbc.connect(url)
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


def unavailable(url: str, error: Exception) -> WarehouseUnavailableError:
    """What a failed connection means to a user."""
    return WarehouseUnavailableError(
        f"PostgreSQL at {shown(url)} cannot be reached ({_reason(error)}); "
        "start it, or unset DATABASE_URL to use the embedded server."
    )


def shown(url: str) -> str:
    """A database URL as it may be shown: host, port and database."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^.*?failed: ", "", " ".join(lines[-2:])) if lines else type(error).__name__


def identifier(*names: str) -> str:
    """A name, or a dotted one, quoted for SQL."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(value: str) -> str:
    """A text as an SQL literal, for statements that take no parameters."""
    return "'" + value.replace("'", "''") + "'"


def execute(connection: Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run one statement; its rows, if it gives any. Parameters stand as $1, $2, …"""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def read(connection: Connection, statement: str, *parameters: object) -> pl.DataFrame:
    """The rows of one statement as a frame, copied out in PostgreSQL's binary format."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        frame = pl.from_arrow(cursor.fetch_arrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame


def advisory_lock(connection: Connection, *names: str) -> None:
    """Take the lock of that name until the transaction ends."""
    execute(connection, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "/".join(names))


def with_lock_retries(connection: Connection, what: str, change: Callable[[], None]) -> None:
    """Make a change that needs strong locks for a moment; waits at most a second at a time.

    What the transaction did before stays done while the change is tried again.

    Raises:
        LockTimeoutError: the locks were not granted in several tries.
    """
    execute(connection, f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for attempt in range(_LOCK_TRIES):
        execute(connection, "SAVEPOINT change")
        try:
            change()
        except AdbcError as error:
            if error.sqlstate not in (_LOCK_NOT_AVAILABLE, _DEADLOCK):
                raise
            execute(connection, "ROLLBACK TO SAVEPOINT change")
            time.sleep(0.05 * 2**attempt)
        else:
            execute(connection, "RELEASE SAVEPOINT change")
            return
    raise LockTimeoutError(
        f"{what} is held by another session (see pg_stat_activity); nothing was changed, try again later."
    )


def column_list(names: Sequence[str]) -> str:
    """Quoted names, separated by commas."""
    return ", ".join(identifier(name) for name in names)
