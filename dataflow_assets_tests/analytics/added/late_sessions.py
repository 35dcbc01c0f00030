"""How many sessions start at or after an hour of their day. A test puts this file among the answers."""

from collections.abc import Iterator, Mapping
from typing import Any

import dataframely as dy
import polars as pl

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.question import Option, Question, Reply, show_number
from dataflow_assets.analytics.sessions import starts_in
from dataflow_assets.core.time_windows import Window


class LateSessions(dy.Schema):
    """The late sessions of one day."""

    day = dy.Date(primary_key=True)
    sessions = dy.Int64(min=0)


def compute(streams: pl.LazyFrame, window: Window, late_hour: str = "22") -> pl.LazyFrame:
    """Count the sessions that start in the window at or after an hour of UTC."""
    is_late = pl.col("start_at").dt.hour() >= int(late_hour)
    return streams.filter(starts_in(window), is_late).select(sessions=pl.len().cast(pl.Int64))


def _to_json(reply: Reply) -> dict[str, Any]:
    return {"late": {"hour": int(reply.options["late_hour"]), "sessions": reply.value("sessions", 0)}}


def _to_lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"Sessions from {result['late']['hour']}:00 on", show_number(result["late"]["sessions"], ",d")


ANSWER = Answer(
    name="late_sessions",
    description="Sessions that start late.",
    owner="team:analytics",
    grain="day",
    schema=LateSessions,
    reads=("streams",),
    compute=compute,
    question=Question(
        rows=compute,
        options=(Option(name="late_hour", help="The first late hour, in UTC.", default="22"),),
        to_json=_to_json,
        to_lines=_to_lines,
    ),
)
