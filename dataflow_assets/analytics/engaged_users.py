"""How many users watched at least half of a movie in one session of the last seven days.

A session counts when it overlaps the seven days that end with the day, and it counts whole: what it lasted
before or after them is not cut off. A day without such sessions has a row that says 0, unless there is no session at
all that could be one.
"""

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.sessions import duration, folded, overlaps
from dataflow_assets.core.time_windows import Window


class EngagedUsers(dy.Schema):
    """The engaged users of the seven days that end with one day."""

    day = dy.Date(primary_key=True)
    users = dy.Int64(min=0)


def compute(streams: pl.LazyFrame, movies: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Count the users with a session that overlaps the window and lasts `duration_mins / 2` or longer.

    Movies match without regard to case; where that finds several, half of any of them is enough.

    Returns:
        `users` (Int64), always one row.
    """
    lengths = movies.select(movie=folded("title"), length=pl.duration(minutes=pl.col("duration_mins")))
    return (
        streams.filter(overlaps(window))
        .select("user_email", movie=folded("movie_title"), watched=duration())
        .join(lengths, on="movie")
        .filter(pl.col("watched") * 2 >= pl.col("length"))
        .select("user_email")
        .unique()
        .select(users=pl.len().cast(pl.Int64))
    )


ANSWER = Answer(
    name="engaged_users",
    description="Users who watched at least half of a movie in one session of the seven days that end with the day.",
    owner="team:analytics",
    grain="day",
    schema=EngagedUsers,
    reads=("streams", "movies"),
    trailing_days=6,
    reads_overlapping=True,
    compute=compute,
)
