"""One partition of an answer, from the tables of the warehouse.

Here: the two ways of computing it, in this process from frames and in the database by SQL, and whether rows are as
declared. Not here: what an answer says (see `analytics`), and storing it (see `answers`).
"""

from collections.abc import Collection, Mapping
from datetime import date

import polars as pl

from dataflow_assets.analytics import Answer, compute_partition
from dataflow_assets.analytics.sql_file import bind
from dataflow_assets.core.formatting import counted
from dataflow_assets.errors import QueryError
from dataflow_assets.postgres.arrow import as_declared
from dataflow_assets.postgres.connection import AdbcError, Connections
from dataflow_assets.postgres.copy import read
from dataflow_assets.postgres.sql import execute, literal
from dataflow_assets.warehouse.guards import explain_refusal
from dataflow_assets.warehouse.scan import Table

_FAULTS_OF_THE_STATEMENT = ("22", "25", "42")  # classes of SQLSTATE: data, read-only transaction, syntax and names


def compute_answer(
    connections: Connections,
    answer: Answer,
    tables: Mapping[str, Table],
    day: date,
    days: Collection[date],
    timezone: str,
) -> pl.DataFrame:
    """One partition of an answer: the columns of `answer.schema`, in its types.

    Args:
        connections: to the database in which an answer in SQL runs, as one statement that reads.
        answer: what is asked.
        tables: at least the sources that an answer in Python reads.
        day: the partition; of a month its first day.
        days: the event days that it may read.
        timezone: the business time zone.

    Raises:
        QueryError: the statement was refused, or its columns are not those declared.
    """
    if answer.statement is None:
        frames = {name: table.scan(days) for name, table in tables.items()}
        return compute_partition(answer, frames, day, timezone).collect(engine="streaming")
    statement = bind(answer.statement, _literals(answer, day, days, timezone))
    with connections.take() as connection:
        try:
            execute(connection, "SET TRANSACTION READ ONLY")
            rows = read(connection, statement)
        except AdbcError as error:
            if (error.sqlstate or "")[:2] not in _FAULTS_OF_THE_STATEMENT:
                raise
            raise QueryError(f"The database refused the answer {answer.name}: {explain_refusal(error)}.") from None
    return (
        _as_declared(answer, rows)
        .with_columns(pl.lit(day, pl.Date).alias(answer.grain))
        .select(answer.schema.column_names())
    )


def require_declared(answer: Answer, rows: pl.DataFrame) -> None:
    """Look whether rows of an answer keep the rules of its schema, as those of a source must: each key once, for one.

    Raises:
        QueryError: they do not; it says which rules are broken, by how many rows.
    """
    _, failure = answer.schema.filter(rows)
    if broken := failure.counts():
        rules = ", ".join(f"{rule.replace('|', '.')} ({counted(count, 'row')})" for rule, count in broken.items())
        raise QueryError(f"Rows of the answer {answer.name} break what it declares: {rules}.")


def _literals(answer: Answer, day: date, days: Collection[date], timezone: str) -> dict[str, str]:
    """The parameters as literals. Days as dates: by them, and not by instants, the server finds the tables to open."""
    window = answer.window(day, timezone)
    return {
        "start": f"timestamptz {literal(window.start.isoformat())}",
        "end": f"timestamptz {literal(window.end.isoformat())}",
        "day": f"date {literal(day.isoformat())}",
        "first_day": f"date {literal(min(days).isoformat())}",
        "last_day": f"date {literal(max(days).isoformat())}",
    }


def _as_declared(answer: Answer, rows: pl.DataFrame) -> pl.DataFrame:
    types = {name: dtype for name, dtype in answer.schema.create_empty().schema.items() if name != answer.grain}
    if set(rows.columns) != set(types):
        raise QueryError(
            f"The answer {answer.name} declares the columns {', '.join(types)}; "
            f"its statement gives {', '.join(rows.columns)}."
        )
    return as_declared(rows.select(list(types)), pl.Schema(types))
