"""How much data a session that starts on a day typically streams. A day without sessions has no row."""

from collections.abc import Iterator, Mapping
from typing import Any

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.question import Question, Reply, show_number
from dataflow_assets.analytics.sessions import starts_in
from dataflow_assets.core.time_windows import Window

MEGABYTES_PER_GIGABYTE = 1000


class MedianSessionSize(dy.Schema):
    """The median session size of one day."""

    day = dy.Date(primary_key=True, description="day on which the sessions started")
    sessions = dy.Int64(min=1, description="sessions that started on the day")
    median_session_gigabytes = dy.Float64(min=0, description="1 GB = 1000 MB = 1,000,000,000 bytes")


def compute(streams: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Median of `size_mb` over 1000; of an even number of sessions, midway between the two in the middle.

    Returns:
        `sessions` (Int64) and `median_session_gigabytes` (Float64), one row, or none without sessions.
    """
    median = pl.col("size_mb").median() / MEGABYTES_PER_GIGABYTE
    return (
        streams.filter(starts_in(window))
        .select(sessions=pl.len().cast(pl.Int64), median_session_gigabytes=median)
        .filter(pl.col("sessions") > 0)
    )


def _to_json(reply: Reply) -> dict[str, Any]:
    return {"median_session_gigabytes": reply.value("median_session_gigabytes")}


def _to_lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Median session size", f"{show_number(result['median_session_gigabytes'], '.6f')} GB"


ANSWER = Answer(
    name="median_session_size",
    description="The median size of the sessions that start on the day, in gigabytes.",
    owner="team:analytics",
    grain="day",
    schema=MedianSessionSize,
    reads=("streams",),
    compute=compute,
    question=Question(to_json=_to_json, to_lines=_to_lines),
)
