"""Making rows of a table equal to a frame by writing only those that differ.

Here: the statements. Not here: what the rows are (see `derive`).
"""

from collections.abc import Sequence

import polars as pl

from dataflow_assets.postgres.arrow import in_batches
from dataflow_assets.postgres.connection import Connection
from dataflow_assets.postgres.copy import copy_in
from dataflow_assets.postgres.schema import WAREHOUSE
from dataflow_assets.postgres.sql import change, column_list, execute, identifier


def merge_scope(connection: Connection, table_name: str, rows: pl.DataFrame, key: Sequence[str], scope: str) -> int:
    """Make some rows of a table of the warehouse equal to a frame; the number of rows inserted, updated or deleted.

    Args:
        connection: where, inside a transaction.
        table_name: the table, in the schema `warehouse`.
        rows: what these rows are to be; `id` may be UInt128.
        key: the columns that tell its rows apart.
        scope: which rows of the table these are, in SQL over `old`.
    """
    table, draft = identifier(WAREHOUSE, table_name), identifier(f"draft_{table_name}")
    matches = " AND ".join(f"old.{identifier(part)} = new.{identifier(part)}" for part in key)
    execute(connection, f"CREATE TEMPORARY TABLE {draft} (LIKE {table}) ON COMMIT DROP")
    copy_in(connection, None, f"draft_{table_name}", in_batches(rows))
    execute(connection, f"ANALYZE {draft}")
    gone = f"NOT EXISTS (SELECT FROM {draft} AS new WHERE {matches})"
    changed = change(connection, f"DELETE FROM {table} AS old WHERE {scope} AND {gone}")  # noqa: S608
    changed += change(connection, _merge_statement(table, draft, rows.columns, key, matches))
    execute(connection, f"DROP TABLE {draft}")
    return changed


def _merge_statement(table: str, draft: str, columns: Sequence[str], key: Sequence[str], matches: str) -> str:
    """Update the rows that differ, and insert those that are not there."""
    others = [column for column in columns if column not in key]
    old, new = (", ".join(f"{side}.{identifier(column)}" for column in others) for side in ("old", "new"))
    return f"""
        MERGE INTO {table} AS old USING {draft} AS new ON {matches}
        WHEN MATCHED AND ({old}) IS DISTINCT FROM ({new})
            THEN UPDATE SET ({column_list(others)}) = ({new})
        WHEN NOT MATCHED
            THEN INSERT ({column_list(columns)})
                VALUES ({", ".join(f"new.{identifier(column)}" for column in columns)})"""  # noqa: S608
