"""The tables of the server: who may use it, and what was posted.

Here: SQLAlchemy's description of each. Not here: statements (see `accounts`, `api_keys`, `refresh_tokens`, `posted`).
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Date, DateTime, ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY

from dataflow_assets.postgres.schema import SERVING

METADATA = sa.MetaData(schema=SERVING)


def _now() -> Column[datetime]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _user(*, primary_key: bool = False) -> Column[str]:
    there = ForeignKey(f"{SERVING}.users.name", ondelete="CASCADE")
    return Column("user", Text(), there, primary_key=primary_key, nullable=False)


users = sa.Table(
    "users",
    METADATA,
    Column("name", Text(), primary_key=True),
    Column("password", Text(), comment="hashed by argon2; null of a machine, which has API keys alone"),
    Column("role", Text(), nullable=False, comment="reader, writer or admin"),
    Column("sources", ARRAY(Text()), comment="the sources that they may use; null: all"),
    Column("delivers_to", ARRAY(Text()), comment="those of them that they may deliver to; null: all of them"),
    Column("is_disabled", Boolean(), nullable=False, server_default=sa.false()),
    _now(),
)

api_keys = sa.Table(
    "api_keys",
    METADATA,
    Column("id", Text(), primary_key=True),
    _user(),
    Column("digest", Text(), nullable=False, comment="SHA-256 of the secret part"),
    Column("sources", ARRAY(Text()), comment="the sources that it is for; null: all of its user's"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _now(),
)

refresh_tokens = sa.Table(
    "refresh_tokens",
    METADATA,
    Column("digest", Text(), primary_key=True, comment="SHA-256 of the token"),
    Column("family", Text(), nullable=False, comment="the login that it goes back to"),
    _user(),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("is_used", Boolean(), nullable=False, server_default=sa.false()),
    _now(),
    sa.Index("refresh_tokens_by_family", "family"),
)

posted = sa.Table(
    "posted",
    METADATA,
    _user(primary_key=True),
    Column("key", Text(), primary_key=True, comment="the Idempotency-Key"),
    Column("source", Text(), nullable=False),
    Column("day", Date(), nullable=False, comment="the delivery day of the first try"),
    Column("name", Text(), nullable=False, comment="of the object that the records are landed as"),
    Column("digest", Text(), nullable=False, comment="SHA-256 of the body"),
    Column("is_landed", Boolean(), nullable=False, server_default=sa.false()),
    _now(),
    sa.Index("posted_by_age", "created_at"),
)
