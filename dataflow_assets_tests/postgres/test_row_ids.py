"""Ids: stable for ever, and different for different keys."""

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from dataflow_assets.postgres.arrow import to_arrow
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.row_ids import ID, row_id
from dataflow_assets_tests.warehouse.builders import ask

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text("0123456789:,|", max_size=5)
KEYS = st.tuples(TEXTS, st.integers(-(2**63), 2**63 - 1), st.datetimes(), TEXTS)
SCHEMA: dict[str, Any] = {"a": pl.String, "b": pl.Int64, "c": pl.Datetime("us"), "d": pl.String}


def ids(frame: pl.DataFrame) -> list[int]:
    return frame.select(row_id(frame.schema, frame.columns)).to_series().to_list()


def uuids(frame: pl.DataFrame) -> list[uuid.UUID]:
    """The ids as PostgreSQL gets them."""
    keyed = frame.select(row_id(frame.schema, frame.columns))
    return [uuid.UUID(bytes=value) for value in to_arrow(keyed).column(ID).to_pylist()]


def test_the_id_of_a_known_key_never_changes() -> None:
    start = datetime(2021, 11, 5, 9, 30, tzinfo=UTC)
    key = pl.DataFrame({"title": ["Amélie, 漢"], "year": [2001], "start": [start]})
    assert [str(value) for value in uuids(key)] == ["f3f10222-fc49-aca6-a2a4-9cf81989abd4"]


def test_postgresql_holds_the_same_id(database_url: str) -> None:
    key = pl.DataFrame({"name": ["Stephen King", "Ursula K. Le Guin"]})
    rows = key.with_columns(row_id(key.schema, ["name"]))
    with connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE public.ids (name text, id uuid)")
        cursor.adbc_ingest("ids", to_arrow(rows), mode="append", db_schema_name="public")
    assert ask(database_url, "SELECT name, id::text FROM ids ORDER BY name") == [
        (name, str(value)) for name, value in zip(key["name"], uuids(key), strict=True)
    ]


@given(st.lists(KEYS, unique=True, max_size=40))
def test_different_keys_have_different_ids(keys: list[tuple[object, ...]]) -> None:
    frame = pl.DataFrame(keys, schema=SCHEMA, orient="row")
    assert len(set(ids(frame))) == len(keys)
    assert len(set(uuids(frame))) == len(keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "bc"), ("ab", "c")), (("", "a"), ("a", "")), (("1:a", "b"), ("1", "a1:b")), (("a|b", "c"), ("a", "b|c"))],
)
def test_parts_do_not_run_into_each_other(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert len(set(ids(pl.DataFrame([one, other], schema=["x", "y"], orient="row")))) == 2


def test_an_instant_counts_the_same_in_every_zone_and_unit() -> None:
    instant = datetime(2021, 10, 31, 0, 30, tzinfo=UTC)
    units = [pl.Series("at", [instant], kind) for kind in (pl.Datetime("ms", "UTC"), pl.Datetime("ns", "Asia/Tokyo"))]
    local = pl.Series("at", [instant.astimezone(timezone(timedelta(hours=2)))], pl.Datetime("us", "Europe/Paris"))
    assert len({ids(series.to_frame())[0] for series in (*units, local)}) == 1


@given(st.lists(st.integers(0, 2**128 - 1), max_size=20), st.integers(0, 5), st.integers(0, 20), st.booleans())
def test_arrow_holds_the_rows_of_any_frame(values: list[int], start: int, count: int, several: bool) -> None:
    whole = pl.DataFrame({"x": range(len(values)), ID: values}, schema={"x": pl.Int64, ID: pl.UInt128})
    if several:
        whole = pl.concat([whole[:2], whole[2:5], whole[5:]], rechunk=False)
    frame = whole[start : start + count]
    table = to_arrow(frame)
    assert table.schema.field(ID).type == pa.binary(16)
    assert table.column("x").to_pylist() == frame["x"].to_list()
    stored = [value.to_bytes(16) for value in frame[ID].to_list()]
    assert table.column(ID).to_pylist() == stored


def test_an_id_does_not_depend_on_the_other_rows() -> None:
    frame = pl.DataFrame({"name": [f"n{number % 7}" for number in range(50)]})
    keyed = frame.with_columns(row_id(frame.schema, ["name"]))
    assert keyed[ID].n_unique() == 7
    assert_series_equal(keyed[13:][ID], pl.Series(ID, ids(frame[13:]), pl.UInt128))
