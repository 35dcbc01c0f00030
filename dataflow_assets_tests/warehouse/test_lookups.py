"""Looking values up in an event table: which days and which index the server reads, and that swaps keep both."""

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

from dataflow_assets.postgres import locks
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.schema import build_metadata
from dataflow_assets.sources.base import Events
from dataflow_assets.warehouse.events import load_day
from dataflow_assets_tests.warehouse.builders import DAY, STREAMS, ask, minutes, sessions

PLAIN = replace(STREAMS, name="visits", singular="visit", references=())
INDEXED = replace(PLAIN, indexes=("user_email", "size_mb"))
DAYS = [DAY + timedelta(days=number) for number in range(4)]


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


def test_nobody_waits_for_an_index_of_another_day(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make(database_url, INDEXED)
    load(database_url, INDEXED, *DAYS[:2])
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(locks, "LOCK_PAUSES", (0.01,))
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
