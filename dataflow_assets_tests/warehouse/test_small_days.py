"""Small days of events that are loaded together are those loaded one by one, and all there or none."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.errors import LockTimeoutError, LostRowsError
from dataflow_assets.postgres import locks
from dataflow_assets.postgres.connection import AdbcError, connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse import small_days
from dataflow_assets.warehouse.events import DayLoad, load_day
from dataflow_assets.warehouse.small_days import load_small_days
from dataflow_assets_tests.examples import examples
from dataflow_assets_tests.warehouse.builders import (
    DAY,
    STREAMS,
    ask,
    minutes,
    sessions,
    tables_of_days,
    together,
    wait_until_blocked,
)
from dataflow_assets_tests.warehouse.test_events import ROWS, recorded
from dataflow_assets_tests.warehouse.test_events_readers import held, reader_of

ZONE = "America/New_York"  # whose days are not those of UTC
DAYS = [DAY + timedelta(days=number) for number in range(4)]
INDEXED = replace(STREAMS, indexes=("user_email", "start_at"))
NAMED = r"regexp_replace({}, '(_[0-9]{{8}})_[0-9a-f]{{8}}', '\1', 'g')"  # a part of each name is made up
TABLES = f"""
    SELECT inhparent::regclass::text, {NAMED.format("inhrelid::regclass::text")}, reltuples,
        (SELECT string_agg(definition, '; ' ORDER BY definition) FROM (
            SELECT {NAMED.format("pg_get_indexdef(indexrelid)")} FROM pg_index WHERE indrelid = inhrelid
            UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = inhrelid
        ) AS found (definition))
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE relkind IN ('r', 'p')
    ORDER BY 1, 2"""


def lake_of(*counts: int) -> pl.DataFrame:
    """So many sessions on each of the days in UTC, from their first minute on."""
    starts = [start for day, count in zip(DAYS, counts, strict=False) for start in minutes(day, count)]
    return sessions(starts)


def load(
    url: str, lake: pl.DataFrame, days: Sequence[date] = DAYS, version: int = 1, source: Events = STREAMS
) -> list[DayLoad]:
    with connect(url) as connection:
        return list(chain.from_iterable(load_small_days(connection, source, lake.lazy(), version, days, ZONE)))


def load_alone(url: str, lake: pl.DataFrame, day: date, version: int = 1, source: Events = STREAMS) -> DayLoad:
    with connect(url) as connection:
        return load_day(connection, source, lake.lazy(), version, day, ZONE)


def all_of(url: str) -> tuple[Any, ...]:
    return ask(url, ROWS), recorded(url), ask(url, TABLES)


def test_new_days_loaded_together_are_those_loaded_one_by_one(database_url: str) -> None:
    lake = lake_of(400, 7, 310, 0)
    loads = load(database_url, lake, source=INDEXED)
    assert [load.rows for load in loads] == [167, 240, 70, 0]
    assert ask(database_url, "SELECT count(DISTINCT xmin::text) FROM warehouse.streams") == [(1,)]
    found = all_of(database_url)
    ask(database_url, "DROP TABLE " + ", ".join(f"warehouse_days.streams_{day:%Y%m%d}" for day in DAYS) + " CASCADE")
    ask(database_url, "TRUNCATE ledger.event_days")
    assert [load_alone(database_url, lake, day, source=INDEXED) for day in DAYS] == loads
    assert all_of(database_url) == found
    assert len(found[2]) == 2 * len(DAYS)


def test_days_that_were_loaded_before_or_hold_a_key_twice_are_loaded_with_the_others(database_url: str) -> None:
    load_alone(database_url, lake_of(400), DAYS[0])
    twice = pl.concat([lake_of(0, 400, 400, 400), sessions(minutes(DAYS[2], 1), file="b.csv")])
    loads = load(database_url, twice, version=2)
    assert [(load.day, load.rows, load.superseded) for load in loads] == [
        (DAYS[0], 240, 0),
        (DAYS[1], 400, 1),
        (DAYS[2], 460, 0),
        (DAYS[3], 100, 0),
    ]
    assert ask(database_url, "SELECT count(DISTINCT xmin::text) FROM warehouse.streams") == [(1,)]
    assert len(tables_of_days(database_url)) == 2 * len(DAYS)


def test_what_this_version_of_the_lake_gave_or_a_newer_one_is_left_alone(database_url: str) -> None:
    load_alone(database_url, lake_of(400), DAYS[0], version=2)
    load_alone(database_url, lake_of(400, 400), DAYS[1], version=3)
    before = all_of(database_url)
    assert load(database_url, lake_of(3, 3), DAYS[:2], version=2) == []
    assert all_of(database_url) == before
    assert [one.day for one in load(database_url, lake_of(0, 0, 3, 3), version=2)] == DAYS[2:]


_EVENTS = st.lists(st.tuples(st.integers(0, 95), st.sampled_from("ab"), st.integers(0, 3)), max_size=30)


def lake_at(found: list[tuple[int, str, int]]) -> pl.DataFrame:
    """Sessions, each by its hour, its user and the number of its delivery; many have the same key."""
    start = datetime(DAY.year, DAY.month, DAY.day, 4, tzinfo=UTC)
    rows = [
        sessions(
            [start + timedelta(hours=hour)],
            delivered=DAY + timedelta(days=number % 2),
            file=f"{number}.csv",
            megabytes=position,
            user=user,
        ).with_columns(position=pl.lit(position, pl.Int64))
        for position, (hour, user, number) in enumerate(found)
    ]
    return pl.concat([lake_of(), *rows])


@given(
    lakes=st.lists(_EVENTS, min_size=1, max_size=3),
    asked=st.lists(st.sets(st.sampled_from(DAYS), min_size=1), min_size=3, max_size=3),
    happens_once=st.booleans(),
)
@examples(0.3)
def test_any_days_loaded_together_are_those_loaded_one_by_one(
    database_url: str, lakes: list[list[tuple[int, str, int]]], asked: list[set[date]], happens_once: bool
) -> None:
    source = replace(STREAMS, key=("user_email",), happens_once=True) if happens_once else STREAMS

    def outcome(is_together: bool) -> tuple[Any, ...]:
        days = [row[0] for row in recorded(database_url)]
        if days:
            tables = ", ".join(f"warehouse_days.streams_{day:%Y%m%d}" for day in days)
            ask(database_url, f"DROP TABLE {tables} CASCADE")
        ask(database_url, "TRUNCATE ledger.event_days")
        for version, (found, wanted) in enumerate(zip(lakes, asked, strict=False), start=1):
            lake = lake_at(found)
            loaded = load(database_url, lake, sorted(wanted), version, source) if is_together else []
            for day in sorted(wanted - {one.day for one in loaded}):
                load_alone(database_url, lake, day, version, source)
        return all_of(database_url)

    assert outcome(is_together=True) == outcome(is_together=False)


def test_a_transaction_has_small_days_of_a_batch_of_rows(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_days, "BATCH_ROWS", 100)
    days = [DAY + timedelta(days=number) for number in range(12)]
    # A day in New York has hours of two dates of UTC, and might have all of their rows.
    lake = sessions([start for day in days for start in minutes(day, 10)])
    assert [load.day for load in load(database_url, lake, days)] == days
    transactions = "SELECT min(event_day), sum(rows) FROM ledger.event_days GROUP BY xmin::text ORDER BY 1"
    assert ask(database_url, transactions) == [(days[0], 90), (days[9], 20)]
    more = pl.concat([lake, sessions(minutes(days[3], 1), file="b.csv", user="b")])
    assert [load.day for load in load(database_url, more, days, version=2)] == [*days[:2], *days[4:]]


def test_keys_that_happen_once_are_left_to_loading_one_by_one(database_url: str) -> None:
    assert (
        load(database_url, lake_of(3, 3), source=replace(STREAMS, key=("user_email", "movie_title"), happens_once=True))
        == []
    )


def test_where_one_of_several_days_fails_none_is_there(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_alone(database_url, lake_of(3), DAY - timedelta(days=1))
    before = all_of(database_url)
    broken = lake_of(400, 400, 400).with_columns(movie_title=pl.lit("a\0b"))
    with pytest.raises(AdbcError):
        load(database_url, broken)
    ask(database_url, f"CREATE TABLE warehouse_days.streams_{DAYS[1]:%Y%m%d} (x int)")
    with pytest.raises(AdbcError, match="cannot be performed"):
        load(database_url, lake_of(400, 400, 400))
    ask(database_url, f"DROP TABLE warehouse_days.streams_{DAYS[1]:%Y%m%d}")
    monkeypatch.setattr(small_days, "DayLoad", lambda **facts: DayLoad(**{**facts, "rows": 1}))
    with pytest.raises(LostRowsError, match=f"streams of {DAYS[0]} to {DAYS[3]}"):
        load(database_url, lake_of(400, 400, 400))
    assert all_of(database_url) == before


def test_readers_neither_wait_for_new_days_nor_keep_them_waiting(database_url: str) -> None:
    load_alone(database_url, lake_of(3), DAY - timedelta(days=1))
    of_all = "SELECT count(*) FROM warehouse.streams"
    with held(database_url, of_all), ThreadPoolExecutor(1) as pool:
        with held(database_url, "LOCK TABLE ledger.event_days IN SHARE MODE"):
            loading = pool.submit(load, database_url, lake_of(0, 400, 400))
            wait_until_blocked(database_url, 1)  # to record what it has attached
            assert ask(database_url, f"SET statement_timeout = '5s'; {of_all}") == [(3,)]
            assert ask(database_url, f"SET statement_timeout = '5s'; {reader_of(DAYS[1])}") == [(0,)]
        assert sum(load.rows for load in loading.result()) == 800
    assert ask(database_url, of_all) == [(803,)]


def test_a_reader_of_one_day_keeps_the_others_as_they_are_but_no_reader_of_theirs_waiting(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(database_url, lake_of(400, 400))
    before = all_of(database_url)
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", "300s")
    with held(database_url, reader_of(DAYS[1])), ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, database_url, lake_of(3, 3), version=2)
        while not loading.done():
            assert ask(database_url, f"SET statement_timeout = '100s'; {reader_of(DAYS[0])}") == [(400,)]
        with pytest.raises(LockTimeoutError, match=f"streams of {DAYS[0]} to {DAYS[3]} is held by another session"):
            loading.result()
    assert all_of(database_url) == before
    assert [one.rows for one in load(database_url, lake_of(3, 3), version=2)] == [3, 0, 0, 0]


def test_a_session_that_is_killed_leaves_no_day(database_url: str) -> None:
    with held(database_url, "LOCK TABLE ledger.event_days IN SHARE MODE"), ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, database_url, lake_of(400, 400))
        wait_until_blocked(database_url, 1)
        ask(database_url, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with pytest.raises(AdbcError):
            loading.result()
    assert (tables_of_days(database_url), recorded(database_url)) == ([], [])
    assert len(load(database_url, lake_of(400, 400))) == 4


def test_a_day_that_is_loaded_meanwhile_from_a_newer_version_stays(database_url: str) -> None:
    lock = f"hashtextextended('streams/{DAYS[1]}', 0)"
    with connect(database_url) as connection, ThreadPoolExecutor(1) as pool:
        execute(connection, f"SELECT pg_advisory_lock({lock})")  # of the session, whose own load does not wait for it
        connection.commit()
        loading = pool.submit(load, database_url, lake_of(0, 3), version=1)
        wait_until_blocked(database_url, 1)
        load_day(connection, STREAMS, lake_of(0, 400).lazy(), 2, DAYS[1], ZONE)
        execute(connection, f"SELECT pg_advisory_unlock({lock})")
        assert loading.result() == []
    assert [row[:2] for row in recorded(database_url)] == [(DAYS[1], 2)]


def test_the_same_new_days_loaded_by_two_are_there_once(database_url: str) -> None:
    both = together(*[lambda: load(database_url, lake_of(400, 400))] * 2)
    assert sorted(len(future.result()) for future in both) == [0, 4]
    assert ask(database_url, "SELECT count(*) FROM warehouse.streams") == [(560,)]
