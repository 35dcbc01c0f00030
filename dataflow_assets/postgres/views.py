"""The views of the snapshot tables, which follow from the tables behind them.

Here: dropping them before a migration and making them again after it. Not here: the tables (see `schema`), and running
migrations (see `migrate`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from dataflow_assets.postgres.schema import LEDGER, WAREHOUSE
from dataflow_assets.postgres.sql import identifier, literal
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
    """Drop the views of the snapshot tables, and make them again of what the block leaves.

    A column that a view reads cannot be changed.
    """
    for source in _snapshot_tables(connection):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {identifier(WAREHOUSE, source)}")
    yield
    for source, columns in _snapshot_tables(connection).items():
        connection.exec_driver_sql(_view(source, columns))
        for comment in (
            connection.exec_driver_sql(_COMMENTS, {"view": source, "table": source + CURRENT}).scalars().all()
        ):
            connection.exec_driver_sql(comment.replace("%", "%%"))


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
