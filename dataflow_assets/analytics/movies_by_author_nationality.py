"""How many movies streamed in a month are based on books by authors of each nationality.

A nationality with no such movie has no row. A movie that is based on several books counts once for each
nationality of their authors. Titles and names match without regard to case.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.question import Option, Question, Reply, show_number
from dataflow_assets.analytics.sessions import folded, streamed_movies
from dataflow_assets.core.time_windows import Window


class MoviesByAuthorNationality(dy.Schema):
    """The movies of one month and one nationality."""

    month = dy.Date(primary_key=True, description="first day of the month")
    nationality = dy.String(primary_key=True, min_length=1, description="slug, as in authors")
    movies = dy.Int64(min=1, description="movies with a session that started in the month")


def compute(
    streams: pl.LazyFrame, reviews: pl.LazyFrame, books: pl.LazyFrame, authors: pl.LazyFrame, window: Window
) -> pl.LazyFrame:
    """Count movies with a session that starts in the window, by the nationality of their books' authors.

    A movie is tied to a book's title by its reviews, and to the author by the book of that title.

    Returns:
        `nationality` (String, not null) and `movies` (Int64), by nationality.
    """
    tied = reviews.select(movie=folded("movie_title"), book=folded("book_title")).unique()
    written = books.select(book=folded("title"), author=folded("author"))
    known = authors.select("nationality", author=folded("name")).drop_nulls("nationality")
    return (
        streamed_movies(streams, window)
        .join(tied, on="movie")
        .join(written, on="book")
        .join(known, on="author")
        .group_by("nationality")
        .agg(movies=pl.col("movie").n_unique().cast(pl.Int64))
        .sort("nationality")
    )


def _of_nationality(window: Window, nationality: str, **tables: pl.LazyFrame) -> pl.LazyFrame:
    """The row of one nationality."""
    return compute(**tables, window=window).filter(pl.col("nationality") == nationality)


def _to_json(reply: Reply) -> dict[str, Any]:
    found = {"nationality": reply.options["nationality"], "movies": reply.value("movies", 0)}
    return {"movies_by_author_nationality": found}


def _to_lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = result["movies_by_author_nationality"]
    title = f"Streamed movies based on books by authors of nationality {found['nationality']}"
    yield title, show_number(found["movies"], ",d")


ANSWER = Answer(
    name="movies_by_author_nationality",
    description="Movies streamed in the month that are based on books, by the nationality of the books' authors.",
    owner="team:analytics",
    grain="month",
    schema=MoviesByAuthorNationality,
    reads=("streams", "reviews", "books", "authors"),
    compute=compute,
    question=Question(
        rows=_of_nationality,
        options=(Option(name="nationality", help="Slug of the authors' nationality.", default="singaporeans"),),
        to_json=_to_json,
        to_lines=_to_lines,
    ),
)
