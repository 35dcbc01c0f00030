"""Poolers, such as PgBouncer, between the platform and the server.

Here: telling whether a connection keeps its session. Locks, settings and the lease of `dataflow up` belong to a
session; a pooler in transaction mode gives each transaction another one, without a word. Not here: connecting.
"""

from contextlib import closing, suppress
from functools import cache

import psycopg2

from dataflow_assets.errors import WarehouseRefusedError
from dataflow_assets.postgres.failures import shown, unavailable

_TRIES = 3  # a pooler may take its idle sessions in turn
_CONNECT_SECONDS = 10


@cache
def require_sessions(url: str) -> None:
    """Check that a connection has the same session in all of its transactions; once in a process for each database.

    Raises:
        WarehouseRefusedError: a pooler shares the server's sessions by transaction or by statement.
        WarehouseUnavailableError: the database does not answer.
    """
    try:
        with closing(_connect(url)) as first, closing(_connect(url)) as second:
            first.autocommit = True
            is_kept = all(_is_session_kept(first, second) for _ in range(_TRIES))
    except psycopg2.OperationalError as error:
        raise unavailable(url, error) from None
    if not is_kept:
        raise WarehouseRefusedError(
            f"{shown(url)} is a pooler that gives each transaction another session, so that no lock holds: let "
            "DATABASE_URL name the server itself, or a pool with pool_mode=session."
        )


def _is_session_kept(first: psycopg2.extensions.connection, second: psycopg2.extensions.connection) -> bool:
    """Whether the second connection, while it holds a transaction open, has not the session of the first."""
    own, others = _session(first), None
    with suppress(psycopg2.OperationalError):  # in statement mode the pooler hangs up at BEGIN
        others = _session(second)
    own_again = _session(first)
    if others is not None:
        second.rollback()
    return own == own_again and others not in (own, None)


def _connect(url: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(url, connect_timeout=_CONNECT_SECONDS)


def _session(connection: psycopg2.extensions.connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [(pid,)] = cursor.fetchall()
        return int(pid)
