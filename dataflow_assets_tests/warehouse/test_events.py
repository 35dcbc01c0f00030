"""One day of events: the lake's latest rows, each key once, replaced whole."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow_assets.errors import LostRowsError, WarehouseMismatchError
from dataflow_assets.ledger.event_days import read_loaded_days
from dataflow_assets.postgres.connection import AdbcError, connect
from dataflow_assets.warehouse import events
from dataflow_assets.warehouse.events import DayLoad, day_rows, load_day
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS, ask, delivery_id, minutes, sessions, tables_of_days

COLUMNS = ("id", "event_day", *STREAMS.schema.column_names(), "delivery")
ROWS = f"SELECT {', '.join(COLUMNS)} FROM warehouse.streams ORDER BY id"
NEXT = DAY + timedelta(days=1)
VERSIONS = itertools.count(1)


def load(url: str, lake: pl.DataFrame, day: date = DAY, version: int = 1, timezone: str = "UTC") -> DayLoad:
    with connect(url) as connection:
        return load_day(connection, STREAMS, lake.lazy(), version, day, timezone)


def recorded(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "SELECT event_day, lake_version, accepted, rows, superseded FROM ledger.event_days ORDER BY 1")


def test_a_day_holds_the_lakes_rows(database_url: str) -> None:
    lake = sessions([*minutes(DAY, 3), *minutes(NEXT, 2)])
    assert load(database_url, lake) == DayLoad(day=DAY, accepted=3, rows=3, superseded=0)
    found = ask(database_url, ROWS)
    delivery = delivery_id("streams", DAY, "a.csv")
    assert sorted(row[1:] for row in found) == [
        (DAY, "Heat", "u@x", 1.0, start, start + timedelta(hours=1), delivery) for start in minutes(DAY, 3)
    ]
    assert recorded(database_url) == [(DAY, 1, 3, 3, 0)]
    assert ask(database_url, "SELECT declaration FROM ledger.event_days") == [(STREAMS.fingerprint,)]


def test_each_day_has_a_key_and_statistics(database_url: str) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    [(leaf,)] = ask(database_url, "SELECT relid::text FROM pg_partition_tree('warehouse.streams') WHERE isleaf")
    assert ask(database_url, "SELECT reltuples FROM pg_class WHERE oid = %s::regclass", leaf) == [(3.0,)]
    keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'"
    assert ask(database_url, keys, leaf) == [("PRIMARY KEY (id)",)]


def test_loading_again_gives_the_same(database_url: str) -> None:
    lake = sessions(minutes(DAY, 50))
    first = load(database_url, lake)
    before, tables = ask(database_url, ROWS), len(tables_of_days(database_url))
    assert load(database_url, lake, version=2) == first
    assert (ask(database_url, ROWS), recorded(database_url)) == (before, [(DAY, 2, 50, 50, 0)])
    assert len(tables_of_days(database_url)) == tables == 2


def test_a_day_made_from_this_version_is_left_as_it_is_unless_rows_are_gone(database_url: str) -> None:
    first = load(database_url, sessions(minutes(DAY, 3)))
    tables = tables_of_days(database_url)
    assert load(database_url, sessions(minutes(DAY, 3))) == replace(first, is_known=True)
    assert tables_of_days(database_url) == tables
    ask(database_url, "DELETE FROM warehouse.streams WHERE start_at = (SELECT min(start_at) FROM warehouse.streams)")
    assert load(database_url, sessions(minutes(DAY, 3))) == first
    assert ask(database_url, "SELECT count(*) FROM warehouse.streams") == [(3,)]


def test_of_equal_keys_the_one_delivered_last_counts(database_url: str) -> None:
    starts = minutes(DAY, 2)
    lake = pl.concat(
        [
            sessions([starts[0]], megabytes=1, delivered=NEXT, file="b.csv"),
            sessions([starts[0]], megabytes=2, delivered=NEXT, file="a.csv"),
            sessions([starts[0], starts[0]], megabytes=3, delivered=DAY, file="z.csv"),
            sessions([starts[1]], megabytes=4).with_columns(position=pl.lit(9, pl.Int64)),
            sessions([starts[1]], megabytes=5).with_columns(position=pl.lit(10, pl.Int64)),
        ]
    )
    for version, rows in enumerate((lake, lake.reverse())):
        assert load(database_url, rows, version=version) == DayLoad(day=DAY, accepted=6, rows=2, superseded=4)
        assert ask(database_url, "SELECT size_mb FROM warehouse.streams ORDER BY start_at") == [(1.0,), (5.0,)]
        assert recorded(database_url) == [(DAY, version, 6, 2, 4)]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from("ab"), st.integers(0, 9)),
        unique_by=lambda row: row[1:],
        max_size=30,
    )
)
def test_the_latest_row_of_each_key_is_read_off_its_delivery(
    database_url: str, rows: list[tuple[int, int, str, int]]
) -> None:
    frames = [
        sessions([minutes(DAY, 4)[key]], delivered=DAY + timedelta(days=day), file=file, megabytes=number)
        .with_columns(position=pl.lit(position, pl.Int64))
        for number, (key, day, file, position) in enumerate(rows)
    ]  # fmt: skip
    winners = {key: number for number, (key, *_) in sorted(enumerate(rows), key=lambda row: row[1][1:])}
    loaded = load(database_url, pl.concat([sessions([]), *frames]), version=next(VERSIONS))
    found = ask(database_url, "SELECT extract(minute FROM start_at)::int, size_mb FROM warehouse.streams")
    assert dict(found) == winners
    assert (loaded.rows, loaded.superseded) == (len(winners), len(rows) - len(winners))


def test_an_older_version_of_the_lake_never_replaces_a_newer(database_url: str) -> None:
    newer = load(database_url, sessions(minutes(DAY, 3)), version=7)
    before = (ask(database_url, ROWS), recorded(database_url), tables_of_days(database_url))
    stale = load(database_url, sessions(minutes(DAY, 9)), version=6)
    assert stale == DayLoad(day=DAY, accepted=newer.accepted, rows=newer.rows, superseded=0, is_stale=True)
    assert (ask(database_url, ROWS), recorded(database_url), tables_of_days(database_url)) == before


def test_a_day_whose_rows_were_withdrawn_is_empty(database_url: str) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    assert load(database_url, sessions(minutes(NEXT, 3)), version=2) == DayLoad(
        day=DAY, accepted=0, rows=0, superseded=0
    )
    assert ask(database_url, ROWS) == []
    assert len(tables_of_days(database_url)) == 2
    assert recorded(database_url) == [(DAY, 2, 0, 0, 0)]


def test_a_day_that_never_had_rows_can_be_loaded(database_url: str) -> None:
    assert load(database_url, sessions([])).rows == 0
    assert load(database_url, sessions(minutes(DAY, 2)), version=2).rows == 2


def test_the_loaded_days_are_those_with_rows(database_url: str) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    load(database_url, sessions([]), NEXT)
    with connect(database_url) as connection:
        assert read_loaded_days(connection, STREAMS) == {DAY}


def test_a_load_that_fails_in_the_middle_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    before = (ask(database_url, ROWS), recorded(database_url), tables_of_days(database_url))
    # A text that PostgreSQL cannot hold; a table without a place for the record; a sum that does not hold.
    broken = sessions(minutes(DAY, 4)).with_columns(movie_title=pl.lit("a\0b"))
    with pytest.raises(AdbcError):
        load(database_url, broken, version=2)
    ask(database_url, "ALTER TABLE ledger.event_days ADD CONSTRAINT none CHECK (lake_version < 2)")
    with pytest.raises(AdbcError, match="violates check constraint"):
        load(database_url, sessions(minutes(DAY, 4)), version=2)
    monkeypatch.setattr(events, "DayLoad", lambda **facts: DayLoad(**{**facts, "superseded": 1}))
    with pytest.raises(LostRowsError, match=f"streams of {DAY}"):
        load(database_url, sessions(minutes(DAY, 4)), version=2)
    assert (ask(database_url, ROWS), recorded(database_url), tables_of_days(database_url)) == before


def test_a_table_of_other_columns_is_not_swapped_in(database_url: str) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    ask(database_url, "ALTER TABLE warehouse.streams DROP COLUMN size_mb")
    with pytest.raises(WarehouseMismatchError, match=r"warehouse\.streams has no column size_mb\. Nothing was loaded"):
        load(database_url, sessions(minutes(DAY, 4)), version=2)
    assert ask(database_url, "SELECT count(*) FROM warehouse.streams") == [(3,)]


def test_a_day_survives_a_new_column(database_url: str) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    ask(database_url, "ALTER TABLE warehouse.streams ADD COLUMN note text")
    load(database_url, sessions(minutes(DAY, 4)), version=2)
    assert ask(database_url, "SELECT count(*) FROM warehouse.streams WHERE note IS NULL") == [(4,)]


@pytest.mark.parametrize(
    ("timezone", "day", "hours"),
    [
        ("UTC", date(2021, 10, 31), 24),
        ("Europe/Paris", date(2021, 11, 5), 24),
        ("Europe/Paris", date(2021, 10, 31), 25),
        ("Europe/Paris", date(2021, 3, 28), 23),
        ("Asia/Kathmandu", date(2021, 11, 5), 24),
        ("Pacific/Apia", date(2011, 12, 30), 0),
    ],
)
def test_days_are_cut_in_the_business_time_zone(database_url: str, timezone: str, day: date, hours: int) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    every_half_hour = [noon + timedelta(minutes=30 * step) for step in range(-100, 101)]
    edges = [start - timedelta(microseconds=1) for start in every_half_hour]
    lake = sessions([*every_half_hour, *edges])
    load(database_url, lake, day, timezone=timezone)
    found = [start for (start,) in ask(database_url, "SELECT start_at FROM warehouse.streams")]
    zone = ZoneInfo(timezone)
    expected = [start for start in (*every_half_hour, *edges) if start.astimezone(zone).date() == day]
    assert sorted(found) == sorted(expected)
    assert len(found) == 2 * 2 * hours
    assert ask(database_url, "SELECT DISTINCT event_day FROM warehouse.streams") == ([(day,)] if hours else [])


YEARS = st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001
ZONES = st.sampled_from(["UTC", "Europe/Paris", "Pacific/Apia", "America/St_Johns"])


@given(YEARS, ZONES)
def test_every_instant_belongs_to_exactly_one_day(instant: datetime, timezone: str) -> None:
    start = instant.replace(tzinfo=UTC)
    lake = sessions([start]).lazy()
    near = [start.date() + timedelta(days=step) for step in (-2, -1, 0, 1, 2)]
    days = [day for day in near if day_rows(lake, STREAMS, day, timezone).collect().height]
    assert days == [start.astimezone(ZoneInfo(timezone)).date()]


def test_a_day_is_read_from_the_lakes_files_of_its_utc_dates_only() -> None:
    lake = sessions([*minutes(DAY, 2), *minutes(NEXT, 2)]).lazy().with_columns(event_date=pl.lit(NEXT))
    assert day_rows(lake, STREAMS, DAY, "UTC").collect().height == 0
    assert day_rows(lake, STREAMS, NEXT, "UTC").collect().height == 2


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(order=st.permutations(range(4)))
def test_the_order_of_loads_does_not_matter(database_url: str, order: list[int]) -> None:
    ask(database_url, "UPDATE ledger.event_days SET lake_version = 0")
    lakes = [sessions(minutes(DAY, 3 * version), megabytes=version) for version in range(1, 5)]
    for version in order:
        load(database_url, lakes[version], version=version + 1)
    assert ask(database_url, "SELECT count(*), min(size_mb) FROM warehouse.streams") == [(12, 4.0)]
