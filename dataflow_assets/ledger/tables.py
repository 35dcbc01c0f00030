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
    Column("only", Boolean(), primary_key=True, server_default=sa.true(), comment="true: there is one row"),
    Column("timezone", Text(), nullable=False, comment="the business time zone that cut the days"),
    comment="How the days of this database are cut.",
)

lake = sa.Table(
    "lake",
    METADATA,
    Column("only", Boolean(), primary_key=True, server_default=sa.true(), comment="true: there is one row"),
    Column("id", Text(), nullable=False, comment="of the lake that all records are about"),
    Column("first_day", Date(), nullable=False, comment="earliest DATAFLOW_FIRST_DAY that the lake was read with"),
    comment="The lake that all records are about.",
)

lake_tables = sa.Table(
    "lake_tables",
    METADATA,
    Column("table", Text(), primary_key=True, comment="name of the table"),
    Column("id", Text(), nullable=False, comment="the Delta table's own"),
    Column("version", BigInteger(), nullable=False, comment="newest that was seen"),
    Column("commit", Text(), nullable=False, comment="digest of the commit of that version"),
    comment="How far each table of the lake was read.",
)

# What landed, and what became of it

deliveries = sa.Table(
    "deliveries",
    METADATA,
    Column("delivery", BigInteger(), primary_key=True, autoincrement=False, comment="small key of the object"),
    Column("lake_version", BigInteger(), primary_key=True, autoincrement=False, comment="version of the lake's table"),
    Column("source", Text(), nullable=False, comment="name of the source"),
    Column("day", Date(), nullable=False, comment="delivery day"),
    Column("object", Text(), nullable=False, comment="key in the object store"),
    Column("etag", Text(), nullable=False, comment="the object store's mark of the version"),
    Column("version", Text(), comment="what S3 calls it, where the bucket keeps versions"),
    Column("size", BigInteger(), nullable=False, comment="bytes"),
    Column("last_modified", DateTime(timezone=True), nullable=False, comment="when the version was written"),
    Column("state", Text(), nullable=False, comment="accepted, rejected as a whole, quarantined, or superseded"),
    Column("refusal", Text(), comment="why the object was rejected as a whole"),
    Column("delivered", BigInteger(), nullable=False, comment="rows of the object"),
    Column("accepted", BigInteger(), nullable=False, comment="rows in the lake"),
    Column("rejected", BigInteger(), nullable=False, comment="rows that were not accepted"),
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
    comment="Every version of every landed object, and what became of it.",
)

rejects = sa.Table(
    "rejects",
    METADATA,
    Column("source", Text(), nullable=False, comment="name of the source"),
    Column("day", Date(), nullable=False, comment="delivery day"),
    Column("object", Text(), nullable=False, comment="key in the object store"),
    Column("delivery", BigInteger(), nullable=False, comment="small key of the object; joins to deliveries"),
    Column("line", BigInteger(), comment="null where the reader does not know it"),
    Column("code", Text(), nullable=False, comment="stable code of the reason"),
    Column("message", Text(), nullable=False, comment="the reason, in a sentence"),
    Column("raw", Text(), nullable=False, comment="the row as delivered; a NUL is shown as ␀"),
    Column("run", Text(), comment="the run that ingested the delivery"),
    sa.Index("rejects_by_delivery", "delivery"),
    comment="Every row that was not accepted, and why.",
)

strays = sa.Table(
    "strays",
    METADATA,
    Column("stray", BigInteger(), primary_key=True, autoincrement=False, comment="small key of the object"),
    Column("object", Text(), nullable=False, comment="key in the object store"),
    Column("etag", Text(), nullable=False, comment="the object store's mark of the version"),
    Column("size", BigInteger(), nullable=False, comment="bytes"),
    Column("reason", Text(), nullable=False, comment="why it is none of ours"),
    comment="Objects in landing that are of no known source or day.",
)

pending = sa.Table(
    "pending",
    METADATA,
    Column("delivery", BigInteger(), primary_key=True, autoincrement=False, comment="small key of the object"),
    Column("source", Text(), nullable=False, comment="name of the source"),
    Column("day", Date(), nullable=False, comment="delivery day"),
    Column("object", Text(collation="C"), nullable=False, comment="key in the object store"),
    Column("etag", Text(), nullable=False, comment="the object store's mark of the version"),
    Column("size", BigInteger(), nullable=False, comment="bytes"),
    Column("last_modified", DateTime(timezone=True), nullable=False, comment="when the version was written"),
    Column(
        "asked_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=sa.func.now(),
        comment="when the object store was last asked for it",
    ),
    sa.Index("pending_by_object", "source", "day", "object"),
    sa.Index("pending_by_asked_at", "asked_at"),
    comment="Objects that landed as far as was told, and may not be in the lake yet.",
)

collected = sa.Table(
    "collected",
    METADATA,
    Column("remote", BigInteger(), primary_key=True, autoincrement=False, comment="small key of source and path"),
    Column("source", Text(), nullable=False, comment="name of the source"),
    Column("path", Text(collation="C"), nullable=False, comment="what it is called where it is collected from"),
    Column("day", Date(), nullable=False, comment="delivery day on which it lands, in each version"),
    Column("object", Text(), nullable=False, comment="key in the object store"),
    Column("version", Text(), comment="by which a change is seen; null until it has landed"),
    Column("size", BigInteger(), comment="bytes there"),
    Column("modified", DateTime(timezone=True), comment="when it was changed there"),
    Column("landed_at", DateTime(timezone=True), comment="when it was landed"),
    Column("failure", Text(), comment="why it could not be collected the last time"),
    sa.Index("collected_by_day", "source", "day"),
    sa.Index("collected_by_path", "source", "path"),
    comment="What was found where sources are collected from, and what became of it.",
)

# What the tables of sources and answers were made from

event_days = sa.Table(
    "event_days",
    METADATA,
    Column("source", Text(), primary_key=True, comment="name of the source"),
    Column("event_day", Date(), primary_key=True, comment="the day, in the business time zone"),
    Column("lake_version", BigInteger(), nullable=False, comment="version of the lake's table"),
    Column("declaration", Text(), nullable=False, comment="hash of the source's declaration"),
    Column("accepted", BigInteger(), nullable=False, comment="rows of the day in the lake"),
    Column("rows", BigInteger(), nullable=False, comment="rows in the table"),
    Column("superseded", BigInteger(), nullable=False, comment="rows whose key another row has, later"),
    comment="What each day of an event table was made from.",
)

snapshots = sa.Table(
    "snapshots",
    METADATA,
    Column("source", Text(), primary_key=True, comment="name of the source"),
    Column("lake_version", BigInteger(), nullable=False, comment="version of the lake's table"),
    Column("newest_day", Date(), comment="newest delivery day that is complete"),
    Column("declaration", Text(), nullable=False, comment="hash of the source's declaration"),
    Column("changed_version", BigInteger(), nullable=False, comment="the lake_version by which a row was last written"),
    comment="What each table without event days was made from.",
)

dumps = sa.Table(
    "dumps",
    METADATA,
    Column("source", Text(), primary_key=True, comment="name of the source"),
    Column("day", Date(), primary_key=True, comment="delivery day"),
    Column("rows", BigInteger(), nullable=False, comment="rows of the day in the lake"),
    Column("is_released", Boolean(), nullable=False, comment="whether somebody released it"),
    Column("quarantine_reason", Text(), comment="why it is quarantined; null where it is complete"),
    comment="The dumps of snapshot sources, by delivery day.",
)

answers = sa.Table(
    "answers",
    METADATA,
    Column("answer", Text(), primary_key=True, comment="name of the answer"),
    Column("partition", Date(), primary_key=True, comment="the day, or the first day of the month"),
    Column("made_from", JSONB(), nullable=False, comment="by source, the version that was read"),
    comment="What each partition of an answer was made from.",
)
