"""Event tables while they are read: nobody waits without need, nobody sees half of a day."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial

import polars as pl
import psycopg2
import pytest

from dataflow_assets.errors import LockTimeoutError
from dataflow_assets.postgres import locks
from dataflow_assets.postgres.connection import connect
from dataflow_assets.warehouse.events import DayLoad, load_day
from dataflow_assets.warehouse.query import run_query
from dataflow_assets.warehouse.scan import scan_source
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

NEXT = DAY + timedelta(days=1)


def load(url: str, rows: pl.DataFrame, day: date = DAY, version: int = 1) -> DayLoad:
    with connect(url) as connection:
        return load_day(connection, STREAMS, rows.lazy(), version, day, "UTC")


def count_by_frame(url: str) -> int:
    return scan_source(url, STREAMS, "UTC", [DAY]).collect().height


def count_by_query(url: str) -> int:
    result = run_query(url, f"SELECT count(*) FROM warehouse.streams WHERE event_day = '{DAY}'")
    return int(result.rows[0][0])


COUNTS = pytest.mark.parametrize("count", [count_by_frame, count_by_query])


@contextmanager
def held(url: str, statement: str, name: str = "") -> Iterator[int]:
    """A session whose transaction stays open after a statement for as long as the block runs; its number."""
    connection = psycopg2.connect(url, application_name=name)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            yield connection.info.backend_pid
    finally:
        connection.close()


def reader_of(day: date) -> str:
    return f"SELECT count(*) FROM warehouse.streams WHERE event_day = '{day}'"


@pytest.mark.usefixtures("impatient")
def test_an_open_reader_of_one_day_hinders_no_load_of_another(database_url: str) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    with held(database_url, reader_of(DAY)):
        assert load(database_url, sessions(minutes(NEXT, 3)), NEXT).rows == 3
        assert load(database_url, sessions(minutes(NEXT, 5)), NEXT, 2).rows == 5


@pytest.mark.usefixtures("impatient")
def test_an_open_reader_of_all_days_hinders_no_first_load(database_url: str) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    with held(database_url, "SELECT count(*) FROM warehouse.streams"):
        assert load(database_url, sessions(minutes(NEXT, 3)), NEXT).rows == 3


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("loaded_before", [False, True], ids=["first load", "swap"])
def test_readers_of_other_days_do_not_wait_for_an_open_load(database_url: str, loaded_before: bool) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    if loaded_before:
        load(database_url, sessions(minutes(NEXT, 3)), NEXT)
    with ThreadPoolExecutor(1) as pool:
        with held(database_url, "LOCK TABLE ledger.event_days IN SHARE MODE"):
            loading = pool.submit(load, database_url, sessions(minutes(NEXT, 5)), NEXT, 2)
            wait_until_blocked(database_url, 1)
            ask(database_url, f"SET statement_timeout = '60s'; {reader_of(DAY)}")
            assert count_by_frame(database_url) == count_by_query(database_url) == 3
            if not loaded_before:
                assert ask(database_url, f"SET statement_timeout = '60s'; {reader_of(NEXT)}") == [(0,)]
        assert loading.result().rows == 5


@COUNTS
@pytest.mark.usefixtures("patient")
def test_a_reader_that_waited_for_a_swap_sees_the_whole_new_day(database_url: str, count: Callable[[str], int]) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    with ThreadPoolExecutor(2) as pool:
        with held(database_url, "LOCK TABLE ledger.event_days IN SHARE MODE"):
            swap = pool.submit(load, database_url, sessions(minutes(DAY, 5)), DAY, 2)
            wait_until_blocked(database_url, 1)
            seen = pool.submit(count, database_url)
            wait_until_blocked(database_url, 2)
        assert swap.result().rows == 5
        assert seen.result() == 5


@COUNTS
def test_readers_see_only_whole_days_while_swaps_happen(database_url: str, count: Callable[[str], int]) -> None:
    sizes = (200, 500)
    load(database_url, sessions(minutes(DAY, sizes[0])))
    is_over = threading.Event()

    def read_on() -> set[int]:
        seen = set()
        while not is_over.is_set():
            seen.add(count(database_url))
        return seen

    def swap_on() -> None:
        try:
            for version in range(2, 14):
                load(database_url, sessions(minutes(DAY, sizes[version % 2])), DAY, version)
        finally:
            is_over.set()

    reading, swapping = together(read_on, swap_on)
    swapping.result()
    assert reading.result() <= set(sizes)


@pytest.mark.usefixtures("impatient")
def test_a_reader_that_keeps_the_day_makes_the_load_give_up_and_leaves_all_as_it_was(database_url: str) -> None:
    load(database_url, sessions(minutes(DAY, 3)))
    state = "SELECT * FROM ledger.event_days", "SELECT id FROM warehouse.streams ORDER BY id"
    before, tables = [ask(database_url, query) for query in state], tables_of_days(database_url)
    with held(database_url, reader_of(DAY)):
        with pytest.raises(LockTimeoutError, match=f"streams of {DAY}.*try again later"):
            load(database_url, sessions(minutes(DAY, 5)), DAY, 2)
        assert [ask(database_url, query) for query in state] == before
        assert tables_of_days(database_url) == tables
    assert load(database_url, sessions(minutes(DAY, 5)), DAY, 2).rows == 5
    assert ask(database_url, reader_of(DAY)) == [(5,)]


def test_a_load_that_gives_up_says_who_holds_the_day(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", "500ms")
    monkeypatch.setattr(locks, "LOCK_PAUSES", ())
    load(database_url, sessions(minutes(DAY, 3)))
    statement = f"{reader_of(DAY)}\n  AND movie_title = 'Heat'"
    with held(database_url, statement, "night report") as reader, held(database_url, reader_of(NEXT), "bystander"):
        began = f"SELECT date_trunc('second', xact_start) FROM pg_stat_activity WHERE pid = {reader}"
        [(since,)] = ask(database_url, began)
        with pytest.raises(LockTimeoutError) as caught:
            load(database_url, sessions(minutes(DAY, 5)), DAY, 2)
    told = str(caught.value)
    holder = f"session {reader} (night report, in a transaction since {since:%Y-%m-%d %H:%M:%S} UTC, "
    assert f"streams of {DAY} is held by {holder}last statement: {' '.join(statement.split())[:80]})" in told
    assert "bystander" not in told


def test_a_load_waits_for_a_reader_that_ends_in_time(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(locks, "LOCK_PAUSES", (0.02,) * 10_000)
    load(database_url, sessions(minutes(DAY, 3)))
    with ThreadPoolExecutor(1) as pool:
        with held(database_url, reader_of(DAY)):
            loading = pool.submit(load, database_url, sessions(minutes(DAY, 5)), DAY, 2)
            wait_until_blocked(database_url, 1)
        assert loading.result().rows == 5


def test_loads_of_one_day_at_the_same_time_end_in_the_newest(database_url: str) -> None:
    for version in range(1, 11):
        older, newer = (sessions(minutes(DAY, count)) for count in (version, version + 1))
        loads = together(
            partial(load, database_url, older, DAY, 2 * version),
            partial(load, database_url, newer, DAY, 2 * version + 1),
        )
        assert {future.result().rows for future in loads} <= {version, version + 1}
        assert ask(database_url, reader_of(DAY)) == [(version + 1,)]
        assert len(tables_of_days(database_url)) == 2


def test_first_loads_of_several_days_at_the_same_time_all_arrive(database_url: str) -> None:
    days = [DAY + timedelta(days=number) for number in range(4)]
    loads = together(*[partial(load, database_url, sessions(minutes(day, 3)), day) for day in days])
    assert [future.result().rows for future in loads] == [3] * 4
    assert ask(database_url, "SELECT count(*) FROM warehouse.streams") == [(12,)]
