"""The tables of the answers: one partition is replaced in one transaction.

Here: writing them. Not here: reading them (see `reading`), and what an answer says (see `analytics`).
"""

from datetime import date

import polars as pl

from dataflow_assets.warehouse.database import (
    Connection,
    advisory_lock,
    copy_in,
    execute,
    identifier,
    transaction,
)
from dataflow_assets.warehouse.tables import ANALYTICS
from dataflow_assets.warehouse.values import in_batches


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
