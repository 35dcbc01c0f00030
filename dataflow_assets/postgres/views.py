"""The views of the snapshot tables, and the functions of the event tables, which follow from the tables behind them.

`warehouse.streams_between(start, end)` gives the rows whose time is in a window, `start` included and `end` not. Only
`event_day` tells the server which of a table's days it need not look at, and to plan a query of thousands of days
takes seconds. The server puts the function's statement in the place of its call, so that conditions beside it use the
indexes of these days.

Here: dropping them before a migration and making them again after it. Not here: the tables (see `schema`), and running
migrations (see `migrate`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from dataflow_assets.postgres.schema import LEDGER, WAREHOUSE
from dataflow_assets.postgres.sql import identifier, literal
from dataflow_assets.sources import all_sources
from dataflow_assets.sources.base import Events
from dataflow_assets.sources.names import CURRENT

# Statements that give a view the comments of the table behind it, and of its columns.
_COMMENTS = f"""
    SELECT CASE objsubid
        WHEN 0 THEN format('COMMENT ON VIEW {WAREHOUSE}.%%I IS %%L', %(view)s, description)
        ELSE format('COMMENT ON COLUMN {WAREHOUSE}.%%I.%%I IS %%L', %(view)s, attname, description) END
    FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
    WHERE objoid = to_regclass(format('{WAREHOUSE}.%%I', %(table)s)) AND classoid = 'pg_class'::regclass"""  # noqa: S608


@contextmanager
def views_aside(connection: sa.Connection) -> Iterator[None]:
    """Drop the views and the functions, and make them again of what the block leaves.

    A column that a view reads cannot be changed, nor a table dropped whose rows a function returns.
    """
    for table in sa.inspect(connection).get_table_names(WAREHOUSE):
        connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {_between(table)}(timestamptz, timestamptz)")
    for source in _snapshot_tables(connection):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {identifier(WAREHOUSE, source)}")
    yield
    for source, columns in _snapshot_tables(connection).items():
        connection.exec_driver_sql(_view(source, columns))
        for comment in (
            connection.exec_driver_sql(_COMMENTS, {"view": source, "table": source + CURRENT}).scalars().all()
        ):
            connection.exec_driver_sql(comment.replace("%", "%%"))
    for events in _event_tables(connection):
        connection.exec_driver_sql(_function(events))


def _event_tables(connection: sa.Connection) -> list[Events]:
    """The event sources that the database has tables of."""
    tables = sa.inspect(connection).get_table_names(WAREHOUSE)
    return [source for source in all_sources() if isinstance(source, Events) and source.name in tables]


def _between(table: str) -> str:
    return identifier(WAREHOUSE, f"{table}_between")


def _function(source: Events) -> str:
    """The rows of a window: no zone is more than a day away from UTC, so that these days have all of them."""
    table, happened = identifier(WAREHOUSE, source.name), identifier(source.event_time)
    first, last = (
        f"(({bound} AT TIME ZONE 'UTC') {sign} interval '1 day')::date"
        for bound, sign in (('"start"', "-"), ('"end"', "+"))
    )
    return f"""
        CREATE FUNCTION {_between(source.name)}("start" timestamptz, "end" timestamptz) RETURNS SETOF {table}
        LANGUAGE sql STABLE AS $$
            SELECT * FROM {table} AS event WHERE event.event_day BETWEEN {first} AND {last}
            AND event.{happened} >= "start" AND event.{happened} < "end"
        $$"""  # noqa: S608


def _snapshot_tables(connection: sa.Connection) -> dict[str, list[str]]:
    """The snapshot sources that the database has tables of, by name, and the columns of the table behind the view."""
    inspector = sa.inspect(connection)
    tables = [table for table in inspector.get_table_names(WAREHOUSE) if table.endswith(CURRENT)]
    return {
        table.removesuffix(CURRENT): [column["name"] for column in inspector.get_columns(table, WAREHOUSE)]
        for table in tables
    }


def _view(source: str, columns: list[str]) -> str:
    """The table of a snapshot source as people query it: present keys were last seen on the newest day."""
    newest = f"SELECT newest_day FROM {identifier(LEDGER, 'snapshots')} WHERE source = {literal(source)}"  # noqa: S608
    shown_as = {"last_seen": f"coalesce(last_seen, ({newest})) AS last_seen"}
    selected = ", ".join(shown_as.get(column, identifier(column)) for column in columns)
    view, table = identifier(WAREHOUSE, source), identifier(WAREHOUSE, source + CURRENT)
    return f"CREATE VIEW {view} AS SELECT {selected} FROM {table}"  # noqa: S608
