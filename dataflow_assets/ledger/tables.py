"""The tables of the ledger.

Here: SQLAlchemy's description of each, from which statements and migrations are composed. Not here: statements, and the
tables that people query (see `postgres.schema`).
"""

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from dataflow_assets.postgres.schema import LEDGER

METADATA = sa.MetaData(schema=LEDGER)

identity = sa.Table(
    "identity",
    METADATA,
    Column("only", Boolean(), primary_key=True, server_default=sa.true()),
    Column("timezone", Text(), nullable=False, comment="the business time zone that cut the days"),
)

lake = sa.Table(
    "lake",
    METADATA,
    Column("only", Boolean(), primary_key=True, server_default=sa.true()),
    Column("id", Text(), nullable=False, comment="of the lake that all records are about"),
    Column("first_day", Date(), nullable=False, comment="earliest DATAFLOW_FIRST_DAY that the lake was read with"),
)

lake_tables = sa.Table(
    "lake_tables",
    METADATA,
    Column("table", Text(), primary_key=True),
    Column("id", Text(), nullable=False, comment="the Delta table's own"),
    Column("version", BigInteger(), nullable=False, comment="newest that was seen"),
    Column("commit", Text(), nullable=False, comment="digest of the commit of that version"),
)

# What landed, and what became of it

deliveries = sa.Table(
    "deliveries",
    METADATA,
    Column("delivery", BigInteger(), primary_key=True, autoincrement=False, comment="small key of the object"),
    Column("lake_version", BigInteger(), primary_key=True, autoincrement=False),
    Column("source", Text(), nullable=False),
    Column("day", Date(), nullable=False),
    Column("object", Text(), nullable=False),
    Column("etag", Text(), nullable=False),
    Column("version", Text(), comment="what S3 calls it, where the bucket keeps versions"),
    Column("size", BigInteger(), nullable=False),
    Column("last_modified", DateTime(timezone=True), nullable=False),
    Column("state", Text(), nullable=False, comment="accepted, rejected as a whole, quarantined, or superseded"),
    Column("refusal", Text(), comment="why the object was rejected as a whole"),
    Column("delivered", BigInteger(), nullable=False),
    Column("accepted", BigInteger(), nullable=False),
    Column("rejected", BigInteger(), nullable=False),
    Column(
        "event_days",
        ARRAY(Date()),
        nullable=False,
        server_default="{}",
        comment="the days, in the business time zone, that this version touches",
    ),
    Column("repaired", JSONB(), nullable=False, server_default="{}", comment="counts of repaired rows, by name"),
    Column(
        "undeclared_columns",
        ARRAY(Text()),
        nullable=False,
        server_default="{}",
        comment="columns of the file that are not declared",
    ),
    Column(
        "missing_columns",
        ARRAY(Text()),
        nullable=False,
        server_default="{}",
        comment="declared columns that the file does not have",
    ),
    Column("quarantine_reason", Text(), comment="why its present version is quarantined"),
)

rejects = sa.Table(
    "rejects",
    METADATA,
    Column("source", Text(), nullable=False),
    Column("day", Date(), nullable=False),
    Column("object", Text(), nullable=False),
    Column("delivery", BigInteger(), nullable=False),
    Column("line", BigInteger(), comment="null where the reader does not know it"),
    Column("code", Text(), nullable=False),
    Column("message", Text(), nullable=False),
    Column("raw", Text(), nullable=False, comment="the row as delivered; a NUL is shown as ␀"),
    Column("run", Text(), comment="the run that ingested the delivery"),
    sa.Index("rejects_by_delivery", "delivery"),
)

strays = sa.Table(
    "strays",
    METADATA,
    Column("stray", BigInteger(), primary_key=True, autoincrement=False, comment="small key of the object"),
    Column("object", Text(), nullable=False),
    Column("etag", Text(), nullable=False),
    Column("size", BigInteger(), nullable=False),
    Column("reason", Text(), nullable=False),
)

collected = sa.Table(
    "collected",
    METADATA,
    Column("remote", BigInteger(), primary_key=True, autoincrement=False, comment="small key of source and path"),
    Column("source", Text(), nullable=False),
    Column("path", Text(collation="C"), nullable=False, comment="what it is called where it is collected from"),
    Column("day", Date(), nullable=False, comment="delivery day on which it lands, in each version"),
    Column("object", Text(), nullable=False),
    Column("version", Text(), comment="by which a change is seen; null until it has landed"),
    Column("size", BigInteger(), comment="bytes there"),
    Column("modified", DateTime(timezone=True), comment="when it was changed there"),
    Column("landed_at", DateTime(timezone=True)),
    Column("failure", Text(), comment="why it could not be collected the last time"),
    sa.Index("collected_by_day", "source", "day"),
    sa.Index("collected_by_path", "source", "path"),
)

# What the tables of sources and answers were made from

event_days = sa.Table(
    "event_days",
    METADATA,
    Column("source", Text(), primary_key=True),
    Column("event_day", Date(), primary_key=True),
    Column("lake_version", BigInteger(), nullable=False),
    Column("declaration", Text(), nullable=False, comment="hash of the source's declaration"),
    Column("accepted", BigInteger(), nullable=False, comment="rows of the day in the lake"),
    Column("rows", BigInteger(), nullable=False, comment="rows in the table"),
    Column("superseded", BigInteger(), nullable=False, comment="rows whose key another row has, later"),
)

snapshots = sa.Table(
    "snapshots",
    METADATA,
    Column("source", Text(), primary_key=True),
    Column("lake_version", BigInteger(), nullable=False),
    Column("newest_day", Date(), comment="newest delivery day that is complete"),
    Column("declaration", Text(), nullable=False, comment="hash of the source's declaration"),
    Column("changed_version", BigInteger(), nullable=False, comment="the lake_version by which a row was last written"),
)

dumps = sa.Table(
    "dumps",
    METADATA,
    Column("source", Text(), primary_key=True),
    Column("day", Date(), primary_key=True),
    Column("rows", BigInteger(), nullable=False, comment="rows of the day in the lake"),
    Column("is_released", Boolean(), nullable=False, comment="whether somebody released it"),
    Column("quarantine_reason", Text(), comment="why it is quarantined; null where it is complete"),
)

answers = sa.Table(
    "answers",
    METADATA,
    Column("answer", Text(), primary_key=True),
    Column("partition", Date(), primary_key=True, comment="the day, or the first day of the month"),
    Column("made_from", JSONB(), nullable=False, comment="by source, the version that was read"),
)
