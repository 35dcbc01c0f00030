"""Rows of the warehouse as frames.

Here: what the platform's own readers ask for. Not here: statements that a user wrote (see `query`).

A table is scanned (see `postgres.scan`): its LazyFrame reads nothing until it is collected, then asks for the columns
that are used and, of an event table, for the days that the filters on its times leave.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby

import dataframely as dy
import polars as pl

from dataflow_assets.ledger.event_days import read_day_versions, read_loaded_days
from dataflow_assets.ledger.snapshots import read_snapshot
from dataflow_assets.postgres.connection import Connection, Connections
from dataflow_assets.postgres.scan import scan_table
from dataflow_assets.postgres.schema import ANALYTICS, WAREHOUSE
from dataflow_assets.postgres.sql import execute, has_table, identifier, literal
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.changes import Changes
from dataflow_assets.warehouse.pushdown import day_bounds

_EVERY_DAY = ((date.min, date.max),)


def scan_source(url: str, source: Source, timezone: str, days: Iterable[date] | None = None) -> pl.LazyFrame:
    """The rows of a source's table; the schema's columns.

    Args:
        url: of the database.
        source: of events; of snapshots: the latest values of every key ever seen; or of changes: those of the keys
            that were not deleted.
        timezone: cuts the days, as it does in the warehouse.
        days: of events, those to read; all of them if None.
    """
    return _scan_source(Connections(url), source, timezone, days)


@dataclass(frozen=True)
class Table:
    """The table of a source, to be read again and again by the same connections.

    `scan` gives the rows of some days, as `scan_source` does. `version` is a number that has grown when what some
    days hold has changed since: as it was when the table was opened, so before anything is read. Of snapshots the
    days do not matter. `loaded` are the days that hold an event; None of snapshots.
    """

    scan: Callable[[Iterable[date]], pl.LazyFrame]
    version: Callable[[Iterable[date]], int]
    loaded: frozenset[date] | None


def open_table(url: str, source: Source, timezone: str) -> Table:
    """The table of a source; the arguments are those of `scan_source`."""
    connections, loaded = Connections(url), None
    with connections.take() as connection:
        if isinstance(source, Events):
            versions = read_day_versions(connection, source)  # first: what is loaded meanwhile is of a later version
            loaded = frozenset(read_loaded_days(connection, source))
        else:
            changed = read_snapshot(connection, source).changed_version

    def version(days: Iterable[date]) -> int:
        # Each day's number only grows, and so does their sum; a day that was never made counts nothing.
        return sum(versions.get(day, -1) + 1 for day in days) if isinstance(source, Events) else changed + 1

    return Table(partial(_scan_source, connections, source, timezone), version, loaded)


def _scan_source(connections: Connections, source: Source, timezone: str, days: Iterable[date] | None) -> pl.LazyFrame:
    stretches = _EVERY_DAY if days is None else tuple(_stretches(days))

    def where(predicate: pl.Expr | None) -> str:
        if not isinstance(source, Events):
            return "deleted_at IS NULL" if isinstance(source, Changes) else "true"
        first, last = (date.min, date.max) if predicate is None else day_bounds(predicate, source, timezone)
        return _within("event_day", [(max(first, start), min(last, end)) for start, end in stretches])

    return scan_table(connections, identifier(WAREHOUSE, source.name), source.schema.create_empty().schema, where)


def count_by_day(connection: Connection, table: str, column: str, days: Iterable[date]) -> dict[date, int]:
    """How many rows a table (its quoted name) has of some days or months that a column names; none where it is gone."""
    if not has_table(connection, table):
        return {}
    name, where = identifier(column), _within(column, list(_stretches(days)))
    return dict(execute(connection, f"SELECT {name}, count(*) FROM {table} WHERE {where} GROUP BY 1"))  # noqa: S608


def scan_answer(
    database: str | Connections, name: str, schema: type[dy.Schema], days: Iterable[date] | None = None
) -> pl.LazyFrame:
    """The rows of some partitions of an answer (of a month: its first day), or of all, by key; the answer's columns.

    Args:
        database: its URL, or connections that are used again.
        name: of the answer.
        schema: of the answer.
        days: the partitions to read; all of them if None.
    """
    partition, *_ = schema.column_names()
    where = "true" if days is None else _within(partition, list(_stretches(days)))
    types = schema.create_empty().schema
    rows = scan_table(Connections.of(database), identifier(ANALYTICS, name), types, lambda _: where)
    return rows.sort(schema.primary_key())


def read_tables(url: str, sources: Iterable[Source], timezone: str) -> dict[str, pl.DataFrame]:
    """Every table of these sources, whole, by the source's name."""
    return {source.name: scan_source(url, source, timezone).collect() for source in sources}


def _stretches(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """The first and the last of each run of days without a gap."""
    numbered = enumerate(sorted(set(days)))
    for _, run in groupby(numbered, key=lambda item: item[1].toordinal() - item[0]):
        together = [day for _, day in run]
        yield together[0], together[-1]


def _within(column: str, stretches: Iterable[tuple[date, date]]) -> str:
    """A condition that holds on the days of some stretches; one that ends before it begins has none."""
    # As ranges: PostgreSQL plans a list of days in a time that grows with their square.
    ranges = [
        f"{identifier(column)} BETWEEN {literal(first.isoformat())} AND {literal(last.isoformat())}"
        for first, last in stretches
        if first <= last
    ]
    return " OR ".join(ranges) or "false"
