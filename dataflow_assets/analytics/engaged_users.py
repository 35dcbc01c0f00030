"""How many users watched at least half of a movie in one session of the last seven days.

A session counts when it overlaps the seven days that end with the day, and it counts whole: what it lasted
before or after them is not cut off. A day without such sessions has a row that says 0, unless there is no session at
all that could be one.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.question import Days, OwnWindow, Question, Reply, show_number, show_period
from dataflow_assets.analytics.sessions import duration, folded, overlaps
from dataflow_assets.core.time_windows import Window

_TRAILING_DAYS = 6


class EngagedUsers(dy.Schema):
    """The engaged users of the seven days that end with one day."""

    day = dy.Date(primary_key=True, description="last of the seven days")
    users = dy.Int64(min=0, description="users with a session of at least half of a movie")


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


def _last_week(timezone: str, days: Days | None) -> Window | None:
    """The last seven days of the last month with sessions."""
    if days is None:
        return None
    month_end = (days[1].replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return Window.of_days(month_end - timedelta(days=_TRAILING_DAYS), month_end, timezone)


def _to_json(reply: Reply) -> dict[str, Any]:
    return {"engaged_users": {**reply.bounds, "users": reply.value("users")}}


def _to_lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = result["engaged_users"]
    title = f"Users who watched at least half of a movie in one session, {show_period(found)}"
    yield title, show_number(found["users"], ",d")


ANSWER = Answer(
    name="engaged_users",
    description="Users who watched at least half of a movie in one session of the seven days that end with the day.",
    owner="team:analytics",
    grain="day",
    schema=EngagedUsers,
    reads=("streams", "movies"),
    trailing_days=_TRAILING_DAYS,
    reads_overlapping=True,
    compute=compute,
    question=Question(
        window=OwnWindow(
            name="engaged",
            from_help="First instant of the engaged users.",
            to_help="First instant after them.",
            default=_last_week,
        ),
        to_json=_to_json,
        to_lines=_to_lines,
    ),
)
