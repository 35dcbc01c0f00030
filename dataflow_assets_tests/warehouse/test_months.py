"""Old days merged into months: the same rows, for every reader, at every moment, and days that can still be loaded."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow_assets.core.cleanup import Freed
from dataflow_assets.errors import LostRowsError
from dataflow_assets.postgres import merged_partitions
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.sql import execute
from dataflow_assets.warehouse import months
from dataflow_assets.warehouse.events import DayLoad, load_day
from dataflow_assets.warehouse.months import merge_old_days
from dataflow_assets.warehouse.orphans import drop_orphan_tables
from dataflow_assets.warehouse.small_days import load_small_days
from dataflow_assets_tests.warehouse.builders import (
    STREAMS,
    ask,
    minutes,
    sessions,
    tables_of_days,
)
from dataflow_assets_tests.warehouse.test_events import recorded
from dataflow_assets_tests.warehouse.test_events_readers import reader_of

ZONE = "America/New_York"  # whose days are not those of UTC
FIRST = date(2021, 11, 1)
DAYS = [FIRST + timedelta(days=number) for number in (0, 4, 29)]  # of November
NEXT = date(2021, 12, 1)
LATER = date(2022, 1, 1)
ROWS = f"SELECT id, event_day, {', '.join(STREAMS.schema.column_names())}, delivery FROM warehouse.streams ORDER BY id"
OF_ALL = "SELECT count(*) FROM warehouse.streams"
MONTH = "warehouse_days.streams_202111"


def at(day: date, count: int, *, file: str = "a.csv", megabytes: float = 1.0) -> pl.DataFrame:
    """So many sessions of a day in New York, a minute apart."""
    starts = [start + timedelta(hours=12) for start in minutes(day, count)]
    return sessions(starts, file=file, megabytes=megabytes)


def load(url: str, day: date, rows: pl.DataFrame, version: int = 1) -> DayLoad:
    with connect(url) as connection:
        return load_day(connection, STREAMS, rows.lazy(), version, day, ZONE)


def load_all(url: str, days: Sequence[date] = (*DAYS, NEXT), count: int = 10) -> None:
    for day in days:
        assert load(url, day, at(day, count)).rows == count


def merge(url: str, before: date = NEXT, *, dry_run: bool = False) -> Freed:
    with connect(url) as connection:
        return merge_old_days(connection, STREAMS, before, ZONE, dry_run=dry_run)


def everything(url: str) -> tuple[Any, ...]:
    return ask(url, ROWS), recorded(url)


def names(url: str) -> list[str]:
    return [name for (name,) in tables_of_days(url)]


def test_a_month_is_one_table_with_all_rows_and_the_days_of_the_others_stay(database_url: str) -> None:
    load_all(database_url)
    before, tables = everything(database_url), tables_of_days(database_url)
    assert merge(database_url, before=DAYS[-1]).count == 0  # November is not over yet
    found = merge(database_url, dry_run=True)
    assert (found.what, found.count, found.size > 0) == ("days merged into months, streams", 3, True)
    assert tables_of_days(database_url) == tables
    assert merge(database_url) == found
    assert (everything(database_url), len(names(database_url)), names(database_url)[0]) == (before, 3, "streams_202111")
    assert merge(database_url).count == 0
    with connect(database_url) as connection:
        assert drop_orphan_tables(connection).count == 0


def test_a_month_of_very_large_days_stays_days(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_all(database_url)
    size, tables = merge(database_url, dry_run=True).size, tables_of_days(database_url)
    monkeypatch.setattr(months, "_MOST_BYTES", size - 1)
    assert (merge(database_url).count, tables_of_days(database_url)) == (0, tables)
    monkeypatch.setattr(months, "_MOST_BYTES", size)
    assert merge(database_url).count == 3


def test_an_old_day_is_loaded_again_within_its_month(database_url: str) -> None:
    load_all(database_url)
    merge(database_url)
    others = f"{ROWS.partition(' ORDER')[0]} WHERE event_day <> '{DAYS[1]}' ORDER BY id"
    before = ask(database_url, others)
    twice = pl.concat([at(DAYS[1], 7), at(DAYS[1], 2, file="b.csv", megabytes=3)])
    assert load(database_url, DAYS[1], twice, 2) == DayLoad(day=DAYS[1], accepted=9, rows=7, superseded=2)
    assert ask(database_url, f"SELECT sum(size_mb) FROM warehouse.streams WHERE event_day = '{DAYS[1]}'") == [(11.0,)]
    assert ask(database_url, others) == before
    assert (DAYS[1], 2, 9, 7, 2) in recorded(database_url)
    assert load(database_url, DAYS[1], at(DAYS[1], 3), 1).is_stale
    assert load(database_url, DAYS[1], twice, 2).is_known
    ask(database_url, f"DELETE FROM warehouse.streams WHERE event_day = '{DAYS[1]}' AND size_mb = 3")
    assert not load(database_url, DAYS[1], twice, 2).is_known
    assert ask(database_url, reader_of(DAYS[1])) == [(7,)]
    assert load(database_url, DAYS[0], at(DAYS[0], 0), 2).rows == 0
    assert ask(database_url, reader_of(DAYS[0])) == [(0,)]
    assert len(names(database_url)) == 3


def test_a_day_that_its_month_never_had_comes_into_the_months_table(database_url: str) -> None:
    load_all(database_url)
    merge(database_url)
    new = [DAYS[0] + timedelta(days=1), NEXT + timedelta(days=1)]
    rows = pl.concat([at(day, 4) for day in new])
    with connect(database_url) as connection:
        [loads] = load_small_days(connection, STREAMS, rows.lazy(), 1, new, ZONE)
        assert [load.day for load in loads] == new[1:]
    assert load(database_url, new[0], rows).rows == 4
    assert ask(database_url, f"SELECT count(*) FROM {MONTH}") == [(34,)]
    assert ask(database_url, OF_ALL) == [(48,)]


def test_a_merge_that_would_lose_rows_changes_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_all(database_url)
    before, tables = everything(database_url), tables_of_days(database_url)

    def lose_one(connection: Any, statement: str, *parameters: object) -> Any:
        return execute(connection, f"{statement} AND size_mb > 1" if "INSERT" in statement else statement, *parameters)

    monkeypatch.setattr(merged_partitions, "execute", lose_one)
    with pytest.raises(LostRowsError, match="streams of 2021-11 has 30 rows, but 0"):
        merge(database_url)
    assert (everything(database_url), tables_of_days(database_url)) == (before, tables)


def test_a_column_that_is_added_later_is_in_months_too(database_url: str) -> None:
    load_all(database_url)
    merge(database_url)
    ask(database_url, "ALTER TABLE warehouse.streams ADD note text")
    assert load(database_url, DAYS[1], at(DAYS[1], 5), 2).rows == 5
    assert ask(database_url, "SELECT count(*), count(note) FROM warehouse.streams") == [(35, 0)]


STEPS = st.one_of(
    st.tuples(st.just("merge"), st.sampled_from([NEXT, LATER]), st.just(0)),
    st.tuples(st.just("load"), st.sampled_from([*DAYS, NEXT]), st.integers(0, 4)),
    st.tuples(st.just("load new"), st.sampled_from([*DAYS, NEXT]), st.integers(0, 4)),
)


def take(url: str, steps: Sequence[tuple[str, date, int]]) -> tuple[Any, ...]:
    """What the table and its record hold after these steps."""
    ask(url, "TRUNCATE ledger.event_days; SELECT")
    for name in names(url):
        ask(url, f"DROP TABLE IF EXISTS warehouse_days.{name} CASCADE")
    version = 0
    for step, day, count in steps:
        if step == "merge":
            merge(url, day)
            continue
        version += 1
        if step == "load new":
            with connect(url) as connection:
                list(load_small_days(connection, STREAMS, at(day, count).lazy(), version, [day], ZONE))
        load(url, day, at(day, count), version)
    return everything(url)


@hypothesis_settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=8))
def test_merging_changes_nothing_of_what_loads_end_in(database_url: str, steps: list[tuple[str, date, int]]) -> None:
    assert take(database_url, steps) == take(database_url, [step for step in steps if step[0] != "merge"])
