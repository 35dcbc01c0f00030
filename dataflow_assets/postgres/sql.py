"""Statements: names and values in SQL, and running one.

Here: quoting, and small results as tuples. Not here: what the statements say, and results read by COPY (see `copy`).
"""

from collections.abc import Sequence
from typing import Any

from dataflow_assets.postgres.connection import Connection

WITHOUT_COPY = {"adbc.postgresql.use_copy": "false"}  # the driver's own way of reading, which not every statement takes


def identifier(*names: str) -> str:
    """A name, or a dotted one, quoted for SQL."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(value: str) -> str:
    """A text as an SQL literal, for statements that take no parameters."""
    return "'" + value.replace("'", "''") + "'"


def column_list(names: Sequence[str]) -> str:
    """Quoted names, separated by commas."""
    return ", ".join(identifier(name) for name in names)


def execute(connection: Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run one statement; its rows, if it gives any. Parameters stand as $1, $2, …"""
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**WITHOUT_COPY)
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def change(connection: Connection, statement: str) -> int:
    """Run one statement that changes rows; how many."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount


def has_table(connection: Connection, table: str) -> bool:
    """Whether there is a table of that quoted name."""
    return bool(execute(connection, "SELECT 1 WHERE to_regclass($1) IS NOT NULL", table))
