"""Statements that SQLAlchemy composes, run over the connection that also copies rows, or over a brief one.

Here: compiling them to PostgreSQL, and the two ways in which rows get into a table by a
statement. Not here: what the statements say (see `ledger`), and SQL that is written as text (see `connection`).

A statement is a constant of its module, with a `bindparam` for every value: it is compiled once.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.compiler import SQLCompiler

from dataflow_assets.postgres.sql import execute

if TYPE_CHECKING:
    from psycopg2 import extensions

    from dataflow_assets.postgres.connection import Connection

_DIALECT = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_BRIEF_DIALECT = postgresql.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]
_ROWS = "rows"  # the parameter that holds rows as JSON


def run(connection: "Connection", statement: sa.Executable, **parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement; its rows, if it gives any.

    Dates, instants and lists are sent as such. A value of JSONB comes back as text.

    Raises:
        sqlalchemy.exc.InvalidRequestError: a parameter has no value.
    """
    compiled, text = _compile(statement, _DIALECT)
    values = compiled.construct_params(parameters) or {}
    return execute(connection, text, *(values[name] for name in compiled.positiontup or ()))


def run_briefly(
    connection: "extensions.connection", statement: sa.Executable, **parameters: object
) -> list[tuple[Any, ...]]:
    """The same over a brief connection (see `brief`), of which a value of JSONB comes back parsed."""
    compiled, text = _compile(statement, _BRIEF_DIALECT)
    with connection.cursor() as cursor:
        cursor.execute(text, compiled.construct_params(parameters))
        return cursor.fetchall() if cursor.description else []


def write_rows(connection: "Connection", statement: sa.Executable, rows: Iterable[Mapping[str, object]]) -> None:
    """Run a statement made by `insert_rows` or `upsert_rows`, with these rows by the names of the columns."""
    run(connection, statement, rows=as_json(rows))


def insert_rows(table: sa.Table) -> postgresql.Insert:
    """A statement that adds rows to a table; a row names every column."""
    given = rows_from_json(table.columns)
    return postgresql.insert(table).from_select(table.columns.keys(), sa.select(*given.columns))


def upsert_rows(table: sa.Table) -> postgresql.Insert:
    """A statement that puts rows in place of those with equal primary keys, or adds them; a row names every column."""
    statement = insert_rows(table)
    others = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)


def rows_from_json(columns: Iterable[sa.ColumnElement[Any]]) -> sa.TableValuedAlias:
    """The rows that the parameter `rows` holds (see `as_json`), as a table with columns of these names and types."""
    # PostgreSQL expects 100 rows of it and looks them up by an index; of arrays it would expect more, and scan.
    text = sa.cast(sa.bindparam(_ROWS, type_=sa.Text()), postgresql.JSON())
    typed = [sa.column(column.key or "", column.type) for column in columns]
    return sa.func.json_to_recordset(text).table_valued(*typed).render_derived(name="given", with_types=True)


def as_json(rows: Iterable[Mapping[str, object]]) -> str:
    """Rows as PostgreSQL reads them from JSON; days and instants in ISO 8601.

    Raises:
        TypeError: a value is of a type that JSON does not have.
    """
    return json.dumps(list(rows), default=_iso)


def _iso(value: object) -> str:
    if isinstance(value, date):  # or a datetime, which is one
        return value.isoformat()
    raise TypeError(f"a value of the type {type(value).__name__} cannot be sent as JSON")


@lru_cache(maxsize=256)
def _compile(statement: sa.Executable, dialect: sa.Dialect) -> tuple[SQLCompiler, str]:
    assert isinstance(statement, sa.ClauseElement)
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    return compiled, str(compiled)
