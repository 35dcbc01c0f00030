"""How many sessions of each movie, and of how many users, are in progress in each hour of a day.

Only hours and movies with a session have a row. Movies are named as their sessions name them. Its question is about an
outage: how many users had a session of one movie in progress in a window.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.question import (
    Days,
    Option,
    OwnWindow,
    Question,
    Reply,
    show_number,
    show_period,
)
from dataflow_assets.analytics.sessions import folded, overlaps
from dataflow_assets.core.time_windows import Window, parse_instant

_OUTAGE_DAY = date(2021, 12, 25)
_HOUR = 3_600_000_000  # microseconds


class SessionsInProgress(dy.Schema):
    """The sessions of one movie in one hour."""

    day = dy.Date(primary_key=True, description="day of the hour")
    hour = dy.Datetime(primary_key=True, time_zone="UTC", description="the instant at which the hour starts")
    movie_title = dy.String(primary_key=True, min_length=1, description="what was streamed")
    sessions = dy.Int64(min=1, description="sessions that overlap the hour")
    users = dy.Int64(min=1, description="distinct users of those sessions")


def compute(streams: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Count the sessions that overlap each hour `[hour, hour + 1 h)` of the window, by movie.

    Each session becomes one row for each hour it overlaps, so the work follows the hours watched. A user counts in
    the hours that the user's sessions of the movie with an earlier first hour have not reached. Hours are counted
    from the window's start: a local day of 23 or 25 hours has as many, and a day that starts at half past in UTC
    has hours that do.

    Returns:
        `hour` (Datetime, us, UTC), `movie_title` (String), `sessions`, `users` (Int64), by hour and movie.
    """
    since_start = pl.max_horizontal("start_at", pl.lit(window.start)) - window.start
    until_end = pl.min_horizontal("end_at", pl.lit(window.end)) - window.start
    first = since_start.dt.total_microseconds() // _HOUR
    after_last = (until_end.dt.total_microseconds() - 1) // _HOUR + 1
    reached = pl.col("after_last").cum_max().shift(fill_value=0).over("movie_title", "user_email", order_by="first")
    return (
        streams.filter(overlaps(window))
        .select("movie_title", "user_email", first=first.cast(pl.Int32), after_last=after_last.cast(pl.Int32))
        .select("movie_title", reached=reached, number=pl.int_ranges("first", "after_last", dtype=pl.Int32))
        .explode("number", empty_as_null=False)
        .group_by("number", "movie_title")
        .agg(sessions=pl.len().cast(pl.Int64), users=(pl.col("number") >= pl.col("reached")).sum().cast(pl.Int64))
        .select(pl.lit(window.start).alias("hour") + pl.duration(hours="number"), "movie_title", "sessions", "users")
        .sort("hour", "movie_title")
    )


def _affected_users(streams: pl.LazyFrame, outage_movie: str, window: Window) -> pl.LazyFrame:
    """The number of users with a session of the movie in progress in the window: `users`, always one row."""
    is_movie = folded("movie_title") == pl.lit(outage_movie).str.to_lowercase()
    return streams.filter(overlaps(window), is_movie).select(users=pl.col("user_email").n_unique())


def _outage(timezone: str, days: Days | None) -> Window:
    """The outage of 25 December 2021, or, where no session is of that time, those hours of the last but six day."""
    day = _OUTAGE_DAY if days is None or days[0] <= _OUTAGE_DAY <= days[1] else days[1] - timedelta(days=6)
    start, end = (parse_instant(f"{day}T{hour}:00", timezone) for hour in ("07", "12"))
    return Window(start, end)


def _to_json(reply: Reply) -> dict[str, Any]:
    return {"outage": {"movie": reply.options["outage_movie"], **reply.bounds, "users": reply.value("users")}}


def _to_lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = result["outage"]
    yield f"Users with {found['movie']} in progress, {show_period(found)}", show_number(found["users"], ",d")


ANSWER = Answer(
    name="sessions_in_progress",
    description="Sessions in progress, and their users, in each hour of the day, by movie.",
    owner="team:analytics",
    grain="day",
    schema=SessionsInProgress,
    reads=("streams",),
    reads_overlapping=True,
    compute=compute,
    question=Question(
        rows=_affected_users,
        options=(Option(name="outage_movie", help="The movie of the outage.", default="Unforgiven"),),
        window=OwnWindow(
            name="outage", from_help="When the outage began.", to_help="When it was over.", default=_outage
        ),
        to_json=_to_json,
        to_lines=_to_lines,
    ),
)
