"""Making a table from the columns of a frame, and adding the columns that it lacks.

Here: looking at a table's columns, comparing, and the statements that make or extend one. Not here: the tables of
declared sources, which migrations make (see `schema`, `schema_check`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from dataflow_assets.errors import SchemaMismatchError
from dataflow_assets.postgres.connection import Connection, transaction
from dataflow_assets.postgres.locks import advisory_lock, with_lock_retries
from dataflow_assets.postgres.sql import column_list, ensure_schema, execute, identifier
from dataflow_assets.postgres.types import column_type, fits

_COLUMNS = """
    SELECT attname::text, format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef
    FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""


@dataclass(frozen=True)
class Column:
    """A column of a table: its type as `format_type` names it, and whether a row must say a value of it."""

    type: str
    is_required: bool = False


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What rows ask of a table.

    Args:
        schema, table: its name.
        dtypes: the columns of the rows.
        declared: the columns that the table has anyway, in types of their own.
        required: the columns of which a table that is made refuses nulls.
        slice_columns: those by which a slice is found.
        key: those that identify a row within its slice.
    """

    schema: str
    table: str
    dtypes: pl.Schema
    declared: pl.Schema
    required: frozenset[str] = frozenset()
    slice_columns: Sequence[str] = ()
    key: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The table's name as a user knows it."""
        return f"{self.schema}.{self.table}"

    @property
    def quoted(self) -> str:
        """The table's name for SQL."""
        return identifier(self.schema, self.table)


def table_columns(connection: Connection, schema: str, table: str) -> dict[str, Column]:
    """The columns of a table or view by name, in their order; none where there is no such table."""
    found = execute(connection, _COLUMNS, identifier(schema, table))
    return {name: Column(type_name, is_required) for name, type_name, is_required in found}


def ensure_table(connection: Connection, wanted: Wanted, *, may_change: bool) -> dict[str, Column]:
    """Make the table, or add the columns that it lacks; its columns then.

    Args:
        connection: where; done is done when this returns, before any row is written.
        wanted: what the rows ask of it.
        may_change: whether a table that is there may differ from the rows: a column more is added, nullable; of one
            that the rows lack, theirs are null.

    Raises:
        SchemaMismatchError: the table does not take the rows; it names every column that is wrong. Nothing was changed.
        LockTimeoutError: a column was to be added while others kept the table.
    """
    with transaction(connection):
        held = table_columns(connection, wanted.schema, wanted.table)
        if not held:
            advisory_lock(connection, "table", wanted.schema, wanted.table)
            if not (held := table_columns(connection, wanted.schema, wanted.table)):
                _create(connection, wanted)
                held, may_change = table_columns(connection, wanted.schema, wanted.table), True
        if added := _compare(wanted, held, may_change=may_change):
            adding = ", ".join(f"ADD COLUMN IF NOT EXISTS {definition}" for definition in added)
            with_lock_retries(connection, wanted.name, [f"ALTER TABLE {wanted.quoted} {adding}"])
            held = table_columns(connection, wanted.schema, wanted.table)
        return held


def _create(connection: Connection, wanted: Wanted) -> None:
    columns = {**wanted.dtypes, **wanted.declared}
    if unknown := [name for name, dtype in columns.items() if dtype == pl.Null]:
        raise SchemaMismatchError(
            f"{wanted.name} is to be made, and the columns {', '.join(unknown)} hold nulls alone: cast them to their "
            "types."
        )
    definitions = [
        f"{identifier(name)} {column_type(name, dtype)}{' NOT NULL' if name in wanted.required else ''}"
        for name, dtype in columns.items()
    ]
    ensure_schema(connection, wanted.schema)
    execute(connection, f"CREATE TABLE {wanted.quoted} ({', '.join(definitions)})")
    # It has no primary key, and a slice is deleted: were it in a publication, the server would refuse that.
    execute(connection, f"ALTER TABLE {wanted.quoted} REPLICA IDENTITY FULL")
    if indexed := list(dict.fromkeys([*wanted.slice_columns, *wanted.key])):
        kind = "UNIQUE INDEX" if wanted.key else "INDEX"
        execute(connection, f"CREATE {kind} ON {wanted.quoted} ({column_list(indexed)})")


def _compare(wanted: Wanted, held: Mapping[str, Column], *, may_change: bool) -> list[str]:
    """The definitions of the columns that a table lacks.

    Raises:
        SchemaMismatchError: the table does not take the rows.
    """
    wrong = [
        f"{name} is {dtype}, in the table {held[name].type}"
        for name, dtype in wanted.dtypes.items()
        if name in held and not fits(name, dtype, held[name].type)
    ]
    missing = [name for name, column in held.items() if name not in wanted.dtypes]
    wrong += [f"{name} is missing, and must not be null" for name in missing if held[name].is_required]
    columns = {**wanted.dtypes, **wanted.declared}
    added = {name: dtype for name, dtype in columns.items() if name not in held and dtype != pl.Null}
    if not may_change:
        wrong += [f"{name} is missing" for name in missing if not held[name].is_required]
        wrong += [f"{name} is not a column of the table" for name in columns if name not in held]
    if wrong:
        raise SchemaMismatchError(
            f"The rows do not fit {wanted.name}: {'; '.join(wrong)}. Nothing was written: cast the columns, or "
            "change the table."
        )
    return [f"{identifier(name)} {column_type(name, dtype)}" for name, dtype in added.items()]
