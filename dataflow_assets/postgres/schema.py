"""The description of every table in the database, made from the declarations.

Here: SQLAlchemy metadata, and nothing that connects. Not here: the tables that hold one day of events
(the loader makes those, see `event_days`) and Dagster's own tables.

Schemas: `warehouse` holds what people query, `warehouse_days` the days of event tables, `analytics` the answers, and
`ledger` the platform's own records.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dataframely as dy
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dataflow_assets.sources.base import Events, Snapshot, Source

WAREHOUSE = "warehouse"
DAYS = "warehouse_days"
ANALYTICS = "analytics"
LEDGER = "ledger"
SCHEMAS = (WAREHOUSE, DAYS, ANALYTICS, LEDGER)


def build_metadata(sources: Sequence[Source], answers: Mapping[str, type[dy.Schema]]) -> sa.MetaData:
    """Describe the tables of all sources, of all answers (name to schema), and the loader's records."""
    metadata = sa.MetaData()
    for source in sources:
        _source_tables(metadata, source)
    for name, schema in answers.items():
        _answer_table(metadata, name, schema)
    _identity_table(metadata)
    _delivery_tables(metadata)
    _loaded_tables(metadata)
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


def _columns(schema: type[dy.Schema]) -> list[sa.Column[Any]]:
    # Without the schema's primary key: an index row cannot hold every text.
    return [sa.Column(name, _type(column), nullable=column.nullable) for name, column in schema.columns().items()]


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
        schema=WAREHOUSE,
        postgresql_partition_by="LIST (event_day)",
    )


def _answer_table(metadata: sa.MetaData, name: str, schema: type[dy.Schema]) -> None:
    # It needs no key, for a partition is only ever replaced whole.
    partition = schema.column_names()[0]
    index = sa.Index(f"{name}_by_{partition}", partition)
    sa.Table(name, metadata, *_columns(schema), index, schema=ANALYTICS)


CURRENT = "_current"


def current_table(source: Snapshot) -> str:
    """The table behind the view that people query: one row per key ever seen."""
    return source.name + CURRENT


def history_table(source: Snapshot) -> str:
    """The table with one row per key and run of equal values."""
    return f"{source.name}_history"


def _snapshot_tables(metadata: sa.MetaData, source: Snapshot) -> None:
    sa.Table(
        current_table(source),
        metadata,
        _id(primary_key=True),
        *_columns(source.schema),
        _delivery(),
        sa.Column("first_seen", sa.Date(), nullable=False),
        sa.Column("last_seen", sa.Date(), comment="null while the key is present in the newest dump"),
        sa.Column("missing_since", sa.Date(), comment="the first delivery day after last_seen"),
        schema=WAREHOUSE,
    )
    sa.Table(
        history_table(source),
        metadata,
        _id(primary_key=True),
        sa.Column("valid_from", sa.Date(), primary_key=True),
        sa.Column("valid_to", sa.Date(), comment="null while these are the latest values"),
        *_columns(source.schema),
        _delivery(),
        schema=WAREHOUSE,
    )


def _names(column: str, comment: str) -> sa.Column[Any]:
    return sa.Column(column, postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}", comment=comment)


def _identity_table(metadata: sa.MetaData) -> None:
    """What holds for the whole warehouse."""
    sa.Table(
        "identity",
        metadata,
        sa.Column("only", sa.Boolean(), primary_key=True, server_default=sa.true()),
        sa.Column("timezone", sa.Text(), nullable=False, comment="the business time zone that cut the days"),
        schema=LEDGER,
    )


def _delivery_tables(metadata: sa.MetaData) -> None:
    """What landed, and what became of it."""
    sa.Table(
        "deliveries",
        metadata,
        sa.Column("delivery", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("lake_version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), comment="what S3 calls it, where the bucket keeps versions"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="accepted, rejected as a whole, or superseded"),
        sa.Column("refusal", sa.Text(), comment="why the object was rejected as a whole"),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column(
            "event_days",
            postgresql.ARRAY(sa.Date()),
            nullable=False,
            server_default="{}",
            comment="the days, in the business time zone, that this version touches",
        ),
        sa.Column(
            "repaired",
            postgresql.JSONB(),
            nullable=False,
            server_default="{}",
            comment="counts of repaired rows, by name",
        ),
        _names("undeclared_columns", "columns of the file that are not declared"),
        _names("missing_columns", "declared columns that the file does not have"),
        sa.Column("quarantine_reason", sa.Text(), comment="why its present version is quarantined"),
        schema=LEDGER,
    )
    sa.Table(
        "rejects",
        metadata,
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("delivery", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), comment="null where the reader does not know it"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False, comment="the row as delivered; a NUL is shown as ␀"),
        sa.Column("run", sa.Text(), comment="the run that took the delivery in"),
        sa.Index("rejects_by_delivery", "delivery"),
        schema=LEDGER,
    )
    sa.Table(
        "dumps",
        metadata,
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="rows of the day in the lake"),
        sa.Column("is_released", sa.Boolean(), nullable=False, comment="whether somebody released it"),
        sa.Column("quarantine_reason", sa.Text(), comment="why it is quarantined; null where it is complete"),
        schema=LEDGER,
    )
    sa.Table(
        "strays",
        metadata,
        sa.Column("stray", sa.BigInteger(), primary_key=True, autoincrement=False, comment="small key of the object"),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        schema=LEDGER,
    )


def _loaded_tables(metadata: sa.MetaData) -> None:
    """What the tables of the sources and answers were made from."""
    sa.Table(
        "event_days",
        metadata,
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("event_day", sa.Date(), primary_key=True),
        sa.Column("lake_version", sa.BigInteger(), nullable=False),
        sa.Column("declaration", sa.Text(), nullable=False, comment="hash of the source's declaration"),
        sa.Column("accepted", sa.BigInteger(), nullable=False, comment="rows of the day in the lake"),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="rows in the table"),
        sa.Column("superseded", sa.BigInteger(), nullable=False, comment="rows whose key another row has, later"),
        schema=LEDGER,
    )
    sa.Table(
        "snapshots",
        metadata,
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("lake_version", sa.BigInteger(), nullable=False),
        sa.Column("newest_day", sa.Date(), comment="newest delivery day that is complete"),
        sa.Column(
            "declaration", sa.Text(), nullable=False, server_default="", comment="hash of the source's declaration"
        ),
        sa.Column(
            "changed_version",
            sa.BigInteger(),
            nullable=False,
            server_default="-1",
            comment="the lake_version by which a row was last written",
        ),
        schema=LEDGER,
    )
    sa.Table(
        "answers",
        metadata,
        sa.Column("answer", sa.Text(), primary_key=True),
        sa.Column("partition", sa.Date(), primary_key=True, comment="the day, or the first day of the month"),
        sa.Column("made_from", postgresql.JSONB(), nullable=False, comment="by source, the version that was read"),
        schema=LEDGER,
    )
