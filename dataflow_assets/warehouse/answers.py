"""The tables of the answers: one partition is replaced in one transaction.

Here: writing and reading them. Not here: what an answer says (see `analytics`).
"""

from datetime import date

import dataframely as dy
import polars as pl

from dataflow_assets.warehouse.database import (
    Connection,
    advisory_lock,
    column_list,
    copy_in,
    execute,
    identifier,
    read,
    transaction,
)
from dataflow_assets.warehouse.tables import ANALYTICS


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
        copy_in(connection, ANALYTICS, name, [rows.to_arrow()])
    return rows.height


def read_answer(connection: Connection, name: str, schema: type[dy.Schema], first: date, last: date) -> pl.DataFrame:
    """The rows of the partitions from `first` to `last`, both included; the columns of the answer's schema."""
    columns = schema.column_names()
    partition = identifier(columns[0])
    return read(
        connection,
        f"SELECT {column_list(columns)} FROM {identifier(ANALYTICS, name)} "  # noqa: S608
        f"WHERE {partition} BETWEEN $1::date AND $2::date ORDER BY {column_list(columns)}",
        first.isoformat(),
        last.isoformat(),
    )
