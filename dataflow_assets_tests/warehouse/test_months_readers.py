"""Merging days into months while others read and load: everybody sees each row once, and every load arrives."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from dataflow_assets.errors import LockTimeoutError
from dataflow_assets.postgres import locks
from dataflow_assets.postgres.connection import AdbcError, connect
from dataflow_assets.warehouse.events import DayLoad
from dataflow_assets.warehouse.small_days import load_small_days
from dataflow_assets_tests.warehouse.builders import STREAMS, ask, tables_of_days, together, wait_until_blocked
from dataflow_assets_tests.warehouse.test_events_readers import held, reader_of
from dataflow_assets_tests.warehouse.test_months import (
    DAYS,
    FIRST,
    LATER,
    MONTH,
    NEXT,
    OF_ALL,
    ZONE,
    at,
    everything,
    load,
    load_all,
    merge,
    names,
)


@pytest.mark.usefixtures("impatient")
def test_a_load_within_a_month_waits_for_no_reader(database_url: str) -> None:
    load_all(database_url)
    merge(database_url)
    with held(database_url, OF_ALL):
        assert load(database_url, DAYS[1], at(DAYS[1], 5), 2).rows == 5
    assert ask(database_url, reader_of(DAYS[1])) == [(5,)]


@pytest.mark.usefixtures("patient")
def test_a_load_within_a_month_keeps_no_reader_waiting(database_url: str) -> None:
    load_all(database_url)
    merge(database_url)
    with ThreadPoolExecutor(1) as pool:
        with held(database_url, "LOCK TABLE ledger.event_days IN SHARE MODE"):
            loading = pool.submit(load, database_url, DAYS[1], at(DAYS[1], 6), 3)
            wait_until_blocked(database_url, 1)
            assert ask(database_url, f"SET statement_timeout = '60s'; {reader_of(DAYS[1])}") == [(10,)]
        assert loading.result().rows == 6
    assert ask(database_url, reader_of(DAYS[1])) == [(6,)]


def test_who_changes_a_month_makes_its_load_give_up(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_all(database_url)
    merge(database_url)
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", "300ms")
    monkeypatch.setattr(locks, "LOCK_PAUSES", ())
    before = everything(database_url)
    with (
        held(database_url, f"LOCK TABLE {MONTH} IN SHARE MODE", "an index"),
        pytest.raises(LockTimeoutError, match=r"streams of 2021-11-05 is held by session \d+ \(an index"),
    ):
        load(database_url, DAYS[1], at(DAYS[1], 5), 2)
    assert everything(database_url) == before
    assert len(names(database_url)) == 3


def test_days_of_one_month_are_loaded_at_once(database_url: str) -> None:
    load_all(database_url)
    merge(database_url)
    for version in range(2, 7):
        rows = {day: at(day, version * (number + 1)) for number, day in enumerate(DAYS)}
        for ended in together(*[partial(load, database_url, day, of_day, version) for day, of_day in rows.items()]):
            assert not ended.result().is_stale
        for day, of_day in rows.items():
            assert ask(database_url, reader_of(day)) == [(of_day.height,)]


@pytest.mark.usefixtures("impatient")
def test_an_open_reader_makes_the_merge_give_up_and_leaves_all_as_it_was(database_url: str) -> None:
    load_all(database_url)
    before, tables = everything(database_url), tables_of_days(database_url)
    with held(database_url, reader_of(NEXT), "a report"):
        with pytest.raises(LockTimeoutError, match=r"streams of 2021-11 is held by session \d+ \(a report"):
            merge(database_url)
        assert (everything(database_url), tables_of_days(database_url)) == (before, tables)
    assert merge(database_url).count == 3
    assert everything(database_url) == before


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("count", [10, 25], ids=["as before", "more rows"])
def test_a_load_that_meets_the_merge_of_its_month_comes_after_it(database_url: str, count: int) -> None:
    load_all(database_url)
    days = [DAYS[1], DAYS[1] + timedelta(days=1)]  # one that is there, and one that never was
    with ThreadPoolExecutor(3) as pool:
        with held(database_url, reader_of(NEXT)):
            merging = pool.submit(merge, database_url)
            wait_until_blocked(database_url, 1)  # all is copied, and a reader keeps it from its place
            loading = [pool.submit(load, database_url, day, at(day, count), 2) for day in days]
            wait_until_blocked(database_url, 3)
        assert merging.result().count == 3
        assert [future.result().rows for future in loading] == [count] * 2
    assert names(database_url)[0] == "streams_202111"
    assert len(names(database_url)) == 3
    assert ask(database_url, OF_ALL) == [(30 + 2 * count,)]


@pytest.mark.usefixtures("patient")
def test_a_merge_waits_for_a_load_of_a_day_of_the_month(database_url: str) -> None:
    load_all(database_url)
    with ThreadPoolExecutor(2) as pool:
        with held(database_url, "LOCK TABLE ledger.event_days IN SHARE MODE"):
            loading = pool.submit(load, database_url, DAYS[1], at(DAYS[1], 25), 2)
            wait_until_blocked(database_url, 1)
            merging = pool.submit(merge, database_url)
            wait_until_blocked(database_url, 2)
        assert loading.result().rows == 25
        assert merging.result().count == 3
    assert ask(database_url, reader_of(DAYS[1])) == [(25,)]


@pytest.mark.usefixtures("patient")
def test_new_days_that_meet_the_merge_of_their_month_are_left_to_be_loaded_one_by_one(database_url: str) -> None:
    load_all(database_url)
    day = DAYS[1] + timedelta(days=1)

    def load_together() -> list[list[DayLoad]]:
        with connect(database_url) as connection:
            return list(load_small_days(connection, STREAMS, at(day, 4).lazy(), 1, [day], ZONE))

    with ThreadPoolExecutor(2) as pool:
        with held(database_url, reader_of(NEXT)):
            merging = pool.submit(merge, database_url)
            wait_until_blocked(database_url, 1)
            loading = pool.submit(load_together)
            wait_until_blocked(database_url, 2)
        assert (merging.result().count, loading.result()) == (3, [])
    assert load(database_url, day, at(day, 4)).rows == 4


def test_readers_see_all_rows_once_while_months_are_merged_and_loaded(database_url: str) -> None:
    days = [FIRST + timedelta(days=number) for number in range(61)]
    load_all(database_url, days, count=3)
    is_over, seen = threading.Event(), set[int]()

    def read_on() -> None:
        while not is_over.is_set():
            seen.update(count for (count,) in ask(database_url, OF_ALL))

    def merge_on() -> None:
        try:
            assert merge(database_url, LATER).count == len(days)
            for version in range(2, 8):
                load(database_url, DAYS[0], at(DAYS[0], 3), version)
        finally:
            is_over.set()

    for ended in together(read_on, merge_on):
        ended.result()
    assert seen == {3 * len(days)}
    assert names(database_url) == ["streams_202111", "streams_202112"]


@pytest.mark.usefixtures("patient")
def test_a_merge_that_is_killed_leaves_the_days(database_url: str) -> None:
    load_all(database_url)
    before, tables = everything(database_url), tables_of_days(database_url)
    with held(database_url, reader_of(NEXT)), ThreadPoolExecutor(1) as pool:
        merging = pool.submit(merge, database_url)
        wait_until_blocked(database_url, 1)
        ask(database_url, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with pytest.raises(AdbcError):
            merging.result()
    assert (everything(database_url), tables_of_days(database_url)) == (before, tables)
    assert merge(database_url).count == 3


def test_two_merges_at_once_do_it_once(database_url: str) -> None:
    load_all(database_url)
    before = everything(database_url)
    for ended in together(*[partial(merge, database_url)] * 2):
        ended.result()
    assert (everything(database_url), len(names(database_url))) == (before, 3)
