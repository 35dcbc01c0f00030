"""Values of SQLite, each of which has a type of its own: they are given as they are, or refused."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.collectors.query.sqlite import read_sqlite
from dataflow_assets.collectors.query.sqlite_values import as_text
from dataflow_assets.lake.readers import read_file
from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Parquet

ANY = dy.Any()
INSTANT = dy.Datetime(time_zone="UTC", nullable=True)


def utc(*parts: int) -> datetime:
    """An instant in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


DAY = utc(2021, 12, 31)


def read(folder: Path, values: Sequence[object], declared: dy.Column = ANY) -> pa.Table:
    """The rows of a table of SQLite with these values, in a column of no type."""
    with closing(sqlite3.connect(folder / "shop.db")) as database:
        database.execute("DROP TABLE IF EXISTS t")
        database.execute("CREATE TABLE t (number INTEGER, value)")
        database.executemany("INSERT INTO t VALUES (?, ?)", enumerate(values, 1))
        database.commit()
    with read_sqlite(folder / "shop.db", "SELECT * FROM t", {"number": dy.Int64(), "value": declared}) as rows:
        return rows.read_all()


def test_a_column_of_sqlite_is_what_all_its_values_are(tmp_path: Path) -> None:
    file = tmp_path / "a?b#.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            'CREATE TABLE t (whole INTEGER, part REAL, mixed INTEGER, raw BLOB, none TEXT, "odd""name" TEXT)'
        )
        rows: list[tuple[Any, ...]] = [(number, 1, None, b"\xff", None, "é") for number in range(30_000)]
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.execute("INSERT INTO t VALUES (-9223372036854775808, 0.5, 'late', NULL, NULL, NULL)")
        database.execute("INSERT INTO t VALUES (NULL, NULL, 7, NULL, NULL, NULL)")
        database.commit()
    with read_sqlite(file, "SELECT * FROM t", {}) as batches:
        frame = pl.DataFrame(pl.from_arrow(batches.read_all()))
    assert dict(frame.schema) == {
        "whole": pl.Int64,
        "part": pl.Float64,
        "mixed": pl.String,
        "raw": pl.Binary,
        "none": pl.Null,
        'odd"name': pl.String,
    }
    assert frame.tail(3).rows() == [
        (29_999, 1.0, None, b"\xff", None, "é"),
        (-9223372036854775808, 0.5, "late", None, None, None),
        (None, None, "7", None, None, None),
    ]


class Kinds(dy.Schema):
    """Columns of types that SQLite does not have."""

    at = dy.Datetime(time_zone="UTC")
    on = dy.Date()
    is_so = dy.Bool()


def test_what_a_source_declares_is_made_of_what_stands_for_it_in_sqlite(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE kinds (at TEXT, [on] TEXT, is_so INTEGER)")
        database.execute("INSERT INTO kinds VALUES ('2021-12-01 23:59:59', '2021-12-01', 1), (NULL, NULL, NULL)")
        database.execute("INSERT INTO kinds VALUES ('2021-12-01T23:59:59.5+01:00', '2021-12-02', 0)")
        database.commit()
        with read_sqlite(file, "SELECT * FROM kinds", Kinds.columns()) as batches:
            rows = pl.DataFrame(pl.from_arrow(batches.read_all())).rows()
        assert rows == [
            (datetime(2021, 12, 1, 23, 59, 59, tzinfo=UTC), date(2021, 12, 1), True),
            (None, None, None),
            (datetime(2021, 12, 1, 22, 59, 59, 500_000, tzinfo=UTC), date(2021, 12, 2), False),
        ]
        database.execute("INSERT INTO kinds VALUES ('yesterday', NULL, NULL)")
        database.commit()
    with (
        pytest.raises(sqlite3.DataError, match=r"the column at holds what is no timestamp.*yesterday"),
        read_sqlite(file, "SELECT * FROM kinds", Kinds.columns()) as batches,
    ):
        batches.read_all()


@pytest.mark.parametrize(
    ("declared", "values", "expected"),
    [
        (ANY, ["x", 0.30000000000000004, 2**63 - 1], ["x", "0.30000000000000004", "9223372036854775807"]),
        (ANY, [b"\xff", "\u00e9", 0.1, 7], [b"\xff", b"\xc3\xa9", b"0.1", b"7"]),
        (ANY, [0.5, 2**53, 2**62, None], [0.5, 2.0**53, 2.0**62, None]),
        (dy.Bool(), [1, 0, None], [True, False, None]),
        (dy.Date(), ["2021-12-31", "20211231"], [date(2021, 12, 31)] * 2),
        (INSTANT, ["20211231T010203", "2021-12-31t01:02:03", "20211231"], [*[utc(2021, 12, 31, 1, 2, 3)] * 2, DAY]),
        (INSTANT, ["2021-12-31T00", "20211231T0000", "2021-12-31 01:00:00+010000", "2021-12-31_00:00:00,0"], [DAY] * 4),
        (INSTANT, ["2021-12-31T00:00:00,5", "0001-01-01"], [utc(2021, 12, 31, 0, 0, 0, 500_000), utc(1, 1, 1)]),
        (INSTANT, ["2021-12-31 00:00:00.0000000", "9999-12-31 00:00:00"], [DAY, utc(9999, 12, 31)]),
        (INSTANT, ["2021-12-31", "9999-12-31 23:59"], [utc(2021, 12, 31), utc(9999, 12, 31, 23, 59)]),
        (INSTANT, ["2021-12-31T01:00:00.123456000+01:00"], [utc(2021, 12, 31, 0, 0, 0, 123456)]),
        (
            INSTANT,
            ["0001-01-01 00:00:00.5Z", "1969-12-31 23:59:59.999999-00"],
            [utc(1, 1, 1, 0, 0, 0, 500_000), utc(1969, 12, 31, 23, 59, 59, 999_999)],
        ),
    ],
)
def test_a_value_of_sqlite_is_given_exactly(
    declared: dy.Column, values: Sequence[object], expected: Sequence[object], tmp_path: Path
) -> None:
    assert read(tmp_path, values, declared)["value"].to_pylist() == expected


@pytest.mark.parametrize(
    ("declared", "values", "said"),
    [
        (dy.Bool(), [1, 2], r"bool \(2, in row 2"),
        (dy.Bool(), [-1], r"bool \(-1, in row 1"),
        (ANY, [*[0.5] * 20_000, 2**53 + 1], r"double \(9007199254740993, in row 20,001"),
        (INSTANT, ["2021-12-31", "2021-W52-5"], r"timestamp\[us, tz=UTC\] \('2021-W52-5', in row 2"),
        (INSTANT, ["2021-12-31", 20211231], r"timestamp\[us, tz=UTC\] \(20211231, in row 2"),
        (INSTANT, ["2021-12-31", 1712121212345], ".*1712121212345, in row 2"),
        (INSTANT, ["20211231T1200", "2021W525T1200"], ".*'2021W525T1200', in row 2"),
        (INSTANT, ["20211231", "1612121212345"], ".*'1612121212345', in row 2"),
        (INSTANT, ["2021-12-31", "2021-12-31+01:00"], r".*'2021-12-31\+01:00', in row 2"),
        (INSTANT, ["2021-12-31 10:00:00.1234567+01:00:00.0000001"], r"timestamp\[ns, tz=UTC\] .*in row 1"),
        (INSTANT, ["2021-12-31 24:30"], ".*'2021-12-31 24:30', in row 1"),
        (INSTANT, ["2021-12-31 00:00:00.0000000001"], ".*in row 1"),
        (
            INSTANT,
            ["2500-01-01", "2021-12-31 00:00:00.000000001"],
            r"timestamp\[us, tz=UTC\] \('2021-12-31.*, in row 2",
        ),
        (INSTANT, ["2021-12-31 00:00:00.000000001", "2500"], r"timestamp\[us, tz=UTC\] .*, in row 1"),
        (dy.Date(), ["2021-12-31", 20211231], r"date32\[day\] \(20211231, in row 2"),
        (dy.Date(), ["2021W525"], ".*'2021W525', in row 1"),
        (dy.Date(), ["2021-W52-5"], ".*'2021-W52-5', in row 1"),
    ],
)
def test_a_value_of_sqlite_that_would_have_to_be_another_is_refused(
    declared: dy.Column, values: Sequence[object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(sqlite3.DataError, match=f"the column value holds what is no {said}"):
        read(tmp_path, values, declared)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("CREATE TABLE t AS SELECT CAST(x'61ff' AS TEXT) AS value")
        database.commit()
    with (
        pytest.raises(sqlite3.DataError, match=r"the column value holds what is no string .*, in row 1"),
        read_sqlite(tmp_path / "shop.db", "SELECT * FROM t", {}) as rows,
    ):
        rows.read_all()


class Seen(dy.Schema):
    """When something was seen."""

    number = dy.Int64()
    value = dy.Datetime(time_zone="UTC", nullable=True)


@pytest.mark.parametrize("mark", [".", ","])
def test_nanoseconds_of_sqlite_are_cut_and_counted_as_those_of_other_formats(mark: str, tmp_path: Path) -> None:
    table = read(tmp_path, [f"2021-12-31 23:59:59{mark}1234569+01:00", "2021-12-31 23:59:59.5"], INSTANT)
    pq.write_table(table, tmp_path / "seen.parquet")
    source = Snapshot(
        name="seen",
        singular="sight",
        description="What was seen.",
        owner="team:shop",
        schema=Seen,
        reader=Parquet(),
        key=("number",),
    )
    batches = list(read_file(tmp_path / "seen.parquet", source).batches)
    rows = pl.concat([batch.rows for batch in batches])["value"].to_list()
    assert rows == [
        utc(2021, 12, 31, 22, 59, 59, 123456),
        utc(2021, 12, 31, 23, 59, 59, 500_000),
    ]
    assert [count for batch in batches for count in batch.repaired.values()] == [1]


def test_a_column_that_sqlite_takes_for_numbers_has_nanoseconds_too(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("CREATE TABLE t (value DATETIME)")
        database.execute("INSERT INTO t VALUES ('2021-12-31 00:00:00.123456789'), (NULL)")
        database.commit()
    with read_sqlite(tmp_path / "shop.db", "SELECT * FROM t", {"value": INSTANT}) as rows:
        column = rows.read_all()["value"]
    assert column.cast(pa.int64()).to_pylist() == [1640908800_123456789, None]


@given(st.floats(allow_nan=False))
def test_the_text_of_a_float_says_it_exactly(value: float) -> None:
    assert float(as_text(value)) == value
