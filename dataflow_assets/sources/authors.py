"""The authors of books, as the book vendor dumps them."""

import dataframely as dy
import polars as pl

from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Json

_slugs = pl.col("nationalities").list.drop_nulls()


class Authors(dy.Schema):
    """One author."""

    name = dy.String(min_length=1, description="the author's full name")
    birth_date = dy.Datetime(time_zone="UTC", nullable=True, description="midnight (UTC) of the day of birth")
    died_at = dy.Datetime(
        time_zone="UTC", nullable=True, description="midnight (UTC) of the day of death; null while alive, or unknown"
    )
    nationality = dy.String(nullable=True, description="slug of the last nationality that has one")


SOURCE = Snapshot(
    name="authors",
    singular="author",
    description="The people who wrote the books.",
    owner="team:vendors",
    schema=Authors,
    reader=Json(
        paths={
            "name": "$.metadata.name",
            "birth_date": "$.metadata.birth_date",
            "died_at": "$.metadata.died_at",
            "nationalities": "$.nationalities[*].slug",
        },
        derived={"nationality": _slugs.list.filter(pl.element() != "").list.last()},
    ),
    key=("name",),
)
