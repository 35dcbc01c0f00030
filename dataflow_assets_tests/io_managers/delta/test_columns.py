"""Columns that come and go, other types, and values: stored exactly, or refused."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars._typing import PolarsDataType
from polars.testing.parametric import dataframes

from dataflow_assets.io_managers.delta_columns import stored_type
from dataflow_assets_tests.examples import examples
from dataflow_assets_tests.io_managers.delta.builders import KINDS, Root, Runs, as_kind, failure, local_root
from dataflow_assets_tests.io_managers.delta.test_partitions import BY_DAY, DAILY, DAYS, by_day, files

# columns


def test_a_new_column_is_added_and_a_missing_one_is_null(root: Root) -> None:
    runs = Runs(root.manager(), DAILY, BY_DAY)
    runs.store(by_day(DAYS[0]), DAYS[0])
    before = files(root)
    runs.store(by_day(DAYS[1]).drop("value").with_columns(text=pl.lit("x")), DAYS[1])
    assert before < files(root)
    assert runs.load().sort("day").rows() == [(date(2021, 12, 1), 1, None), (date(2021, 12, 2), None, "x")]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows.with_columns(text=pl.lit("x")), "new are text"),
        (lambda rows: rows.drop("value"), "missing are value"),
        (lambda rows: rows.with_columns(pl.col("value").cast(pl.Int32)), "value of the table some/numbers is Int64"),
    ],
)
def test_a_manager_that_allows_no_change_refuses_it(folder: Root, change: Any, sentence: str) -> None:
    runs = Runs(folder.manager(on_schema_change="error"), DAILY, BY_DAY)
    runs.store(by_day(DAYS[0]), DAYS[0])
    before = files(folder)
    assert sentence in failure(runs.store(change(by_day(DAYS[0])), DAYS[0], is_error=True))
    assert files(folder) == before
    assert runs.store(by_day(DAYS[0], value=2), DAYS[0]).success


@pytest.mark.parametrize("other", ["text", 1.5, date(2021, 12, 1), True, [1], datetime(2021, 12, 1, tzinfo=UTC)])
def test_another_type_is_one_error_before_anything_is_written(folder: Root, other: object) -> None:
    runs = Runs(folder.manager(), DAILY, BY_DAY)
    runs.store(by_day(*DAYS), DAYS[0], DAYS[2])
    before = set(Path(folder.root).rglob("*"))
    rows = by_day(*DAYS).with_columns(value=pl.Series([other] * 3))
    said = failure(runs.store(rows, DAYS[0], DAYS[2], is_error=True))
    assert "The column value of the table some/numbers is Int64, and the frame's is" in said
    assert set(Path(folder.root).rglob("*")) == before


def test_a_local_time_is_no_instant(folder: Root) -> None:
    runs = Runs(folder.manager())
    runs.store(pl.DataFrame({"at": [datetime(2021, 12, 1, tzinfo=UTC)]}))
    said = failure(
        runs.store(pl.DataFrame({"at": [datetime.fromisoformat("9999-12-31T23:59:59.999999")]}), is_error=True)
    )
    assert "cast the frame's column" in said


def test_what_fits_into_the_tables_type_is_cast_exactly(folder: Root) -> None:
    runs = Runs(folder.manager())
    runs.store(
        pl.DataFrame({"a": [1], "b": [1.5], "c": ["x"]}, schema={"a": pl.Int16, "b": pl.Float64, "c": pl.String})
    )
    rows = pl.DataFrame({"a": [2], "b": [0.1], "c": [None]}, schema={"a": pl.Int64, "b": pl.Float32, "c": pl.Null})
    runs.store(rows)
    assert runs.load().rows() == [(2, rows["b"].item(), None)]
    said = failure(runs.store(rows.with_columns(a=pl.lit(40_000)), is_error=True))
    assert "The column a is stored as Int16, which does not hold 40000 (Int32) exactly" in said


# values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([255], dtype=pl.UInt8), pl.Series([255], dtype=pl.Int16)),
        (pl.Series([2**32 - 1], dtype=pl.UInt32), pl.Series([2**32 - 1], dtype=pl.Int64)),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), pl.Series([2**64 - 1], dtype=pl.Decimal(20, 0))),
        (pl.Series(["b"], dtype=pl.Enum(["a", "b"])), pl.Series(["b"])),
        (pl.Series(["b"], dtype=pl.Categorical()), pl.Series(["b"])),
        (pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2)), pl.Series([[1, 2]], dtype=pl.List(pl.Int8))),
        (
            pl.Series([1_000], dtype=pl.Datetime("ns", "Asia/Tokyo")),
            pl.Series([1], dtype=pl.Datetime("us", "UTC")),
        ),
        (pl.Series([-1], dtype=pl.Datetime("ms")), pl.Series([-1_000], dtype=pl.Datetime("us"))),
        (pl.Series([float("nan"), -0.0, float("inf")]), pl.Series([float("nan"), -0.0, float("inf")])),
    ],
    ids=lambda values: str(values.dtype),
)
def test_a_type_that_delta_lake_lacks_is_stored_as_one_with_the_same_values(
    folder: Root, values: pl.Series, expected: pl.Series
) -> None:
    runs = Runs(folder.manager())
    runs.store(values.to_frame("x"))
    assert runs.load()["x"].equals(expected.alias("x"), check_dtypes=True)


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([1_001], dtype=pl.Datetime("ns")),
        pl.Series([[1_001]], dtype=pl.List(pl.Datetime("ns", "UTC"))),
        pl.Series([2**62], dtype=pl.Datetime("ms")),
    ],
    ids=lambda values: str(values.dtype),
)
def test_a_value_that_would_be_another_one_is_refused(folder: Root, values: pl.Series) -> None:
    for kind in KINDS:
        said = failure(Runs(folder.manager()).store(as_kind(values.to_frame("x"), kind), is_error=True))
        assert "The column x is stored as" in said
        assert "exactly" in said
    assert not list(Path(folder.root).rglob("*.parquet"))


@pytest.mark.parametrize("dtype", [pl.Time, pl.Duration("us"), pl.Int128, pl.Null, pl.List(pl.Null), pl.Struct([])])
def test_a_type_that_delta_lake_cannot_hold_is_refused(folder: Root, dtype: Any) -> None:
    said = failure(Runs(folder.manager()).store(pl.DataFrame({"x": pl.Series([None], dtype=dtype)}), is_error=True))
    assert (
        f"The column x of some/numbers is {pl.Series([None], dtype=dtype).dtype}, which Delta Lake cannot hold" in said
    )


_TYPES: list[PolarsDataType] = [
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64),
    *(pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.Categorical()),
    *(pl.Decimal(38, 4), pl.List(pl.Int32), pl.Struct({"a": pl.String, "b": pl.List(pl.Date)})),
]


@given(
    rows=dataframes(min_cols=1, max_cols=6, max_size=8, allowed_dtypes=_TYPES, allow_null=True),
    kind=st.sampled_from(KINDS),
)
@examples(1 / 2)
def test_any_values_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: pl.DataFrame, kind: type
) -> None:
    runs = Runs(local_root(tmp_path_factory.mktemp("values")).manager())
    runs.store(as_kind(rows, kind))
    expected = rows.with_columns(pl.col(name).cast(stored_type(dtype) or dtype) for name, dtype in rows.schema.items())
    assert runs.load(kind).equals(expected)
