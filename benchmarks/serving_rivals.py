"""What the HTTP API is compared with: an endpoint of an ORM, and Datasette.

Here: these servers, and rows for them. Not here: ours, and measuring (see `serving`).
"""

import io
import sqlite3
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.common import sql
from dataflow_assets_tests.serving.reading.builders import streams

COLUMNS = ("movie_title", "user_email", "size_mb", "start_at", "end_at")
_FILE = "rows.db"


def orm_app(url: str) -> Any:
    """What one writes first: endpoints that give the rows of a query of the ORM, and add those that are sent."""

    class Base(DeclarativeBase):
        pass

    class Stream(Base):
        __tablename__ = "streams"
        __table_args__ = ({"schema": "warehouse"},)
        id: Mapped[Any] = mapped_column(sa.Uuid(), primary_key=True)
        movie_title: Mapped[str]
        user_email: Mapped[str]
        size_mb: Mapped[float]
        start_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
        end_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))

    class Posted(Base):
        __tablename__ = "posted_streams"
        id: Mapped[Any] = mapped_column(sa.Uuid(), primary_key=True, default=uuid.uuid4)
        movie_title: Mapped[str]
        user_email: Mapped[str]
        size_mb: Mapped[float]
        start_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
        end_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))

    class Record(BaseModel):
        movie_title: str
        user_email: str
        size_mb: float
        start_at: datetime
        end_at: datetime

    engine, app = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg2://")), FastAPI()
    Posted.metadata.tables["posted_streams"].create(engine, checkfirst=True)

    @app.get("/rows")
    def read(limit: int) -> Any:
        with Session(engine) as session:
            found = session.scalars(sa.select(Stream).limit(limit))
            return [{name: getattr(row, name) for name in COLUMNS} for row in found]

    @app.post("/rows", status_code=201)
    def add(records: list[Record]) -> int:
        with Session(engine) as session:
            session.add_all(Posted(**record.model_dump()) for record in records)
            session.commit()
        return len(records)

    @app.get("/health")
    def health() -> str:
        return "ok"

    return app


def datasette_app(folder: Path) -> Any:
    """Datasette over what `write_sqlite` wrote."""
    from datasette.app import Datasette  # noqa: PLC0415, of the group `bench`

    return Datasette([str(folder / _FILE)], settings={"max_csv_mb": 0}).app()


def write_sqlite(url: str, folder: Path, rows: int) -> None:
    """Put so many rows of the table into a file of SQLite."""
    found = sql(url, f"SELECT {', '.join(COLUMNS)} FROM warehouse.streams LIMIT {rows}")
    with sqlite3.connect(folder / _FILE) as connection:
        connection.execute(f"CREATE TABLE streams ({', '.join(COLUMNS)})")
        texts = ((title, user, size, start.isoformat(), end.isoformat()) for title, user, size, start, end in found)
        connection.executemany("INSERT INTO streams VALUES (?, ?, ?, ?, ?)", texts)


def records(form: str, count: int) -> bytes:
    """So many records, as CSV or as a JSON array."""
    times = pl.col("start_at", "end_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    body = io.BytesIO()
    frame = streams(count).with_columns(times)
    if form == "csv":
        frame.write_csv(body)
    else:
        frame.write_json(body)
    return body.getvalue()
