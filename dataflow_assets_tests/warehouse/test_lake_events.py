"""What of the lake counts is what the warehouse's table would hold, with and without keys that move to another day."""

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dataflow_assets.postgres.connection import connect
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.lake_events import current_rows
from dataflow_assets.warehouse.scan import scan_source
from dataflow_assets_tests.examples import examples
from dataflow_assets_tests.warehouse.builders import STREAMS

ZONE = "Europe/Paris"
DAYS = [date(2021, 12, day) for day in range(1, 5)]
VERSIONS = count(1)
USERS, HOURS = st.sampled_from("ab"), st.integers(0, 30)
ROWS = st.lists(st.tuples(USERS, st.integers(1, 4), HOURS, st.integers(0, 2)), min_size=1, max_size=12)


def lake_of(rows: list[tuple[str, int, int, int]]) -> pl.DataFrame:
    """Rows of the lake: who, from when on, and in which of three objects, the first of which was delivered last."""
    starts = [datetime(2021, 12, day + hours // 24, hours % 24, tzinfo=UTC) for _, day, hours, _ in rows]
    return pl.DataFrame(
        {
            "movie_title": ["Rust"] * len(rows),
            "user_email": [f"{user}@x.example" for user, *_ in rows],
            "size_mb": [float(number) for number in range(len(rows))],
            "start_at": starts,
            "end_at": starts,
            "position": range(len(rows)),
            "object": [f"landing/streams/{number}.csv" for *_, number in rows],
            "delivery": [number + 1 for *_, number in rows],
            "delivery_day": [date(2021, 12, 31 - number) for *_, number in rows],
            "event_date": [start.date() for start in starts],
        },
        schema_overrides=STREAMS.schema.create_empty().schema
        | {"position": pl.Int64(), "delivery": pl.Int64(), "start_at": pl.Datetime("us", "UTC")},
    )


@pytest.mark.parametrize("happens_once", [False, True])
@examples(1 / 3)
@given(rows=ROWS)
def test_what_counts_in_the_lake_is_what_the_table_holds(
    database_url: str, happens_once: bool, rows: list[tuple[str, int, int, int]]
) -> None:
    key = ("user_email",) if happens_once else STREAMS.key
    source = replace(STREAMS, key=key, happens_once=happens_once)
    lake = lake_of(rows).lazy()
    with connect(database_url) as connection:
        for day in DAYS:
            load_day(connection, source, lake, next(VERSIONS), day, ZONE)
    for days in ([DAYS[0]], DAYS[1:3], DAYS):
        loaded = scan_source(database_url, source, ZONE, days).collect()
        counting = current_rows(lake, source, days, ZONE).collect(engine="streaming")
        assert_frame_equal(counting, loaded, check_row_order=False)
