"""The tables of the answers: one partition is replaced in one transaction.

Here: writing them, and telling others that they are being made. Not here: reading them (see `reading`), and what
an answer says (see `analytics`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import polars as pl

from dataflow_assets.warehouse.database import (
    Connection,
    advisory_lock,
    connect,
    copy_in,
    execute,
    identifier,
    transaction,
)
from dataflow_assets.warehouse.tables import ANALYTICS
from dataflow_assets.warehouse.values import in_batches

_MAKING = "making answers"


def load_answer(connection: Connection, name: str, partition: str, day: date, rows: pl.DataFrame) -> int:
    """Put rows in place of those of one partition; how many there are now.

    Args:
        connection: where; the partition is one transaction of its own.
        name: the answer.
        partition: its partition column (Date).
        day: the partition.
        rows: the columns of the answer's schema, all of that partition.
    """
    table = identifier(ANALYTICS, name)
    with transaction(connection):
        advisory_lock(connection, name, day.isoformat())
        execute(connection, f"DELETE FROM {table} WHERE {identifier(partition)} = $1::date", day.isoformat())  # noqa: S608
        copy_in(connection, ANALYTICS, name, in_batches(rows))
    return rows.height


@contextmanager
def making_answers(url: str) -> Iterator[None]:
    """Make answers while nobody else does so by this lock, which the server releases however this process ends.

    An answer says what its tables held when they were read: of two that are made at once, the one that was read
    first could be written last.
    """
    with connect(url) as connection:
        execute(connection, "SELECT pg_advisory_lock(hashtextextended($1, 0))", _MAKING)
        connection.commit()
        yield


def are_answers_being_made(url: str) -> bool:
    """Whether somebody holds the lock of `making_answers`."""
    with connect(url) as connection:
        [(is_free,)] = execute(connection, "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", _MAKING)
        return not is_free
