"""What the planner knows of an event table as a whole, gathered beside loads and readers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg2
import pytest

from dataflow_assets.errors import LockTimeoutError
from dataflow_assets.postgres import locks
from dataflow_assets.postgres.connection import connect
from dataflow_assets.warehouse.analyze import analyze_events
from dataflow_assets.warehouse.events import DayLoad, load_day
from dataflow_assets_tests.warehouse.builders import (
    DAY,
    STREAMS,
    ask,
    minutes,
    sessions,
    together,
    wait_until_blocked,
)

DAYS = [DAY + timedelta(days=number) for number in range(3)]


def load(url: str, *, version: int = 1, count: int = 100) -> list[DayLoad]:
    """Load so many sessions into each day."""
    with connect(url) as connection:
        lakes = {day: sessions(minutes(day, count)).lazy() for day in DAYS}
        return [load_day(connection, STREAMS, lake, version, day, "UTC") for day, lake in lakes.items()]


def analyze(url: str) -> None:
    with connect(url) as connection:
        analyze_events(connection, STREAMS)


def known_rows(url: str) -> float:
    """How many rows the planner believes the whole table to have; -1 before it was told."""
    return float(ask(url, "SELECT reltuples FROM pg_class WHERE oid = 'warehouse.streams'::regclass")[0][0])


def test_the_planner_learns_of_all_days_and_each_day_is_left_as_it_is(database_url: str) -> None:
    load(database_url)
    ask(database_url, "DELETE FROM warehouse.streams WHERE event_day = %s", DAY)  # which its own statistics do not know
    assert known_rows(database_url) == -1
    analyze(database_url)
    assert known_rows(database_url) == 200
    distinct = "SELECT n_distinct FROM pg_stats WHERE schemaname = 'warehouse' AND tablename = 'streams' AND inherited"
    assert ask(database_url, f"{distinct} AND attname = 'event_day'") == [(2.0,)]
    of_days = "SELECT reltuples FROM pg_class WHERE relnamespace = 'warehouse_days'::regnamespace AND relkind = 'r'"
    assert ask(database_url, of_days) == [(100.0,)] * 3


def test_readers_do_not_wait_for_it_nor_it_for_them(database_url: str) -> None:
    load(database_url)
    reader = psycopg2.connect(database_url)
    with reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM warehouse.streams")
        analyze(database_url)
        cursor.execute("ANALYZE ONLY warehouse.streams")
        assert ask(database_url, "SET statement_timeout = '60s'; SELECT count(*) FROM warehouse.streams") == [(300,)]
    reader.close()


def test_loads_and_it_at_the_same_time_all_come_to_their_end(database_url: str) -> None:
    def load_on() -> None:
        for version in range(1, 8):
            load(database_url, version=version, count=100 * version)

    def analyze_on() -> None:
        for _ in range(30):
            analyze(database_url)

    for ended in together(load_on, analyze_on, analyze_on):
        ended.result()
    analyze(database_url)
    assert known_rows(database_url) == 3 * 700


def test_it_waits_for_a_swap_and_says_so_where_that_takes_too_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(database_url)
    swap = psycopg2.connect(database_url, application_name="a slow swap")
    [(day,)] = ask(database_url, "SELECT inhrelid::regclass::text FROM pg_inherits ORDER BY 1 LIMIT 1")
    with swap.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute(f"LOCK TABLE {day} IN ACCESS EXCLUSIVE MODE")
        analyzing = pool.submit(analyze, database_url)
        wait_until_blocked(database_url, 1)
        swap.rollback()
        analyzing.result()
        assert known_rows(database_url) == 300
        cursor.execute(f"LOCK TABLE {day} IN ACCESS EXCLUSIVE MODE")
        monkeypatch.setattr(locks, "LOCK_TIMEOUT", "300ms")
        monkeypatch.setattr(locks, "LOCK_PAUSES", ())
        with pytest.raises(LockTimeoutError, match=r"streams is held by session \d+ \(a slow swap"):
            analyze(database_url)
    swap.close()
