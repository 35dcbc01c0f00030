"""What several answers need of sessions and of names, each said once.

Here: expressions and queries over the rows of `streams`. Not here: an answer.

A count of nothing is 0, so a question that only counts has an answer in an empty window too; an average,
a median or a share of nothing does not exist, and has no row.
"""

from datetime import date
from zoneinfo import ZoneInfo

import polars as pl

from dataflow_assets.core.time_windows import Window


def starts_in(window: Window) -> pl.Expr:
    """Whether a session belongs to the window: `start <= start_at < end` (Boolean)."""
    return (pl.col("start_at") >= window.start) & (pl.col("start_at") < window.end)


def overlaps(window: Window) -> pl.Expr:
    """Whether a session is in progress at some instant of the window, which an empty one has not (Boolean)."""
    return pl.lit(window.start < window.end) & (pl.col("start_at") < window.end) & (pl.col("end_at") > window.start)


def duration() -> pl.Expr:
    """How long a session lasts: `end_at - start_at` (Duration)."""
    return pl.col("end_at") - pl.col("start_at")


def folded(column: str) -> pl.Expr:
    """A name, such that names which differ in case alone are equal (String)."""
    return pl.col(column).str.to_lowercase()


def streamed_movies(streams: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """The movies with a session that starts in the window: `movie` (String, folded), each once."""
    # Rows without equals first: fewer are left to be filtered, and each title is folded once.
    titles = streams.select("movie_title", is_streamed=starts_in(window)).unique().filter("is_streamed")
    return titles.select(movie=folded("movie_title")).unique()


def days_with_sessions(streams: pl.LazyFrame, timezone: str) -> tuple[date, date] | None:
    """The first and the last local day on which a session starts; None without sessions."""
    first, last = streams.select(first=pl.col("start_at").min(), last=pl.col("start_at").max()).collect().row(0)
    if first is None:
        return None
    zone = ZoneInfo(timezone)
    return first.astimezone(zone).date(), last.astimezone(zone).date()
