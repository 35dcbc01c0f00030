"""The rows of a table as a lazy frame, which reads nothing until it is collected.

Here: asking for the columns that are used and the rows that a condition leaves, and handing them on in batches. Not
here: which table, and which condition a filter means (see `pushdown`, and `warehouse.pushdown` of event days).

Each collect reads anew what is there then. So does each place of a query where the frame stands: one that needs
the same rows twice collects them first. As any reader does, a scan keeps the partitions that it reads from being
swapped until its last batch is taken. Polars' streaming engine closes one that it needs no more (a join with nothing, a
`head` after a filter) only at the next call of Polars.
"""

from collections.abc import Callable, Collection, Iterator

import polars as pl
from polars.io.plugins import register_io_source

from dataflow_assets.postgres.arrow import as_declared
from dataflow_assets.postgres.connection import Connections
from dataflow_assets.postgres.copy import read_batches
from dataflow_assets.postgres.sql import identifier

Where = Callable[[pl.Expr | None], str]


def scan_table(
    connections: Connections, table: str, types: pl.Schema, where: Where, as_text: Collection[str] = ()
) -> pl.LazyFrame:
    """The rows of a table for which a condition holds.

    Args:
        connections: to its database.
        table: its quoted name.
        types: its columns, and the types in which a frame holds them; lists and structs are `jsonb`.
        where: from a filter of the frame, or none, to the condition in SQL.
        as_text: columns of types that no frame has.
    """

    def batches(
        used: list[str] | None, predicate: pl.Expr | None, limit: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        columns = used or types.names()
        selected = ", ".join(
            f"{identifier(name)}::text AS {identifier(name)}" if name in as_text else identifier(name)
            for name in columns
        )
        statement = f"SELECT {selected} FROM {table} WHERE {where(predicate)}"  # noqa: S608
        if limit is not None:
            statement += f" LIMIT {limit}"
        with connections.take() as connection:
            for batch in read_batches(connection, statement):
                rows = as_declared(batch, pl.Schema({name: types[name] for name in columns}))
                yield rows if predicate is None else rows.filter(predicate)

    return register_io_source(batches, schema=types)
