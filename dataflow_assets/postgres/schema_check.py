"""Whether the tables of a source have the columns that its declaration describes.

Here: looking before anything is copied, and what a missing value means to a user. Not here: changing tables (see
`migrate`), and the description of them (see `schema`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.errors import SchemaMismatchError, WarehouseMismatchError
from dataflow_assets.postgres.connection import AdbcError, Connection
from dataflow_assets.postgres.schema import tables_of
from dataflow_assets.postgres.sql import execute, identifier, literal
from dataflow_assets.sources.base import Source

_NO_VALUE = "23502"


def require_columns(connection: Connection, source: Source) -> None:
    """Check the columns of a source's tables; a column more is no harm as long as it may be null.

    Raises:
        WarehouseMismatchError: naming table, columns and types; nothing was copied.
    """
    if problems := [problem for (problem,) in execute(connection, _comparison(source))]:
        raise WarehouseMismatchError(
            f"The tables of {source.name} are not as its declaration says: {'; '.join(problems)}. Nothing was loaded: "
            "run `dataflow init-db`, after `alembic revision --autogenerate` if the declaration has changed; what "
            "somebody altered by hand must be altered back."
        )


@contextmanager
def explain_missing_values(what: str) -> Iterator[None]:
    """Say what it means that a declared column has no value in rows of the lake.

    Raises:
        SchemaMismatchError: naming the column.
    """
    try:
        yield
    except AdbcError as error:
        if error.sqlstate != _NO_VALUE:
            raise
        reason = str(error).partition("ERROR:  ")[2].partition("\n")[0]
        raise SchemaMismatchError(
            f"{what}: rows in the lake lack a value that the declaration requires ({reason}). They were read before "
            "it did: load their files again, or declare the column as nullable. Nothing was changed."
        ) from None


@cache
def _comparison(source: Source) -> str:
    """A statement whose rows say what is wrong with the tables of a source."""
    return " UNION ".join(map(_comparison_of, tables_of(source))) + " ORDER BY 1"


def _comparison_of(table: sa.Table) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    described = ", ".join(
        f"({literal(column.name)}, {literal(column.type.compile(dialect))}, {column.nullable})"
        for column in table.columns
    )
    table_id = f"to_regclass({literal(identifier(str(table.schema), table.name))})"
    return f"""
        SELECT concat({literal(f"{table.schema}.{table.name}")}, CASE
            WHEN {table_id} IS NULL THEN ' does not exist'
            WHEN attname IS NULL THEN format(' has no column %s', name)
            WHEN name IS NULL THEN format(' requires a column %s, which is not declared', attname)
            WHEN atttypid <> to_regtype(type) THEN
                format(' has the column %s as %s, declared %s', name, atttypid::regtype, to_regtype(type))
            ELSE format(' requires a value of %s, which is declared nullable', name) END)
        FROM (VALUES {described}) AS declared (name, type, may_be_null)
        FULL JOIN (
            SELECT attname, atttypid, attnotnull FROM pg_attribute
            WHERE attrelid = {table_id} AND attnum > 0 AND NOT attisdropped) AS existing ON attname::text = name
        WHERE attname IS NULL OR (name IS NULL AND attnotnull)
            OR atttypid <> to_regtype(type) OR (may_be_null AND attnotnull)"""  # noqa: S608
