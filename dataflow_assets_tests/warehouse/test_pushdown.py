"""From a filter to the days that have to be read: none too few, and where times are compared, none too many."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.core.time_windows import Window, day_of
from dataflow_assets.warehouse.pushdown import day_bounds
from dataflow_assets_tests.analytics.builders import ZONES
from dataflow_assets_tests.warehouse.builders import STREAMS

started, ended, size = pl.col("start_at"), pl.col("end_at"), pl.col("size_mb")
# Where clocks were set back a minute past midnight, instants of one local date lie before and after some of the next.
NEAR_MIDNIGHT = datetime(2010, 11, 7, 2, 31, tzinfo=UTC)
zones = st.sampled_from(ZONES)
instants = st.one_of(
    st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.timedeltas(-timedelta(days=4), timedelta(days=4)).map(lambda after: NEAR_MIDNIGHT + after),
)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2021, 12, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("predicate", "first", "last"),
    [
        ((started >= at(3)) & (started < at(4, 12)), date(2021, 12, 3), date(2021, 12, 4)),
        ((started > at(3)) & (size > 1) & (started <= at(9)) & (started < at(7)), date(2021, 12, 3), date(2021, 12, 7)),
        (started == at(5), date(2021, 12, 5), date(2021, 12, 5)),
        ((ended > at(5)) & (started < at(6, 1)), date(2021, 12, 3), date(2021, 12, 6)),
        ((started > at(9)) & (started < at(2)), date(2021, 12, 9), date(2021, 12, 2)),
        ((started > at(3)) | (size > 1), date.min, date.max),
        (~(started > at(3)), date.min, date.max),
        ((started - ended < timedelta(0)) & pl.col("user_email").is_null(), date.min, date.max),
        (started > datetime.max.replace(tzinfo=UTC), date.min, date.max),
        (started > pl.lit(None, pl.Datetime("us", "UTC")), date.min, date.max),
    ],
)  # fmt: skip
def test_a_filter_leaves_these_days(predicate: pl.Expr, first: date, last: date) -> None:
    assert day_bounds(predicate, STREAMS, "UTC") == (first, last)


def test_an_end_leaves_no_days_out_where_nobody_says_how_long_events_last() -> None:
    lasting = replace(STREAMS, longest=None)
    assert day_bounds((ended > at(5)) & (started < at(6, 1)), lasting, "UTC") == (date.min, date(2021, 12, 6))
    instants = replace(STREAMS, end_time=None, longest=None)
    assert day_bounds((started >= at(5)) & (ended > at(9)), instants, "UTC") == (date(2021, 12, 5), date.max)


comparisons = st.tuples(st.sampled_from([started, ended]), st.sampled_from([lt, le, gt, ge, eq, ne]))


@given(st.data(), instants, st.timedeltas(timedelta(seconds=1), timedelta(hours=48)), zones)
def test_no_event_that_a_filter_keeps_lies_outside_its_days(
    data: st.DataObject, start: datetime, lasts: timedelta, zone: str
) -> None:
    types = dict.fromkeys(("start_at", "end_at"), pl.Datetime("us", "UTC"))
    event = pl.DataFrame({"start_at": [start], "end_at": [start + lasts]}, schema=types)
    near = st.timedeltas(-timedelta(days=2), timedelta(days=2)).map(lambda after: start + after)
    join: Callable[[pl.Expr, pl.Expr], pl.Expr] = data.draw(st.sampled_from([and_, and_, and_, or_]))
    parts = [
        compare(column, data.draw(near)) for column, compare in data.draw(st.lists(comparisons, min_size=1, max_size=3))
    ]
    predicate = reduce(join, parts)
    if event.filter(predicate).height:
        first, last = day_bounds(predicate, STREAMS, zone)
        assert first <= day_of(start, zone) <= last


@given(instants, zones)
def test_an_instant_lies_in_the_window_of_its_day(instant: datetime, zone: str) -> None:
    window = Window.of_day(day_of(instant, zone), zone)
    assert window.start <= instant < window.end
