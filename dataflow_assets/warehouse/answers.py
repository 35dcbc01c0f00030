"""The tables of the answers: one partition is replaced in one transaction.

Here: writing them, and telling others that they are being made. Not here: reading them (see `scan`), and what
an answer says (see `analytics`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import polars as pl

from dataflow_assets.ledger.answers import read_answer_versions, write_answer_versions
from dataflow_assets.postgres.arrow import in_batches
from dataflow_assets.postgres.connection import Connection, connect, transaction
from dataflow_assets.postgres.partitions import TableSlice, Versions, count_rows, may_replace, replace_rows
from dataflow_assets.postgres.schema import ANALYTICS
from dataflow_assets.postgres.sql import execute, identifier, literal

_MAKING = "making answers"


@dataclass(frozen=True, kw_only=True)
class AnswerLoad:
    """What loading a partition did: how many rows it has; left alone was one made from newer tables (`is_stale`)."""

    rows: int
    is_stale: bool = False


def load_answer(
    connection: Connection, name: str, partition: str, day: date, rows: pl.DataFrame, made_from: Versions
) -> AnswerLoad:
    """Put rows in place of those of one partition, unless those were made from newer tables.

    Args:
        connection: where; the partition is one transaction of its own.
        name: the answer.
        partition: its partition column (Date).
        day: the partition.
        rows: the columns of the answer's schema, all of that partition.
        made_from: what they were made from.
    """
    replaced = TableSlice(ANALYTICS, name, day.isoformat(), f"{identifier(partition)} = {literal(day.isoformat())}")

    def recorded() -> Versions:
        return read_answer_versions(connection, name, day, day).get(day, {})

    with transaction(connection):
        if not may_replace(connection, (name, replaced.name), made_from, recorded):
            return AnswerLoad(rows=count_rows(connection, replaced), is_stale=True)
        replace_rows(connection, replaced, in_batches(rows))
        write_answer_versions(connection, name, day, made_from)
    return AnswerLoad(rows=rows.height)


@contextmanager
def making_answers(url: str) -> Iterator[None]:
    """Make answers while nobody else does so by this lock, which the server releases however this process ends.

    Of two that are published at once, the one that was read first could be published last.
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
