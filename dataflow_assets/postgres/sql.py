"""Statements: names and values in SQL, and running one.

Here: quoting, and small results as tuples. Not here: what the statements say, and results read by COPY (see `copy`).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def value_literal(value: date | datetime | str | int | bool) -> str:
    """A value of Python as an SQL literal of its type; an instant, which has a zone, in UTC."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return literal(value)
        case datetime():
            is_local = value.tzinfo is None
            return f"timestamp {literal(value.isoformat())}" if is_local else _instant_literal(value)
    return f"date {literal(value.isoformat())}"


def _instant_literal(value: datetime) -> str:
    return f"timestamptz {literal(value.astimezone(UTC).isoformat())}"


def execute(connection: "Connection", statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run one statement; its rows, if it gives any. Parameters stand as $1, $2, …"""
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**WITHOUT_COPY)
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def change(connection: "Connection", statement: str) -> int:
    """Run one statement that changes rows; how many."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount


def has_table(connection: "Connection", table: str) -> bool:
    """Whether there is a table of that quoted name."""
    return bool(execute(connection, "SELECT 1 WHERE to_regclass($1) IS NOT NULL", table))


def ensure_schema(connection: "Connection", schema: str) -> None:
    """Make a schema where there is none; who may not make one may use one that is there."""
    if not execute(connection, "SELECT 1 WHERE to_regnamespace($1) IS NOT NULL", identifier(schema)):
        execute(connection, f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
