"""What can be read as rows: the tables of sources, the answers, and two tables of the ledger.

Here: a description of each, with its columns and the order in which an index gives its rows; all of it follows from the
declarations. Not here: SQL statements (see `statements`), and rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.analytics import Answer
from dataflow_assets.ledger.delivery_reports import deliveries_with_dumps
from dataflow_assets.ledger.tables import rejects
from dataflow_assets.postgres.schema import (
    ANALYTICS,
    LEDGER,
    WAREHOUSE,
    build_metadata,
    current_table,
    history_table,
    tables_of,
)
from dataflow_assets.postgres.sql import identifier
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.changes import Changes

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_PLATFORM_TYPES: Mapping[type[sa.types.TypeEngine[Any]], pl.DataType] = {
    sa.BigInteger: pl.Int64(),
    sa.Date: pl.Date(),
    sa.DateTime: pl.Datetime("us", "UTC"),
    sa.Uuid: pl.String(),
    sa.Text: pl.String(),
    sa.String: pl.String(),
}
_DELETED = "deleted_at"  # of a table of changes, whose deleted keys are not served: it would be null in every row
PLACE = "ctid"  # where a row lies, which tells rows apart in a table without a key


@dataclass(frozen=True)
class Column:
    """A column as readers see it.

    `dtype` is the type of its values in a frame, None where they are JSON of no declared shape. `sql_type` is its type
    in PostgreSQL.
    """

    name: str
    sql_type: str
    dtype: pl.DataType | None
    is_nullable: bool = False
    description: str = ""

    @property
    def is_json(self) -> bool:
        """Whether its values are lists, objects or any JSON: they can be neither compared nor ordered."""
        return self.dtype is None or self.dtype.is_nested()

    @property
    def is_decimal(self) -> bool:
        """Whether its values are decimal numbers, whose digits are exact."""
        return isinstance(self.dtype, pl.Decimal)

    @property
    def is_text_in_batches(self) -> bool:
        """Whether the database is asked for its text, as it has a type that Arrow lacks."""
        return self.is_json or self.is_decimal or self.sql_type == "UUID"


@dataclass(frozen=True, kw_only=True)
class Relation:
    """Rows that can be read under one name.

    - `kind`: events, snapshot, changes, history, answer or ledger.
    - `of`: the declaration that it follows from; None of the ledger's.
    - `sources`: those that a reader must be allowed to read. `source_column`: where rows of all sources stand in one
      table, the column that names each row's.
    - `table`: SQL of what is selected from, as `t`. `condition`: SQL that holds for every row that is served.
    - `columns`: all that may be asked for; `shown`: those that come when none are named.
    - `order`: the columns by which rows come in pages; together they tell any two rows apart.
    - `day`: the column that says in which partition a row is, if one does; `time`: the one from which that follows.
    """

    name: str
    kind: str
    of: Source | Answer | None = None
    description: str
    sources: tuple[str, ...] = ()
    source_column: str | None = None
    table: str
    condition: str = "true"
    columns: Mapping[str, Column]
    shown: tuple[str, ...]
    order: tuple[str, ...]
    day: str | None = None
    time: str | None = None


def source_relations(source: Source) -> list[Relation]:
    """The table of a source, and of snapshots and changes that of their history, as `<source>_history`."""
    tables = {table.name: _columns(table, source.schema) for table in tables_of(source)}
    if isinstance(source, Events):
        return [_events(source, tables[source.name])]
    return [_latest(source, tables[current_table(source)]), _history(source, tables[history_table(source)])]


def _events(source: Events, columns: Mapping[str, Column]) -> Relation:
    return Relation(
        name=source.name,
        kind="events",
        of=source,
        description=source.description,
        sources=(source.name,),
        table=identifier(WAREHOUSE, source.name),
        columns=columns,
        shown=tuple(source.schema.column_names()),
        order=("event_day", "id"),
        day="event_day",
        time=source.event_time,
    )


def _latest(source: Source, columns: Mapping[str, Column]) -> Relation:
    are_changes, about = isinstance(source, Changes), source.description
    if are_changes:
        about = f"{about} Keys that were deleted are left out; their values are in {history_table(source)}."
        columns = {name: column for name, column in columns.items() if name != _DELETED}
    return Relation(
        name=source.name,
        kind="changes" if are_changes else "snapshot",
        of=source,
        description=about,
        sources=(source.name,),
        table=identifier(WAREHOUSE, source.name),
        condition=f"t.{_DELETED} IS NULL" if are_changes else "true",
        columns=columns,
        shown=tuple(source.schema.column_names()),
        order=("id",),
    )


def _history(source: Source, columns: Mapping[str, Column]) -> Relation:
    return Relation(
        name=history_table(source),
        kind="history",
        of=source,
        description=f"{source.description} Every value that a key ever had, and from when to when.",
        sources=(source.name,),
        table=identifier(WAREHOUSE, history_table(source)),
        columns=columns,
        shown=("valid_from", "valid_to", *source.schema.column_names()),
        order=("id", "valid_from"),
    )


def answer_relation(answer: Answer) -> Relation:
    """The table of an answer, by partition and key."""
    [table] = build_metadata([], {answer.name: answer.schema}).tables.values()
    key = [name for name in answer.schema.primary_key() if name != answer.grain]
    return Relation(
        name=answer.name,
        kind="answer",
        of=answer,
        description=answer.description,
        sources=answer.reads,
        table=identifier(ANALYTICS, answer.name),
        columns=_columns(table, answer.schema),
        shown=tuple(answer.schema.column_names()),
        order=(answer.grain, *key, PLACE),
        day=answer.grain,
    )


def ledger_relations() -> list[Relation]:
    """What became of every version of every landed object, and the rows that were rejected."""
    reported = deliveries_with_dumps.subquery("reported")
    statement = deliveries_with_dumps.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
    return [
        Relation(
            name="deliveries",
            kind="ledger",
            description="What became of every version of every landed object.",
            source_column="source",
            table=f"({statement})",
            columns=_columns(reported),
            shown=tuple(reported.columns.keys()),
            order=("delivery", "lake_version"),
        ),
        Relation(
            name="rejects",
            kind="ledger",
            description="Every rejected row: its text, where it stood and why it was rejected.",
            source_column="source",
            table=identifier(LEDGER, rejects.name),
            columns=_columns(rejects),
            shown=tuple(rejects.columns.keys()),
            order=(PLACE,),
        ),
    ]


def _columns(table: sa.FromClause, schema: type[dy.Schema] | None = None) -> dict[str, Column]:
    declared = schema.columns() if schema else {}
    return {column.name: _column(column, declared.get(column.name)) for column in table.columns}


def _column(column: sa.ColumnElement[Any], declared: dy.Column | None) -> Column:
    assert column.name
    described = getattr(column, "comment", None) or ""
    return Column(
        name=column.name,
        sql_type=column.type.compile(_DIALECT),
        dtype=declared.dtype if declared else _PLATFORM_TYPES.get(type(column.type)),
        is_nullable=bool(getattr(column, "nullable", True)),
        description=(declared.description or "") if declared else described,
    )
