"""Rows of the warehouse as frames.

Here: what the platform's own readers ask for. Not here: statements that a user wrote (see `query`).
"""

from collections.abc import Iterable
from datetime import date

import polars as pl

from dataflow_assets.sources.declaration import Events, Snapshot, Source
from dataflow_assets.warehouse.database import Connection, column_list, connect, identifier, literal, read
from dataflow_assets.warehouse.tables import WAREHOUSE


def read_events(connection: Connection, source: Events, first: date = date.min, last: date = date.max) -> pl.DataFrame:
    """The events of the days from `first` to `last`, both included; the schema's columns."""
    where = f"WHERE event_day BETWEEN {literal(first.isoformat())} AND {literal(last.isoformat())}"
    return _read(connection, source, where)


def read_snapshot(connection: Connection, source: Source) -> pl.DataFrame:
    """The latest values of every key ever seen; the schema's columns."""
    assert isinstance(source, Snapshot)
    return _read(connection, source, "")


def read_tables(url: str, sources: Iterable[Source]) -> dict[str, pl.DataFrame]:
    """Every table of these sources, whole, by the source's name."""
    with connect(url) as connection:
        return {
            source.name: read_events(connection, source)
            if isinstance(source, Events)
            else read_snapshot(connection, source)
            for source in sources
        }


def _read(connection: Connection, source: Source, where: str) -> pl.DataFrame:
    columns, table = column_list(source.schema.column_names()), identifier(WAREHOUSE, source.name)
    return source.schema.cast(read(connection, f"SELECT {columns} FROM {table} {where}"))  # noqa: S608
