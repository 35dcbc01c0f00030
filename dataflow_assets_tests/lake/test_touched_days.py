"""The days that are told are those on which events happened."""

from datetime import UTC, datetime

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from dataflow_assets.core.time_windows import day_of
from dataflow_assets.lake.touched_days import ends, spans, touched_days
from dataflow_assets.sources import Events, find_source

STREAMS = find_source("streams")
ZONES = ("UTC", "Europe/Paris", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns", "Australia/Lord_Howe")
INSTANTS = st.datetimes(datetime(2009, 10, 30), datetime(2009, 11, 3), timezones=st.just(UTC)) | st.datetimes(  # noqa: DTZ001
    datetime(1990, 1, 1),  # noqa: DTZ001
    datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(st.lists(st.lists(INSTANTS, min_size=1), max_size=4), st.sampled_from(ZONES))
@example([[datetime(2009, 11, 1, 2, 45, tzinfo=UTC)]], "America/St_Johns")  # 23:15 for the second time
def test_the_days_of_events_are_told_and_no_others(batches: list[list[datetime]], timezone: str) -> None:
    assert isinstance(STREAMS, Events)
    found = []
    for batch in batches:
        rows = pl.DataFrame({"start_at": pl.Series(batch, dtype=pl.Datetime("us", "UTC"))})
        found.append(spans(rows.with_columns(event_date=pl.col("start_at").dt.date()).lazy(), STREAMS).collect())
    assert touched_days(ends(found), timezone) == {day_of(instant, timezone) for batch in batches for instant in batch}
