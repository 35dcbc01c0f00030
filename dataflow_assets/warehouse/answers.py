"""The tables of the answers: a partition, or several small ones, is replaced in one transaction.

Here: writing them, and telling others that they are being made. Not here: reading them (see `scan`), and what
an answer says (see `analytics`).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import polars as pl

from dataflow_assets.ledger.answers import read_answer_versions, write_answer_versions
from dataflow_assets.postgres.arrow import in_batches
from dataflow_assets.postgres.connection import Connection, connect, transaction
from dataflow_assets.postgres.locks import advisory_locks
from dataflow_assets.postgres.partitions import TableSlice, Versions, count_rows, is_newer, replace_rows
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
    return load_answers(connection, name, partition, {day: (rows, made_from)})[day]


def load_answers(
    connection: Connection, name: str, partition: str, made: Mapping[date, tuple[pl.DataFrame, Versions]]
) -> dict[date, AnswerLoad]:
    """Do what `load_answer` does for several partitions in one transaction: where one fails, all stay as they were.

    Args:
        connection: where.
        name: the answer.
        partition: its partition column (Date).
        made: by partition its rows, and what they were made from; at least one.
    """
    days = sorted(made)
    with transaction(connection):
        advisory_locks(connection, [(name, day.isoformat()) for day in days])
        recorded = read_answer_versions(connection, name, days[0], days[-1])
        current = [day for day in days if not is_newer(recorded.get(day, {}), made[day][1])]
        loads = {day: AnswerLoad(rows=made[day][0].height) for day in current}
        for day in set(days).difference(current):
            rows = count_rows(connection, _slice_of(name, partition, [day]))
            loads[day] = AnswerLoad(rows=rows, is_stale=True)
        if current:
            rows_of_all = pl.concat([made[day][0] for day in current])
            replace_rows(connection, _slice_of(name, partition, current), in_batches(rows_of_all))
            write_answer_versions(connection, name, {day: made[day][1] for day in current})
    return loads


def _slice_of(name: str, partition: str, days: Iterable[date]) -> TableSlice:
    values = ", ".join(literal(day.isoformat()) for day in days)
    return TableSlice(ANALYTICS, name, where=f"{identifier(partition)} IN ({values})")


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
