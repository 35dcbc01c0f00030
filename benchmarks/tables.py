"""Rows in the warehouse without a lake, and the small tables that answers read beside streams.

Here: frames of made-up snapshots, and loading frames as one delivery. Not here: stream files (see `data`).
"""

from datetime import UTC, date, datetime, time

import polars as pl

from dataflow_assets.lake.delta.dumps import Dumps
from dataflow_assets.lake.staging import add_origin
from dataflow_assets.landing.deliveries import Delivery
from dataflow_assets.postgres.connection import connect
from dataflow_assets.sources import Events, Snapshot, find_source
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.snapshots import load_snapshot

_REVIEWS, _BOOKS, _AUTHORS = 20_000, 2_000, 800


def snapshots(movies: int) -> dict[str, pl.DataFrame]:
    """Movies with the titles of `data`, of which 7 in 10 have reviews, and all reviews' books and authors.

    Names differ in case from one table to another, as they do in the vendors' files.
    """
    n = pl.col("n")
    tables = {
        "movies": _numbered(
            movies,
            title=pl.format("The Remarkable Movie Number {}", "n"),
            duration_mins=60 + n % 120,
            size_mb=pl.lit(1000.0),
        ),
        "reviews": _numbered(
            _REVIEWS,
            text=pl.format("Review {}", "n"),
            rating=n % 5,
            movie_title=pl.format("the remarkable movie number {}", n.hash(1) % (movies * 7 // 10)),
            book_title=pl.format("Book {}", n.hash(2) % _BOOKS),
        ),
        "books": _numbered(
            _BOOKS, title=pl.format("BOOK {}", "n"), author=pl.format("Author {}", n.hash(3) % _AUTHORS)
        ),
        "authors": _numbered(
            _AUTHORS, name=pl.format("author {}", "n"), nationality=pl.format("nation-{}", n.hash(4) % 40)
        ),
    }
    return {name: _completed(name, rows) for name, rows in tables.items()}


def _numbered(height: int, **columns: pl.Expr) -> pl.DataFrame:
    return pl.int_range(height, eager=True).alias("n").to_frame().select(**columns)


def _completed(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every column of their source."""
    schema = find_source(name).schema
    absent = [pl.lit(None).alias(column) for column in schema.column_names() if column not in rows.columns]
    return schema.cast(rows.with_columns(absent))


def load(url: str, name: str, rows: pl.DataFrame, day: date, timezone: str) -> None:
    """Load rows of one source, of events all of that day, as one delivery of that day."""
    source = find_source(name)
    landed = datetime.combine(day, time(), UTC)
    delivery = Delivery(source=name, day=day, object=f"{name}.rows", etag="", size=0, last_modified=landed)
    lake = add_origin(rows.with_columns(position=pl.int_range(pl.len())), delivery, source).lazy()
    with connect(url) as connection:
        if isinstance(source, Events):
            load_day(connection, source, lake, 1, day, timezone)
        else:
            assert isinstance(source, Snapshot)
            load_snapshot(connection, source, lake, 1, Dumps({day: rows.height}, frozenset()), lambda _: {day})
