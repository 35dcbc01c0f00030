"""The reviews that tie a movie to the book it is based on, as the review vendor dumps them."""

import dataframely as dy
import polars as pl

from dataflow_assets.sources.base import Reference, Snapshot
from dataflow_assets.sources.formats import Json

_titles = pl.col("movies").list.drop_nulls()


class Reviews(dy.Schema):
    """One review of a book and of the movie based on it."""

    text = dy.String(min_length=1, description="what the review says")
    rating = dy.Int64(min=0, description="from 0, the worst, to 5")
    rating_label = dy.String(nullable=True, description="the rating in words")
    movie_title = dy.String(min_length=1, description="matches movies without regard to case")
    book_title = dy.String(nullable=True, description="matches books without regard to case")
    created = dy.Datetime(time_zone="UTC", nullable=True, description="when the review was written")
    updated = dy.Datetime(time_zone="UTC", nullable=True, description="when it was last changed")


SOURCE = Snapshot(
    name="reviews",
    singular="review",
    description="Reviews, each of a book and the movie based on it.",
    owner="team:vendors",
    schema=Reviews,
    reader=Json(
        paths={
            "text": "$.content.text",
            "rating": "$.rating.rate",
            "rating_label": "$.rating.label",
            "movies": "$.movies[*].title",
            "book_title": "$.books[0].metadata.title",
            "created": "$.created",
            "updated": "$.updated",
        },
        derived={"movie_title": _titles.list.filter((pl.element() != "") & (pl.element() != "end")).list.last()},
    ),
    key=("text", "rating", "movie_title"),
    # Not of its movie: the vendor reviews movies that cannot be streamed.
    references=(Reference("book_title", "books", "title"),),
)
