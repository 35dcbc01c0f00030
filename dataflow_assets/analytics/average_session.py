"""How long the sessions that start on a day last on average. A day without sessions has no row."""

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.sessions import duration, starts_in
from dataflow_assets.core.time_windows import Window


class AverageSession(dy.Schema):
    """The average session of one day."""

    day = dy.Date(primary_key=True)
    sessions = dy.Int64(min=1, description="sessions that started on the day")
    average_session_seconds = dy.Float64(min=0)


def compute(streams: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Sum of `end_at - start_at` over the number of sessions that start in the window.

    The sum is of whole microseconds in 128 bits: exact, whatever the order and number of rows.

    Returns:
        `sessions` (Int64) and `average_session_seconds` (Float64), one row, or none without sessions.
    """
    microseconds = duration().dt.total_microseconds().cast(pl.Int128).sum().cast(pl.Float64)
    return (
        streams.filter(starts_in(window))
        .select(sessions=pl.len().cast(pl.Int64), average_session_seconds=microseconds / (pl.len() * 1e6))
        .filter(pl.col("sessions") > 0)
    )


ANSWER = Answer(
    name="average_session",
    description="How long the sessions that start on the day last on average, in seconds.",
    owner="team:analytics",
    grain="day",
    schema=AverageSession,
    reads=("streams",),
    compute=compute,
)
