"""Rows that are read once for several partitions are, for each of them, those of its days."""

from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dataflow_assets.analytics import find_answer
from dataflow_assets.postgres.connection import connect
from dataflow_assets.sources import find_source
from dataflow_assets.warehouse import held_rows
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.held_rows import hold_rows
from dataflow_assets.warehouse.scan import Table, open_table, scan_source
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS, allow_only, ask, minutes, sessions

ZONE = "America/New_York"  # whose days are not those of UTC
DAYS = [DAY + timedelta(days=number) for number in range(4)]
AVERAGE, ENGAGED = find_answer("average_session"), find_answer("engaged_users")
FEW = ["start_at", "end_at"]


@pytest.fixture
def url(database_url: str) -> str:
    """A warehouse with four days of some sessions, half of them before their days begin in UTC."""
    starts = [start - timedelta(hours=hours) for day in DAYS for hours in (0, -12) for start in minutes(day, 3)]
    with connect(database_url) as connection:
        for day in DAYS:
            load_day(connection, STREAMS, sessions(starts).lazy(), 1, day, ZONE)
    return database_url


def opened(url: str, *names: str) -> dict[str, Table]:
    return {name: open_table(url, find_source(name), ZONE) for name in names}


def test_held_rows_are_read_once_and_cut_by_day(url: str) -> None:
    one_by_one = {day: scan_source(url, STREAMS, ZONE, [day]).select(FEW).collect() for day in DAYS}
    assert {rows.height for rows in one_by_one.values()} == {3, 6}
    held = hold_rows(AVERAGE, opened(url, "streams"), DAYS, ZONE)
    assert held
    ask(url, "TRUNCATE warehouse.streams")
    for day, rows in one_by_one.items():
        assert_frame_equal(held["streams"].scan([day]).select(FEW).collect(), rows, check_row_order=False)
    week = held["streams"].scan(DAYS[1:3]).select(FEW).collect()
    assert_frame_equal(week, pl.concat([one_by_one[day] for day in DAYS[1:3]]), check_row_order=False)


def test_of_other_columns_and_days_nothing_is_held(url: str) -> None:
    allow_only(url, {"streams": ["event_day", *FEW]})
    held = hold_rows(AVERAGE, opened(url, "streams"), DAYS[:2], ZONE)
    assert held
    assert held["streams"].scan(DAYS).collect().columns == sorted(FEW)
    assert held["streams"].scan(DAYS[3:]).collect().is_empty()


def test_more_events_than_fit_into_memory_are_not_held(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = scan_source(url, STREAMS, ZONE, DAYS).collect().height
    monkeypatch.setattr(held_rows, "_MOST_ROWS", rows)
    assert hold_rows(AVERAGE, opened(url, "streams"), DAYS, ZONE)
    monkeypatch.setattr(held_rows, "_MOST_ROWS", rows - 1)
    assert hold_rows(AVERAGE, opened(url, "streams"), DAYS, ZONE) is None


def test_a_large_snapshot_is_read_anew_for_each_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    events, movies = STREAMS.schema.sample(3), find_source("movies").schema.sample(5)
    tables = {"streams": made(events, frozenset(DAYS)), "movies": made(movies, None)}
    for most, is_read_anew in ((5, False), (4, True)):
        monkeypatch.setattr(held_rows, "_MOST_ROWS", most)
        held = hold_rows(ENGAGED, tables, DAYS, ZONE)
        assert held
        assert (held["movies"] is tables["movies"]) == is_read_anew


def made(rows: pl.DataFrame, loaded: frozenset[date] | None) -> Table:
    return Table(lambda _: rows.lazy(), lambda _: 1, loaded)
