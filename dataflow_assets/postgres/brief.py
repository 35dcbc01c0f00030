"""Brief connections, for a statement or two.

One is open at once. An ADBC connection, by which rows come and go in bulk, first reads every type of the database: two
for each table, and so for each day.

Here: opening one, and using it again. Not here: statements (see `statements`).
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2
from psycopg2 import extensions

from dataflow_assets.postgres.failures import read_only, unavailable


@contextmanager
def connect_briefly(url: str, application_name: str | None = None) -> Iterator[extensions.connection]:
    """A connection of psycopg2, which is closed, and what was done rolled back, at the end of the block.

    Raises:
        WarehouseUnavailableError: naming the server that does not answer, without its password.
    """
    connection = _open(url, application_name)
    try:
        yield connection
    finally:
        connection.close()


def require_writable(url: str) -> None:
    """Check that the server lets something be written, before anything is done that needs it.

    Raises:
        WarehouseReadOnlyError: it is a standby, or was told to.
        WarehouseUnavailableError: it does not answer.
    """
    with connect_briefly(url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        if cursor.fetchall() == [("on",)]:
            raise read_only(url)


class BriefConnections:
    """Brief connections to one database, each used again by the next block that wants one.

    Any thread may take one. They are closed when this object is forgotten.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[extensions.connection] = []
        weakref.finalize(self, _close_each, self._idle)

    @contextmanager
    def take(self) -> Iterator[extensions.connection]:
        """A connection that no other block has; what was done is committed at the block's end.

        Raises:
            WarehouseUnavailableError: naming the server that does not answer, or went away.
        """
        connection = None
        with suppress(IndexError):
            connection = self._idle.pop()
        connection = connection or _open(self._url)
        try:
            yield connection
            connection.commit()
        except BaseException as error:
            is_lost = bool(connection.closed)
            connection.close()
            if is_lost and isinstance(error, psycopg2.Error):
                _close_each(self._idle)  # which were lost with it
                raise unavailable(self._url, error) from None
            raise
        self._idle.append(connection)


def _open(url: str, application_name: str | None = None) -> extensions.connection:
    try:
        return psycopg2.connect(url, client_encoding="UTF8", application_name=application_name)
    except psycopg2.OperationalError as error:
        raise unavailable(url, error) from None


def _close_each(connections: list[extensions.connection]) -> None:
    while connections:
        with suppress(IndexError):  # another thread took the last one
            connections.pop().close()
