"""Tables come back as frames of the declared columns, and no more of them is read than is asked for."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import polars as pl
import psycopg2
import pytest
from polars.testing import assert_frame_equal

from dataflow_assets.postgres.connection import AdbcError, connect
from dataflow_assets.sources import all_sources
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.scan import read_tables, scan_source
from dataflow_assets.warehouse.snapshots import load_snapshot
from dataflow_assets_tests.waiting import wait_until
from dataflow_assets_tests.warehouse.builders import (
    AUTHORS,
    DAY,
    STREAMS,
    allow_only,
    ask,
    complete,
    dump,
    minutes,
    sessions,
)

DAYS = [DAY + timedelta(days=number) for number in range(6)]
LAKE = sessions([start for day in DAYS for start in minutes(day, 3)])
Engine = Literal["in-memory", "streaming"]
COLUMNS = STREAMS.schema.column_names()
ENGINES = pytest.mark.parametrize("engine", ["in-memory", "streaming"])


def noon(number: int) -> datetime:
    day = DAYS[number]
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


@pytest.fixture
def url(database_url: str) -> str:
    """A warehouse with six days of three sessions each."""
    with connect(database_url) as connection:
        for day in DAYS:
            load_day(connection, STREAMS, LAKE.lazy(), 1, day, "UTC")
    return database_url


def scan(url: str, *numbers: int) -> pl.LazyFrame:
    return scan_source(url, STREAMS, "UTC", [DAYS[number] for number in numbers])


@contextmanager
def only_days_can_be_read(url: str, *numbers: int) -> Iterator[str]:
    """A session keeps the other days for itself; the URL of a reader that does not wait for them."""
    other = [f"warehouse_days.streams_{day:%Y%m%d}" for number, day in enumerate(DAYS) if number not in numbers]
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {', '.join(other)} IN ACCESS EXCLUSIVE MODE")
            yield f"{url}?options=-c%20lock_timeout%3D100ms"
    finally:
        connection.close()


@ENGINES
def test_days_come_back_as_they_were_delivered(url: str, engine: Engine) -> None:
    found = scan_source(url, STREAMS, "UTC").collect(engine=engine)
    assert_frame_equal(found.sort("start_at"), LAKE.select(COLUMNS))


def test_of_days_with_gaps_no_day_between_is_read(url: str) -> None:
    with only_days_can_be_read(url, 0, 1, 4) as reader:
        found = scan(reader, 4, 0, 1).collect().sort("start_at")
        with pytest.raises(AdbcError, match="lock timeout"):
            scan(reader, 0, 2).collect()
    assert_frame_equal(found, LAKE.select(COLUMNS).filter(pl.col("start_at").dt.date().is_in(DAYS[:2] + DAYS[4:5])))


@ENGINES
@pytest.mark.parametrize("days", [[], [DAY - timedelta(days=1)]], ids=["no day", "an empty day"])
def test_without_rows_the_columns_keep_their_types(url: str, days: list[date], engine: Engine) -> None:
    found = scan_source(url, STREAMS, "UTC", days).collect(engine=engine)
    assert (found.height, found.schema) == (0, STREAMS.schema.create_empty().schema)


@ENGINES
@pytest.mark.parametrize(
    ("kept", "days", "rows"),
    [
        ((pl.col("start_at") >= noon(1), pl.col("start_at") < noon(3)), (1, 2, 3), 6),
        ((pl.col("start_at") <= noon(1),), (0, 1), 6),
        ((pl.col("start_at") == noon(2) - timedelta(hours=12),), (2,), 1),
        ((pl.col("end_at") > noon(4),), (2, 3, 4, 5), 3),
        ((pl.col("start_at") > noon(3), pl.col("size_mb") > 0, pl.col("movie_title") == "Heat"), (3, 4, 5), 6),
        ((pl.col("start_at") > noon(4), pl.col("start_at") < noon(2)), (), 0),
    ],
)
def test_days_that_a_filter_leaves_out_are_not_read(
    url: str, kept: tuple[pl.Expr, ...], days: tuple[int, ...], rows: int, engine: Engine
) -> None:
    with only_days_can_be_read(url, *days) as reader:
        assert scan_source(reader, STREAMS, "UTC").filter(*kept).collect(engine=engine).height == rows


@ENGINES
def test_columns_that_are_not_used_are_not_asked_for(url: str, engine: Engine) -> None:
    allow_only(url, {"streams": ("event_day", "size_mb", "start_at")})
    streams = scan(url, 0, 1)
    of_morning = streams.filter(pl.col("start_at") < noon(0)).select(pl.col("size_mb").sum())
    assert of_morning.collect(engine=engine).item() == 3
    assert streams.select("size_mb").head(2).collect(engine=engine).height == 2
    with pytest.raises(AdbcError, match="permission denied"):
        streams.select("size_mb", "end_at").collect(engine=engine)


def test_each_collect_reads_what_is_there_then(url: str) -> None:
    streams = scan(url, 0)
    assert streams.collect().height == 3
    with connect(url) as connection:
        load_day(connection, STREAMS, sessions(minutes(DAY, 5)).lazy(), 2, DAY, "UTC")
    assert streams.collect().height == 5


def test_a_frame_keeps_one_connection_for_as_long_as_it_is_known(url: str) -> None:
    def count() -> int:
        statement = "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database()"
        return int(ask(url, f"{statement} AND pid <> pg_backend_pid()")[0][0])

    def end_others() -> None:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        ask(url, f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE {others}")

    end_others()  # what made the table may be ending still
    streams = scan(url, 0)
    for _ in range(3):
        assert streams.collect().height == 3
    wait_until(lambda: count() == 1)  # those of who asked end soon after
    end_others()
    with pytest.raises(AdbcError):
        streams.collect()
    assert streams.collect().height == 3
    del streams
    gc.collect()
    wait_until(lambda: count() == 0)


def test_every_table_of_a_new_warehouse_is_empty_and_typed(database_url: str) -> None:
    frames = read_tables(database_url, all_sources(), "UTC")
    assert {name: frame.schema for name, frame in frames.items()} == {
        source.name: source.schema.create_empty().schema for source in all_sources()
    }
    assert sum(frame.height for frame in frames.values()) == 0


def test_tables_are_read_by_their_sources_name(url: str) -> None:
    with connect(url) as connection:
        load_snapshot(connection, AUTHORS, dump({"x": None}).lazy(), 1, complete(dump({"x": None})))
    frames = read_tables(url, [STREAMS, AUTHORS], "UTC")
    assert {name: frame.height for name, frame in frames.items()} == {"streams": 18, "authors": 1}
