"""Collecting rows of other databases: a PostgreSQL server, a DuckDB file and an SQLite file."""

import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dataframely as dy
import duckdb
import polars as pl
import psycopg2
import pytest

from dataflow_assets.collectors import open_collector
from dataflow_assets.collectors.base import CollectError, UnreachableError
from dataflow_assets.lake.readers import parquet
from dataflow_assets.sources.base import Events
from dataflow_assets.sources.formats import Parquet
from dataflow_assets.sources.origins import Query
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.waiting import wait_past_midnight
from dataflow_assets_tests.warehouse.builders import ask

_TABLE = "CREATE TABLE orders (number bigint, placed timestamptz, note text)"
_ROWS = """
    INSERT INTO orders VALUES (1, '2021-12-01 00:00:00+00', 'first'),
    (2, '2021-12-01 23:59:59.999999+00', NULL), (3, '2021-12-02 00:00:00+00', 'Z')"""
PASSING_CODES = ("40001", "40P01", "53300", "25P03", "25P04", "55P03", "57014")

Execute = Callable[..., None]


class Orders(dy.Schema):
    """One order of a shop."""

    number = dy.Int64()
    placed = dy.Datetime(time_zone="UTC")
    note = dy.String(nullable=True)


def source_of(query: str = "SELECT * FROM orders", **more: Any) -> Events:
    """Orders that come from a database."""
    return Events(
        name="orders",
        singular="order",
        description="Orders of the shop.",
        owner="team:shop",
        schema=Orders,
        reader=Parquet(),
        key=("number", "placed"),
        event_time="placed",
        arrives=Query(database="SHOP_DATABASE", query=query, **more),
    )


@pytest.fixture(params=["postgresql", "adbc", "duckdb", "sqlite"])
def execute(
    request: pytest.FixtureRequest, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Execute:
    """Run statements in the shop's database, whose address is in the environment."""
    path, kind = tmp_path / "shop 1", request.param
    server = {"postgresql": empty_database_url, "adbc": f"adbc:postgresql:{empty_database_url}"}
    monkeypatch.setenv("SHOP_DATABASE", server.get(kind, f"{kind}://{path}"))
    connections: dict[str, Callable[[], Any]] = {
        "postgresql": lambda: psycopg2.connect(empty_database_url),
        "adbc": lambda: psycopg2.connect(empty_database_url),
        "duckdb": lambda: duckdb.connect(path),
        "sqlite": lambda: sqlite3.connect(path),
    }

    def run(*statements: str) -> None:
        with closing(connections[kind]()) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    run(_TABLE, _ROWS)
    return run


def numbers(platform: Platform, source: Events) -> dict[str, list[int]]:
    """The numbers of the orders in landing, by object."""
    return {
        name: pl.read_parquet(io.BytesIO(content))["number"].sort().to_list()
        for name, content in platform.landed(source).items()
    }


def test_all_rows_are_a_snapshot_of_each_day(execute: Execute, platform: Platform) -> None:
    wait_past_midnight()
    source, today = source_of(), datetime.now(UTC).date()
    assert platform.collect(source).error is None
    assert numbers(platform, source) == {f"{today}/orders.parquet": [1, 2, 3]}
    assert platform.new(source) == []
    frame = pl.read_parquet(io.BytesIO(next(iter(platform.landed(source).values())))).sort("number")
    assert frame["note"].to_list() == ["first", None, "Z"]
    assert frame["placed"].dt.convert_time_zone("UTC").to_list()[1] == datetime(2021, 12, 1, 23, 59, 59, 999999, UTC)


def test_a_query_may_end_in_a_comment(execute: Execute, platform: Platform) -> None:
    execute("DELETE FROM orders WHERE number = 3")
    query = "SELECT * FROM orders -- and nothing else"
    assert "number, placed, note" in open_collector(source_of(query), "UTC").check()
    source = source_of(query, by_day="placed", first_day=date(2021, 12, 1))
    assert [one.delivery.day for one in platform.collect(source, date(2021, 12, 1)).landed] == [date(2021, 12, 1)]


def test_a_day_lands_once_it_is_over(execute: Execute, platform: Platform, tmp_path: Path) -> None:
    wait_past_midnight()
    now = datetime.now(UTC)
    first = now.date() - timedelta(days=3)
    for days, number in ((3, 10), (1, 11), (0, 12)):
        execute(f"INSERT INTO orders VALUES ({number}, '{now.date() - timedelta(days=days)} 00:00:00+00', NULL)")
    source = source_of(by_day="placed", first_day=first, settle_hours=0)
    assert platform.collect(source).error is None
    assert numbers(platform, source) == {
        f"{first}/orders.parquet": [10],
        f"{first + timedelta(days=1)}/orders.parquet": [],
        f"{first + timedelta(days=2)}/orders.parquet": [11],
    }
    assert platform.new(source) == []
    for content in platform.landed(source).values():  # also of a day without rows, or without one note
        (landed := tmp_path / "orders.parquet").write_bytes(content)
        parquet.check(landed, source)


def test_what_the_database_says_is_told(execute: Execute, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    said = str(platform.collect(source_of("SELECT nothing FROM orders")).error)
    assert "the database of SHOP_DATABASE refuses the query" in said
    with pytest.raises(CollectError, match="has no column updated"):
        open_collector(source_of(by_day="updated", first_day=date(2021, 1, 1)), "UTC").check()
    for password in ("s3cret", "s3cret[1"):
        monkeypatch.setenv("SHOP_DATABASE", f"postgresql://me:{password}@127.0.0.1:1/shop")
        error = platform.collect(source_of()).error
        assert isinstance(error, UnreachableError)
    assert "s3cret" not in str(error)
    monkeypatch.setenv("SHOP_DATABASE", "postgresql://me:s3@cret@127.0.0.1:1/shop")
    said = str(platform.collect(source_of()).error)
    assert (
        said
        == "The address of the database of SHOP_DATABASE must have %40 for @, %2F for / and %23 for # in its password."
    )
    monkeypatch.setenv("SHOP_DATABASE", "oracle://shop")
    assert "none that can be asked" in str(platform.collect(source_of()).error)
    monkeypatch.setenv("SHOP_DATABASE", "adbc:postgresql:me:s3cret@shop")  # which its driver quotes
    assert 'after "me:********@shop"' in str(platform.collect(source_of()).error)
    monkeypatch.setenv("SHOP_DATABASE", "adbc:oracle:me:s3cret@shop")
    error = platform.collect(source_of()).error
    assert str(error).endswith("is asked by the Python package adbc-driver-oracle, which is not there.")
    assert numbers(platform, source_of()) == {}


_LATE = {
    "postgresql": ("SELECT k AS number, 1 / (k - 4000) AS part FROM generate_series(1, 10000) k", "division by zero"),
    "duckdb": (
        "SELECT k AS number, CAST(CASE k WHEN 400000 THEN 'x' ELSE '1' END AS int) AS part FROM range(500000) t(k)",
        "Error",
    ),
    "sqlite": ("SELECT 1 AS number, abs(-9223372036854775807 - 1) AS part", "integer overflow"),
}


def test_what_the_database_says_while_rows_come_is_told(
    execute: Execute, platform: Platform, request: pytest.FixtureRequest
) -> None:
    kind = str(request.node.callspec.params["execute"])
    query, said = _LATE["postgresql" if kind == "adbc" else kind]
    error = platform.collect(source_of(query)).error
    assert isinstance(error, CollectError)
    assert not isinstance(error, UnreachableError)
    assert "the database of SHOP_DATABASE refuses the query: " in str(error)
    assert said in str(error)
    assert len(str(error).splitlines()) == 1
    assert numbers(platform, source_of()) == {}


@pytest.mark.parametrize("prefix", ["", "adbc:postgresql:"])
@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("pg_terminate_backend(pg_backend_pid())::text", "does not answer"),
        ("failed('57P05')", "does not answer"),
        *((f"failed('{code}')", "cannot answer the query for now") for code in PASSING_CODES),
    ],
)
def test_a_failure_that_passes_while_rows_come_is_told_from_a_refusal(
    action: str, told: str, prefix: str, empty_database_url: str, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(
        empty_database_url,
        "CREATE FUNCTION failed(code text) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'made up' USING ERRCODE = code; END $$",
    )
    monkeypatch.setenv("SHOP_DATABASE", prefix + empty_database_url)
    source = source_of(
        f"SELECT k AS number, CASE k WHEN 4000 THEN {action} END AS note FROM generate_series(1, 10000) k"
    )
    error = platform.collect(source).error
    assert isinstance(error, UnreachableError)
    assert f"the database of SHOP_DATABASE {told} (" in str(error)
    assert platform.landed(source) == {}


def test_a_type_that_parquet_has_not_is_told(
    tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb.connect(tmp_path / "shop").close()
    monkeypatch.setenv("SHOP_DATABASE", f"duckdb://{tmp_path / 'shop'}")
    error = platform.collect(source_of("SELECT 1 AS number, INTERVAL 1 DAY AS since")).error
    assert "gives what Parquet cannot hold; cast it in the query: Unhandled type" in str(error)


@pytest.mark.parametrize(
    ("column", "kind"),
    {
        "12.34::money AS total": "money",
        "4294967295::oid AS total": "oid",
        "ARRAY[12.34::money] AS total": "money",
        "'1 day'::interval AS total": "interval",
        "row(1, 'x') AS total": "record",
        "'{\"(1,{a})\"}'::pair[] AS total": "pair",
        "'10.0.0.1'::inet AS total": "inet",
        "'12:30+02'::timetz AS total": "timetz",
        "ARRAY[B'101'] AS total": "bit",
        "'{[1,3)}'::int4multirange AS total": "int4multirange",
    }.items(),
)
@pytest.mark.parametrize("prefix", ["", "adbc:postgresql:"])
def test_a_column_of_postgresql_whose_values_would_be_others_is_refused(
    prefix: str, column: str, kind: str, empty_database_url: str, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(empty_database_url, "CREATE TYPE pair AS (number int, tags text[])")
    monkeypatch.setenv("SHOP_DATABASE", prefix + empty_database_url)
    source = source_of(f"SELECT 1::bigint AS number, {column}")
    said = str(platform.collect(source).error)
    assert f"the column total, of the type {kind}, which would have other values: cast it in the query" in said
    assert platform.landed(source) == {}
    with pytest.raises(CollectError, match="the column total, of the type"):
        open_collector(source, "UTC").check()


@pytest.mark.parametrize("prefix", ["", "adbc:postgresql:"])
def test_a_list_of_lists_of_postgresql_is_refused_and_a_list_is_not(
    prefix: str, empty_database_url: str, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DATABASE", prefix + empty_database_url)
    nested = source_of(
        "SELECT k AS number, CASE k WHEN 5000 THEN '{{a,b},{c,d}}' END::text[] AS \"its tags\" "
        "FROM generate_series(1, 9000) k"
    )
    said = str(platform.collect(nested).error)
    assert (
        "an array of several dimensions in the column its tags, which would be one list: cast it in the query" in said
    )
    assert platform.landed(nested) == {}
    flat = source_of(
        "SELECT k AS number, '{a,NULL}'::text[] AS tags, '{}'::int[] AS none FROM generate_series(9000, 1, -1) k -- all"
    )
    assert platform.collect(flat).error is None
    frame = pl.read_parquet(io.BytesIO(*platform.landed(flat).values()))
    assert frame.columns == ["number", "tags", "none"]
    assert frame["number"].to_list() == list(range(9000, 0, -1))
    assert frame.row(0) == (9000, ["a", None], [])


@pytest.mark.parametrize(
    "column",
    [
        "CASE k WHEN 5000 THEN 'infinity' ELSE '9999-12-31' END::date",
        "CASE k WHEN 5000 THEN '-infinity' ELSE '0001-01-01' END::timestamp",
        "CASE k WHEN 5000 THEN 'infinity' END::timestamptz",
        "'10000-01-01 00:00:00+00'::timestamptz",
        "'0001-12-31 BC'::date",
        "ARRAY[NULL, '-infinity'::date]",
        "(1, 'infinity')::stay",
        "CASE k WHEN 5000 THEN '24:00' ELSE '23:59:59.999999' END::time",
    ],
)
@pytest.mark.parametrize("prefix", ["", "adbc:postgresql:"])
def test_a_date_outside_the_calendar_is_refused(
    prefix: str, column: str, empty_database_url: str, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(empty_database_url, "CREATE TYPE stay AS (room int, until timestamptz)")
    monkeypatch.setenv("SHOP_DATABASE", prefix + empty_database_url)
    source = source_of(f"SELECT k AS number, {column} AS until FROM generate_series(1, 9000) k")
    said = str(platform.collect(source).error)
    assert "outside the years 1 to 9999, such as infinity, or the time 24:00, in the column until, which would " in said
    assert platform.landed(source) == {}


def test_the_first_and_the_last_instant_of_the_calendar_are_not(
    empty_database_url: str, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DATABASE", empty_database_url)
    source = source_of(
        "SELECT 1 AS number, '0001-01-01'::timestamp AS first, '9999-12-31 23:59:59.999999'::timestamp AS last, "
        "ARRAY['0001-01-01', NULL, '9999-12-31']::date[] AS days, NULL::date AS none"
    )
    assert platform.collect(source).error is None
    [content] = platform.landed(source).values()
    days = [date.min, None, date.max]
    assert pl.read_parquet(io.BytesIO(content)).row(0) == (1, datetime.min, datetime.max, days, None)  # noqa: DTZ901
