"""What a frame holds comes back from PostgreSQL as it was, or is refused by name."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dataflow_assets.errors import SchemaMismatchError
from dataflow_assets.io_managers.frames import KINDS
from dataflow_assets.postgres.types import column_type, exact, fits, frame_type
from dataflow_assets_tests.io_managers.builders import Project, reasons
from dataflow_assets_tests.warehouse.builders import ask

BERLIN = pl.Datetime("us", "Europe/Berlin")
NOON = datetime(2024, 1, 1, 12, 0, 0, 123456)  # noqa: DTZ001

# Of each type: values, the type of the table's column, and how a reader is given them.
KEPT: list[tuple[pl.DataType, list[Any], str, pl.DataType]] = [
    (pl.Boolean(), [True, None, False], "boolean", pl.Boolean()),
    (pl.Int8(), [-128, None, 127], "smallint", pl.Int16()),
    (pl.Int16(), [-(2**15), None, 2**15 - 1], "smallint", pl.Int16()),
    (pl.Int32(), [-(2**31), None, 2**31 - 1], "integer", pl.Int32()),
    (pl.Int64(), [-(2**63), None, 2**63 - 1], "bigint", pl.Int64()),
    (pl.UInt8(), [0, None, 255], "smallint", pl.Int16()),
    (pl.UInt16(), [0, None, 2**16 - 1], "integer", pl.Int32()),
    (pl.UInt32(), [0, None, 2**32 - 1], "bigint", pl.Int64()),
    (pl.UInt64(), [0, None, 2**64 - 1], "numeric(20,0)", pl.Decimal(20, 0)),
    (pl.Float32(), [1.5, None, float("inf")], "real", pl.Float32()),
    (pl.Float64(), [0.1, None, float("nan")], "double precision", pl.Float64()),
    (pl.Decimal(38, 10), [Decimal("1e-10"), None, -(Decimal(10) ** 27)], "numeric(38,10)", pl.Decimal(38, 10)),
    (pl.String(), ["", None, "ß\n\\N"], "text", pl.String()),
    (pl.Categorical(), ["a", None, "b"], "text", pl.String()),
    (pl.Enum(["a", "b"]), ["a", None, "b"], "text", pl.String()),
    (pl.Binary(), [b"\0\xff", None, b""], "bytea", pl.Binary()),
    (pl.Date(), [date(1, 1, 1), None, date(9999, 12, 31)], "date", pl.Date()),
    (pl.Time(), [time(0), None, time(23, 59, 59, 999999)], "time without time zone", pl.Time()),
    (pl.Datetime("us"), [NOON.replace(year=1), None, NOON], "timestamp without time zone", pl.Datetime("us")),
    (pl.Datetime("ms"), [NOON.replace(microsecond=123000)], "timestamp without time zone", pl.Datetime("us")),
    (pl.Datetime("ns"), [NOON], "timestamp without time zone", pl.Datetime("us")),
    (BERLIN, [NOON.replace(tzinfo=UTC), None], "timestamp with time zone", pl.Datetime("us", "UTC")),
    (pl.List(pl.Int64()), [[1, 2], None, []], "jsonb", pl.String()),
    (pl.Struct({"a": pl.String()}), [{"a": "x"}, {"a": None}], "jsonb", pl.String()),
]
JSON_TEXTS: dict[str, list[str | None]] = {"list": ["[1, 2]", None, "[]"], "struct": ['{"a": "x"}', '{"a": null}']}


@pytest.mark.parametrize(("dtype", "values", "column", "given_type"), KEPT, ids=[str(dtype) for dtype, *_ in KEPT])
def test_every_type_comes_back_with_its_values(
    postgres: Project, dtype: pl.DataType, values: list[Any], column: str, given_type: pl.DataType
) -> None:
    frame = pl.DataFrame({"n": range(len(values)), "value": pl.Series(values, dtype=dtype)})
    result = postgres.store(frame)
    assert result.success, reasons(result)
    found = postgres.load(pl.DataFrame).sort("n")
    expected = pl.Series("value", JSON_TEXTS[_kind(dtype)]) if dtype.is_nested() else frame["value"].cast(given_type)
    assert_frame_equal(found, frame.select("n").with_columns(expected))
    statement = (
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'value' AND attrelid = %s::regclass"
    )
    assert ask(postgres.url, statement, "public.table") == [(column,)]


def _kind(dtype: pl.DataType) -> str:
    return "list" if isinstance(dtype, pl.List) else "struct"


REFUSED: list[tuple[pl.Series, str]] = [
    (pl.Series([1], dtype=pl.Datetime("ns")), "finer than a microsecond"),
    (pl.Series([1], dtype=pl.Int64).cast(pl.Time), "finer than a microsecond"),
    (pl.Series([2**62], dtype=pl.Int64).cast(pl.Datetime("us")), "years 1 to 9999"),
    (pl.Series([2**60], dtype=pl.Int64).cast(pl.Datetime("ms")), "years 1 to 9999"),
    (pl.Series([2_932_897], dtype=pl.Int32).cast(pl.Date), "years 1 to 9999"),
    (pl.Series([-719_163], dtype=pl.Int32).cast(pl.Date), "years 1 to 9999"),
    (pl.Series([timedelta(1)]), "no type in PostgreSQL"),
    (pl.Series([1], dtype=pl.Int128), "no type in PostgreSQL"),
    (pl.Series([[date(2024, 1, 1)]]), "JSON does not have"),
    (pl.Series([None], dtype=pl.Null), "hold nulls alone"),
    (pl.Series(["a\0b"]), "0x00"),
    (pl.Series([[float("nan")]]), "is no JSON"),
]


@pytest.mark.parametrize(("values", "why"), REFUSED, ids=[f"{values.dtype}" for values, _ in REFUSED])
def test_a_value_that_no_column_holds_as_it_is_is_refused(postgres: Project, values: pl.Series, why: str) -> None:
    result = postgres.store(pl.DataFrame({"value": values}))
    assert not result.success
    assert why in reasons(result)


@pytest.mark.parametrize("stored", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("loaded", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_frame_is_stored_and_given(postgres: Project, stored: type, loaded: type) -> None:
    frame = pl.DataFrame({"n": range(120_000), "text": [str(n % 7) for n in range(120_000)]})
    assert postgres.store(_as(frame, stored)).success
    found = postgres.load(loaded)
    assert isinstance(found, loaded)
    assert_frame_equal(_polars(found).sort("n"), frame)


def _as(frame: pl.DataFrame, kind: type) -> Any:
    if kind is pl.DataFrame:
        return frame
    if kind is pl.LazyFrame:
        return frame.lazy()
    return frame.to_arrow() if kind is pa.Table else lambda _: frame.to_arrow().to_reader(10_000)


def _polars(found: Any) -> pl.DataFrame:
    found = found.read_all() if isinstance(found, pa.RecordBatchReader) else found
    return found.lazy().collect() if isinstance(found, pl.DataFrame | pl.LazyFrame) else pl.DataFrame(found)


@given(st.lists(st.none() | st.integers(0, 2**64 - 1)))
def test_every_unsigned_number_is_cast_as_it_is(numbers: list[int | None]) -> None:
    values = pl.Series("n", numbers, dtype=pl.UInt64)
    assert [None if n is None else int(n) for n in exact(values, pl.Decimal(20, 0))] == numbers


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["ms", "us", "ns"]))
def test_every_instant_is_cast_as_it_is_or_refused(number: int, unit: Any) -> None:
    values = pl.Series("at", [number], dtype=pl.Int64).cast(pl.Datetime(unit))
    numerator, denominator = {"ms": (1000, 1), "us": (1, 1), "ns": (1, 1000)}[unit]
    try:
        cast = exact(values, pl.Datetime("us"))
    except SchemaMismatchError:
        micros = number * numerator // denominator
        assert number % denominator or not -62_135_596_800_000_000 <= micros < 253_402_300_800_000_000
    else:
        assert cast.to_physical()[0] * denominator == number * numerator


@pytest.mark.parametrize("small", [pl.Int8(), pl.Int32(), pl.UInt16(), pl.UInt64(), pl.Float32(), pl.Decimal(5, 2)])
def test_a_wider_column_takes_a_narrower_type_and_no_other(small: pl.DataType) -> None:
    own = column_type("n", small)
    assert fits("n", small, own)
    wider = {"smallint": "bigint", "integer": "bigint", "bigint": "numeric(20,1)", "real": "double precision"}
    assert fits("n", small, wider.get(own, "numeric(38,5)"))
    assert not any(fits("n", small, other) for other in ("text", "boolean", "numeric(3,1)", "jsonb"))
    assert frame_type(own) is not None
