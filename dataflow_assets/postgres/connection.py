"""Connections to PostgreSQL by which rows come and go in bulk: opening them, using them again, transactions.

Here: ADBC connections. Not here: one for a statement or two (see `brief`), what a failed one means (see `failures`),
statements (see `sql`), COPY (see `copy`) and locks (see `locks`).
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

import adbc_driver_postgresql.dbapi as adbc
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager.dbapi import Connection

from dataflow_assets.postgres.failures import unavailable

__all__ = ["AdbcError", "Connection", "Connections", "connect", "transaction"]

_OWN_TYPES = {"adbc.postgresql.type_resolver_mode": "builtin"}


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

    A new one costs more than reading a small day. They are closed when this object is forgotten. `begin` is called with
    a connection before each use; one that fails it because the server was away meanwhile is replaced.
    """

    def __init__(self, url: str, begin: Callable[[Connection], object] | None = None) -> None:
        self._url = url
        self._begin = begin
        self._idle: list[Connection] = []
        weakref.finalize(self, _close_each, self._idle)

    @classmethod
    def of(cls, database: "str | Connections") -> "Connections":
        """Those that are given, or new ones to the database of a URL."""
        return cls(database) if isinstance(database, str) else database

    @contextmanager
    def take(self) -> Iterator[Connection]:
        """A connection that no other block has; what was done is committed at the block's end.

        Raises:
            WarehouseUnavailableError: naming the server that does not answer.
        """
        connection = self._ready()
        try:
            yield connection
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def _ready(self) -> Connection:
        while True:
            used = None
            with suppress(IndexError):
                used = self._idle.pop()
            connection = used or _open(self._url)
            try:
                if self._begin is not None:
                    self._begin(connection)
            except BaseException as error:
                connection.close()
                if used is None or not isinstance(error, AdbcError):
                    raise
            else:
                return connection


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
    """The first connection of this process, from which others take over what types there are; its session is over.

    They are PostgreSQL's own, which the driver knows. To ask the server would read each column of each table: with the
    tables of ten years a second of processor time in each process.
    """
    connection: Connection = adbc.connect(url, db_kwargs=_OWN_TYPES, autocommit=True)
    connection._conn.close()  # of a connection that is closed itself none can be taken over
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
