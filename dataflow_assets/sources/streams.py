"""The sessions in which users streamed movies, as the player service exports them."""

from datetime import timedelta

import dataframely as dy
import polars as pl

from dataflow_assets.sources.base import Events, Reference
from dataflow_assets.sources.formats import Csv
from dataflow_assets.sources.users import EMAIL


class Streams(dy.Schema):
    """One session: a user streamed a movie from `start_at` to `end_at`."""

    movie_title = dy.String(min_length=1, description="what was streamed; matches movies without regard to case")
    user_email = dy.String(regex=EMAIL, description="who streamed it; matches users without regard to case")
    size_mb = dy.Float64(min=0, description="megabytes streamed (1 MB = 1,000,000 bytes)")
    start_at = dy.Datetime(time_zone="UTC", description="first instant of the session")
    end_at = dy.Datetime(time_zone="UTC", description="the instant after the session's last")

    @dy.rule()
    def ends_after_it_starts(cls) -> pl.Expr:
        """A session ends after it starts."""
        return pl.col("end_at") > pl.col("start_at")


SOURCE = Events(
    name="streams",
    singular="stream",
    description="The sessions in which users streamed movies.",
    owner="team:player",
    schema=Streams,
    reader=Csv(),
    key=("movie_title", "user_email", "start_at", "end_at"),
    event_time="start_at",
    end_time="end_at",
    longest=timedelta(hours=48),
    references=(Reference("movie_title", "movies", "title"), Reference("user_email", "users", "email")),
)
