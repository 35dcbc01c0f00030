"""Tables with rows for tests of reading, and clients that read them.

Here: loading frames into the tables of declared and made-up sources. Not here: what is asked of them.
"""

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.postgres.views import views_aside
from dataflow_assets.serving.reading.relations import Relation, source_relations
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.warehouse.events import load_day
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS

STREAMS_TABLE = source_relations(STREAMS)[0]
Row = dict[str, Any]


def relation_of(source: Source) -> Relation:
    """The table of a source."""
    return source_relations(source)[0]


def make_tables(url: str, *sources: Source) -> None:
    """Make the tables of made-up sources."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection, views_aside(connection):
        build_metadata(sources, {}).create_all(connection)


_versions = itertools.count(1)


def load_rows(url: str, source: Events, rows: Sequence[Row] | pl.DataFrame) -> None:
    """Put rows in place of those of their days, as one delivery of a version of the lake of its own gave them."""
    version = next(_versions)
    schema = source.schema.create_empty().schema
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, schema=schema, orient="row")
    lake = frame.with_columns(
        position=pl.int_range(pl.len()),
        object=pl.lit(f"landing/{source.name}/{DAY}/a.csv"),
        delivery_day=pl.lit(DAY),
        delivery=pl.lit(7, pl.Int64),
        event_date=pl.col(source.event_time).dt.date(),
    )
    with connect(url) as connection:
        for day in lake["event_date"].unique().sort():
            load_day(connection, source, lake.lazy(), version, day, "UTC")


def streams(count: int, day: date = DAY, *, megabytes: float = 1.0) -> pl.DataFrame:
    """So many sessions on a day, a millisecond apart."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    starts = pl.lit(start) + pl.duration(milliseconds=pl.col("number"))
    return (
        pl.int_range(count, eager=True)
        .alias("number")
        .to_frame()
        .select(
            movie_title=pl.format("Movie {}", pl.col("number") % 50),
            user_email=pl.format("user.{}@example.org", pl.col("number") % 700),
            size_mb=pl.lit(megabytes) + pl.col("number") / 7,
            start_at=starts.cast(pl.Datetime("us", "UTC")),
            end_at=(starts + timedelta(hours=1)).cast(pl.Datetime("us", "UTC")),
        )
    )
