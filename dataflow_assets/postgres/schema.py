"""The tables that people query, described from the declarations of sources and answers.

Here: SQLAlchemy metadata, and nothing that connects. Not here: the tables that hold one day of events (each load makes
its own, see `warehouse.events`), the platform's own records (see `ledger.tables`), and Dagster's tables.

Schemas: `warehouse` holds what people query, `warehouse_days` the days of event tables, `analytics` the answers,
`ledger` the platform's own records, and `serving` who may use the API.
"""

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.sources.base import Events, Snapshot, Source
from dataflow_assets.sources.changes import Changes
from dataflow_assets.sources.names import CURRENT, HISTORY

WAREHOUSE = "warehouse"
DAYS = "warehouse_days"
ANALYTICS = "analytics"
LEDGER = "ledger"
SERVING = "serving"
SCHEMAS = (WAREHOUSE, DAYS, ANALYTICS, LEDGER, SERVING)


def build_metadata(sources: Sequence[Source], answers: Mapping[str, type[dy.Schema]]) -> sa.MetaData:
    """Describe the tables of all sources and of all answers (name to schema)."""
    metadata = sa.MetaData()
    for source in sources:
        _source_tables(metadata, source)
    for name, schema in answers.items():
        _answer_table(metadata, name, schema)
    return metadata


def tables_of(source: Source) -> list[sa.Table]:
    """Describe the tables of one source."""
    metadata = sa.MetaData()
    _source_tables(metadata, source)
    return list(metadata.tables.values())


def _source_tables(metadata: sa.MetaData, source: Source) -> None:
    if isinstance(source, Events):
        _event_table(metadata, source)
    elif isinstance(source, Snapshot):
        _snapshot_tables(metadata, source)
    elif isinstance(source, Changes):
        _changes_tables(metadata, source)


def _columns(schema: type[dy.Schema], may_be_null: Collection[str] = ()) -> list[sa.Column[Any]]:
    # Without the schema's primary key: an index row cannot hold every text.
    return [
        sa.Column(name, _type(column), nullable=column.nullable or name in may_be_null, comment=column.description)
        for name, column in schema.columns().items()
    ]


def _type(column: dy.Column) -> sa.types.TypeEngine[Any]:
    """The type of PostgreSQL that holds every value of a column."""
    match column.dtype:
        case pl.List() | pl.Struct():
            return postgresql.JSONB()
        case pl.String() | pl.Enum():
            return sa.String()  # of any length: a CHAR adds spaces, and a schema counts bytes
        case pl.Int64():
            return sa.BigInteger()
        case pl.Decimal() as dtype:
            return sa.Numeric(dtype.precision, dtype.scale)
    return column.sqlalchemy_dtype(postgresql.dialect())  # type: ignore[no-untyped-call]


def _id(*, primary_key: bool) -> sa.Column[Any]:
    return sa.Column("id", sa.Uuid(), primary_key=primary_key, nullable=False, comment="hash of the source's key")


def _delivery() -> sa.Column[Any]:
    return sa.Column("delivery", sa.BigInteger(), nullable=False, comment="the delivery that gave these values")


def _event_table(metadata: sa.MetaData, source: Events) -> None:
    # The primary key is on each day's own table: on this one it would have to hold event_day too.
    sa.Table(
        source.name,
        metadata,
        _id(primary_key=False),
        sa.Column("event_day", sa.Date(), nullable=False, comment="the day, in the business time zone"),
        *_columns(source.schema),
        _delivery(),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="the row's number in the delivered object"),
        *(sa.Index(source.index_name(name), name, postgresql_using=how) for name, how in index_methods(source).items()),
        schema=WAREHOUSE,
        comment=source.description,
        postgresql_partition_by="LIST (event_day)",
    )


def index_methods(source: Events) -> dict[str, str]:
    """How each declared index of an event table is kept, by its column: of texts, which may be long, by their hash."""
    columns = source.schema.columns()
    return {name: "hash" if isinstance(_type(columns[name]), sa.String) else "btree" for name in source.indexes}


def _answer_table(metadata: sa.MetaData, name: str, schema: type[dy.Schema]) -> None:
    # It needs no key, for a partition is only ever replaced whole.
    partition = schema.column_names()[0]
    index = sa.Index(f"{name}_by_{partition}", partition)
    sa.Table(name, metadata, *_columns(schema), index, schema=ANALYTICS, comment=inspect.getdoc(schema))


def current_table(source: Source) -> str:
    """The table behind the view that people query: one row per key ever seen."""
    return source.name + CURRENT


def history_table(source: Source) -> str:
    """The table with one row per key and run of equal values."""
    return source.name + HISTORY


def _snapshot_tables(metadata: sa.MetaData, source: Snapshot) -> None:
    sa.Table(
        current_table(source),
        metadata,
        _id(primary_key=True),
        *_columns(source.schema),
        _delivery(),
        sa.Column("first_seen", sa.Date(), nullable=False, comment="first delivery day with the key"),
        sa.Column(
            "last_seen",
            sa.Date(),
            comment="last delivery day with the key; behind the view null while the newest dump has it",
        ),
        sa.Column("missing_since", sa.Date(), comment="the first delivery day after last_seen"),
        schema=WAREHOUSE,
        comment=f"{source.description} One row for each key, with its latest values.",
    )
    sa.Table(
        history_table(source),
        metadata,
        _id(primary_key=True),
        sa.Column("valid_from", sa.Date(), primary_key=True, comment="first delivery day with these values"),
        sa.Column("valid_to", sa.Date(), comment="null while these are the latest values"),
        *_columns(source.schema),
        _delivery(),
        schema=WAREHOUSE,
        comment=f"{source.description} One row for each key and run of equal values.",
    )


def _changes_tables(metadata: sa.MetaData, source: Changes) -> None:
    # When something changed is what the source orders its changes by: the day of delivery, or a column's value.
    moment = sa.Date() if source.ordered_by is None else _type(source.schema.columns()[source.ordered_by])
    sa.Table(
        current_table(source),
        metadata,
        _id(primary_key=True),
        *_columns(source.schema, source.left_out_by_deletes),  # of a key of which nothing but a delete came
        _delivery(),
        sa.Column("deleted_at", moment, comment="null while the key is there"),
        schema=WAREHOUSE,
        comment=f"{source.description} One row for each key, with its latest values.",
    )
    sa.Table(
        history_table(source),
        metadata,
        _id(primary_key=True),
        sa.Column("valid_from", moment, primary_key=True, autoincrement=False, comment="when these values began"),
        sa.Column("valid_to", moment, comment="null while these are the latest values"),
        *_columns(source.schema),
        _delivery(),
        schema=WAREHOUSE,
        comment=f"{source.description} One row for each key and run of equal values.",
    )
