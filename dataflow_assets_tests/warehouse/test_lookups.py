"""Looking values up in an event table: which days and which index the server reads, and that swaps keep both."""

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import psycopg2
import pytest
import sqlalchemy as sa

from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.months import merge_old_days
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS, ask, minutes, sessions

PLAIN = replace(STREAMS, name="visits", singular="visit", references=())
INDEXED = replace(PLAIN, indexes=("user_email", "size_mb"))
DAYS = [DAY + timedelta(days=number) for number in range(4)]
OF_MONTHS = [DAY, DAY + timedelta(days=1), date(2021, 12, 31), date(2022, 1, 1)]


class Wide(STREAMS.schema):  # type: ignore[name-defined,misc]
    a_rather_long_name_of_a_column = dy.Int64()


_ATTACHED = """
    SELECT count(*) FROM pg_partition_tree(to_regclass(%s)) JOIN pg_index ON indexrelid = relid
    WHERE isleaf AND indisvalid"""


def make(url: str, source: Events) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        build_metadata([source], {}).create_all(connection)
    engine.dispose()


def load(url: str, source: Events, *days: date, version: int = 1, text: str = "") -> None:
    """Put 1,400 rows of as many users into each day."""
    with connect(url) as connection:
        for day in days:
            rows = sessions(minutes(day, 1400)).with_columns(
                user_email=pl.format("u{}@x{}", "position", pl.lit(text)), size_mb=pl.col("position").cast(pl.Float64)
            )
            load_day(connection, source, rows.lazy(), version, day, "UTC")


def plan(url: str, where: str) -> str:
    return "\n".join(line for (line,) in ask(url, f"EXPLAIN SELECT * FROM warehouse.visits WHERE {where}"))


def attached(url: str) -> list[int]:
    """How many days have each index, as a part of that of the whole table."""
    return [ask(url, _ATTACHED, f"warehouse.visits_by_{column}")[0][0] for column in INDEXED.indexes]


def test_a_value_is_looked_up_by_the_index_of_each_day_that_is_named(database_url: str) -> None:
    make(database_url, INDEXED)
    load(database_url, INDEXED, *DAYS)
    for value in ("user_email = 'u77@x'", "size_mb = 77"):
        found = plan(database_url, f"event_day BETWEEN '{DAYS[1]}' AND '{DAYS[2]}' AND {value}")
        assert found.count("Index Scan") >= 2, found
        assert "Seq Scan" not in found
        for day in DAYS:
            assert (f"visits_{day:%Y%m%d}" in found) == (day in DAYS[1:3]), found
    found = plan(database_url, f"event_day = '{DAY}' AND size_mb BETWEEN 10 AND 12")
    assert "Seq Scan" not in found


def test_a_day_that_is_swapped_has_its_indexes_again(database_url: str) -> None:
    make(database_url, INDEXED)
    load(database_url, INDEXED, *DAYS)
    load(database_url, INDEXED, *DAYS[:2], version=2)
    assert attached(database_url) == [len(DAYS), len(DAYS)]
    found = ask(database_url, "SELECT event_day FROM warehouse.visits WHERE user_email = 'u77@x' ORDER BY 1")
    assert [day for (day,) in found] == DAYS


def test_an_index_may_be_declared_when_days_are_there(database_url: str) -> None:
    make(database_url, PLAIN)
    load(database_url, PLAIN, *DAYS[:2])
    load(database_url, INDEXED, *DAYS[2:])  # before the migration
    (table,) = build_metadata([INDEXED], {}).tables.values()
    engine = sa.create_engine(database_url)
    for index in table.indexes:
        index.create(engine)  # as the migration does
    engine.dispose()
    assert attached(database_url) == [len(DAYS), len(DAYS)]
    indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'warehouse_days' AND tablename = 'visits_%s'"
    for day in DAYS:
        assert ask(database_url, indexes.replace("%s", f"{day:%Y%m%d}")) == [(2,)], "none was made twice"


def merge(url: str, source: Events, before: date) -> None:
    with connect(url) as connection:
        merge_old_days(connection, source, before, "UTC")


def test_values_and_ids_are_looked_up_by_the_indexes_of_each_month(database_url: str) -> None:
    make(database_url, INDEXED)
    load(database_url, INDEXED, *OF_MONTHS)
    merge(database_url, INDEXED, OF_MONTHS[-1])
    assert attached(database_url) == [3, 3]  # two months and a day
    [(one,)] = ask(database_url, "SELECT id::text FROM warehouse.visits WHERE user_email = 'u77@x' LIMIT 1")
    for value in ("user_email = 'u77@x'", "size_mb = 77", f"id = '{one}'"):
        found = plan(database_url, value)
        assert "Seq Scan" not in found, found
        for table in ("visits_202111", "visits_202112", "visits_20220101"):
            assert table in found
    assert ask(database_url, f"SELECT count(*) FROM warehouse.visits WHERE id = '{one}'") == [(1,)]


def test_of_a_month_one_day_is_read_in_the_order_of_its_ids(database_url: str) -> None:
    make(database_url, INDEXED)
    load(database_url, INDEXED, *OF_MONTHS)
    merge(database_url, INDEXED, OF_MONTHS[-1])
    found = plan(database_url, f"event_day = '{OF_MONTHS[0]}' ORDER BY id LIMIT 10")
    assert "Index Scan using visits_202111_pkey" in found
    assert "Sort" not in found


@pytest.mark.parametrize("merged", [False, True])
def test_a_range_of_times_reads_the_tables_that_have_any_of_them(database_url: str, merged: bool) -> None:
    make(database_url, INDEXED)
    load(database_url, INDEXED, *OF_MONTHS)
    if merged:
        merge(database_url, INDEXED, OF_MONTHS[-1])
    found = plan(database_url, f"start_at >= '{OF_MONTHS[0]} 03:00+00' AND start_at < '{OF_MONTHS[0]} 04:00+00'")
    assert set(re.findall(r"visits_[0-9]+", found)) == {"visits_202111" if merged else "visits_20211105"}
    found = plan(database_url, f"start_at >= '{OF_MONTHS[-1]} 03:00+00'")
    assert set(re.findall(r"visits_[0-9]+", found)) == {"visits_20220101"}


def test_an_index_may_be_declared_when_days_are_merged(database_url: str) -> None:
    make(database_url, PLAIN)
    load(database_url, PLAIN, *OF_MONTHS)
    merge(database_url, PLAIN, OF_MONTHS[-1])
    (table,) = build_metadata([INDEXED], {}).tables.values()
    engine = sa.create_engine(database_url)
    for index in table.indexes:
        index.create(engine)  # as the migration does
    engine.dispose()
    load(database_url, INDEXED, OF_MONTHS[0], version=2)
    assert attached(database_url) == [3, 3]


@pytest.mark.usefixtures("impatient")
def test_nobody_waits_for_an_index_of_another_day(database_url: str) -> None:
    make(database_url, INDEXED)
    load(database_url, INDEXED, *DAYS[:2])
    with closing(psycopg2.connect(database_url)) as reader, reader.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM warehouse.visits WHERE event_day = '{DAYS[0]}' AND size_mb = 1")
        load(database_url, INDEXED, DAYS[1], version=2)
        load(database_url, INDEXED, DAYS[2])
    assert attached(database_url) == [3, 3]


def test_a_text_of_any_length_has_a_place_in_its_index(database_url: str) -> None:
    make(database_url, INDEXED)
    load(database_url, INDEXED, DAY, text="é" * 20_000)
    assert ask(database_url, "SELECT count(*) FROM warehouse.visits WHERE length(user_email) > 20000") == [(1400,)]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"indexes": ("color",)}, "the index on 'color' is not on a declared column"),
        ({"indexes": ("user_email", "user_email")}, "are on one column"),
        ({"indexes": ("a_rather_long_name_of_a_column",), "name": "v" * 45, "schema": Wide}, "which is too long"),
    ],
)
def test_an_index_is_on_a_column_that_has_one_value(options: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        replace(PLAIN, **options)
