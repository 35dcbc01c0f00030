"""Made-up tables for the answers' tests: small enough that names repeat and sessions overlap."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from dataflow_assets.sources.authors import Authors
from dataflow_assets.sources.books import Books
from dataflow_assets.sources.movies import Movies
from dataflow_assets.sources.reviews import Reviews
from dataflow_assets.sources.streams import Streams

TITLES = ("Rust", "Rust and Bone", "Ørsted", "The Tin, the Tide")
ZONES = ("UTC", "Europe/Paris", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
AUTUMN = datetime(2021, 10, 30, tzinfo=UTC)  # the clocks of Paris go back a day later

MOVIES = Movies.cast(
    pl.DataFrame({"title": TITLES, "duration_mins": [60, 90, 120, 600], "size_mb": 1.0}).with_columns(
        original_language=pl.lit(None)
    )
)


def session(title: str, user: str, start: datetime, lasts: timedelta, size_mb: float = 1.0) -> tuple[object, ...]:
    return title, user, size_mb, start, start + lasts


def streams(*sessions: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(sessions), schema=Streams.create_empty().schema, orient="row")


def reviews(*ties: tuple[str, str | None]) -> pl.DataFrame:
    """Reviews, each of a movie and a book."""
    rows = pl.DataFrame(list(ties), schema={"movie_title": pl.String, "book_title": pl.String}, orient="row")
    absent = [pl.lit(None).alias(name) for name in ("rating_label", "created", "updated")]
    return Reviews.cast(rows.with_columns(*absent, text=pl.lit("Fine."), rating=pl.lit(1)))


def books(*written: tuple[str, str | None]) -> pl.DataFrame:
    """Books, each with its author."""
    rows = pl.DataFrame(list(written), schema={"title": pl.String, "author": pl.String}, orient="row")
    return Books.cast(rows.with_columns(pages=pl.lit(None), publisher=pl.lit(None)))


def authors(*people: tuple[str, str | None]) -> pl.DataFrame:
    """Authors, each with a nationality."""
    rows = pl.DataFrame(list(people), schema={"name": pl.String, "nationality": pl.String}, orient="row")
    return Authors.cast(rows.with_columns(birth_date=pl.lit(None), died_at=pl.lit(None)))


def some_sessions(max_size: int = 30) -> st.SearchStrategy[pl.DataFrame]:
    """Sessions that start within three days around a change of clocks; bounds at whole hours are common."""
    hours, microseconds = timedelta(hours=1), timedelta(microseconds=1)
    starts = st.builds(
        lambda hour, rest: AUTUMN + hour * hours + rest * microseconds,
        st.integers(0, 72),
        st.sampled_from([0, 0, 1, 1_800_000_000, 3_599_999_999]),
    )
    lengths = st.one_of(st.timedeltas(microseconds, 48 * hours), st.integers(1, 48).map(lambda number: number * hours))
    rows = st.builds(
        session,
        st.sampled_from([*TITLES, *(title.upper() for title in TITLES)]),
        st.sampled_from(["a@x", "b@x", "c@x"]),
        starts,
        lengths,
        st.floats(0, 1e6),
    )
    return st.lists(rows, max_size=max_size).map(lambda drawn: streams(*drawn))
