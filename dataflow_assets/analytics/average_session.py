"""How long the sessions that start on a day last on average. A day without sessions has no row."""

from collections.abc import Iterator, Mapping
from typing import Any

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.question import Question, Reply, show_number
from dataflow_assets.analytics.sessions import duration, starts_in
from dataflow_assets.core.time_windows import Window


class AverageSession(dy.Schema):
    """The average session of one day."""

    day = dy.Date(primary_key=True, description="day on which the sessions started")
    sessions = dy.Int64(min=1, description="sessions that started on the day")
    average_session_seconds = dy.Float64(min=0, description="mean length of those sessions, in seconds")


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


def _to_json(reply: Reply) -> dict[str, Any]:
    return {
        "sessions": reply.value("sessions", 0),
        "average_session_seconds": reply.value("average_session_seconds"),
    }


def _to_lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Sessions", show_number(result["sessions"], ",d")
    yield "Average session", f"{show_number(result['average_session_seconds'], ',.2f')} seconds"


ANSWER = Answer(
    name="average_session",
    description="How long the sessions that start on the day last on average, in seconds.",
    owner="team:analytics",
    grain="day",
    schema=AverageSession,
    reads=("streams",),
    compute=compute,
    question=Question(to_json=_to_json, to_lines=_to_lines),
)
