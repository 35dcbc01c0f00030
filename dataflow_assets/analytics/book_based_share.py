"""Which share of the movies streamed on a day is based on books. A day without sessions has no row.

A movie is based on a book when a review ties it to one; whether the book vendor lists that book does not
matter. Titles match without regard to case.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.question import Question, Reply, show_number
from dataflow_assets.analytics.sessions import folded, streamed_movies
from dataflow_assets.core.time_windows import Window


class BookBasedShare(dy.Schema):
    """The share of book-based movies of one day."""

    day = dy.Date(primary_key=True, description="day on which the sessions started")
    streamed = dy.Int64(min=1, description="movies with a session that started on the day")
    based_on_books = dy.Int64(min=0, description="those of them that a review ties to a book")
    share = dy.Float64(min=0, max=1, description="based_on_books / streamed")


def compute(streams: pl.LazyFrame, reviews: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Count movies (not sessions) with a session that starts in the window, and those tied to a book.

    Returns:
        `streamed`, `based_on_books` (Int64) and `share` (Float64), one row, or none without sessions.
    """
    tied = reviews.filter(pl.col("book_title") != "").select(movie=folded("movie_title"), tied=True).unique()
    counts = (
        streamed_movies(streams, window)
        .join(tied, on="movie", how="left")
        .select(streamed=pl.len().cast(pl.Int64), based_on_books=pl.col("tied").count().cast(pl.Int64))
    )
    return counts.filter(pl.col("streamed") > 0).with_columns(share=pl.col("based_on_books") / pl.col("streamed"))


def _to_json(reply: Reply) -> dict[str, Any]:
    counts = {name: reply.value(name, 0) for name in ("streamed", "based_on_books")}
    return {"book_based_share": {**counts, "share": reply.value("share")}}


def _to_lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = result["book_based_share"]
    of_all = f"{found['based_on_books']} of {found['streamed']} ({show_number(found['share'], '.1%')})"
    yield "Streamed movies that are based on books", of_all


ANSWER = Answer(
    name="book_based_share",
    description="Which share of the movies streamed on the day is based on books.",
    owner="team:analytics",
    grain="day",
    schema=BookBasedShare,
    reads=("streams", "reviews"),
    compute=compute,
    question=Question(to_json=_to_json, to_lines=_to_lines),
)
