"""Files of Parquet: which types agree with the declared ones, and exactly which rows and rejects they give."""

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import Reject, check_format, parquet_memory, read_file
from dataflow_assets.sources.base import Snapshot, Source
from dataflow_assets.sources.formats import Parquet


class Thing(dy.Schema):
    name = dy.String(min_length=1)
    kind = dy.Enum(["a", "b"], nullable=True)
    count = dy.Int16(nullable=True)
    big = dy.Int64(nullable=True)
    weight = dy.Float64(nullable=True)
    price = dy.Decimal(10, 2, nullable=True)
    is_new = dy.Bool(nullable=True)
    day = dy.Date(nullable=True)
    at = dy.Datetime(time_zone="UTC", nullable=True)
    tags = dy.List(dy.String(nullable=True), nullable=True)
    size = dy.Struct({"x": dy.Int64(nullable=True), "y": dy.Float64(nullable=True)}, nullable=True)


THINGS = Snapshot(
    name="things",
    singular="thing",
    description="Made up.",
    owner="team:tests",
    schema=Thing,
    reader=Parquet(),
    key=("name",),
    time_formats=("%d.%m.%Y",),
    time_zone="Europe/Paris",
)
TEXTS, INTEGERS = pa.string(), pa.int64()
STRUCT = pa.struct({"x": pa.int64(), "y": pa.float64()})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "things.parquet"


def _write(file: Path, **columns: Any) -> None:
    pq.write_table(pa.table(columns), file)


def _write_column(file: Path, name: str, values: list[Any], dtype: pa.DataType) -> None:
    names = {} if name == "name" else {"name": [f"N{number}" for number in range(len(values))]}
    _write(file, **names, **{name: pa.array(values, dtype)})


def _read(path: Path, source: Source = THINGS) -> tuple[pl.DataFrame, list[Reject]]:
    batches = list(read_file(path, source).batches)
    rows = pl.concat(batch.rows for batch in batches)
    rejects = [reject for batch in batches for reject in batch.rejects]
    assert sum(batch.delivered for batch in batches) == rows.height + len(rejects)
    return rows, rejects


NOON = datetime(2021, 12, 1, 12, 0, 0, 123456, tzinfo=UTC)
AGREEING: list[tuple[str, pa.DataType, object, object]] = [
    ("name", pa.large_string(), "é", "é"),
    ("name", pa.string_view(), "é", "é"),
    ("name", pa.dictionary(pa.int32(), pa.string()), "é", "é"),
    ("kind", TEXTS, "b", "b"),
    ("kind", pa.dictionary(pa.int8(), pa.string()), "b", "b"),
    ("count", pa.int64(), -32768, -32768),
    ("big", pa.int8(), -128, -128),
    ("big", pa.uint64(), 2**63 - 1, 2**63 - 1),
    ("weight", pa.float64(), 5e-324, 5e-324),
    ("weight", pa.float64(), 1 / 3, 1 / 3),
    ("weight", pa.float32(), 0.10000000149011612, 0.10000000149011612),
    ("weight", pa.int64(), 2**53, 2.0**53),
    ("weight", pa.uint64(), 2**63, 2.0**63),
    ("count", pa.float64(), -32768.0, -32768),
    ("big", pa.float64(), 2.0**53 - 1, 2**53 - 1),
    ("big", pa.float32(), 2.0**24 - 1, 2**24 - 1),
    ("big", pa.decimal128(38, 2), Decimal("9223372036854775807.00"), 2**63 - 1),
    ("price", pa.int64(), 99_999_999, Decimal("99999999.00")),
    ("price", pa.int8(), -1, Decimal("-1.00")),
    ("day", pa.timestamp("us"), datetime(1, 1, 1), date(1, 1, 1)),  # noqa: DTZ001
    ("day", pa.timestamp("ns"), datetime(2021, 12, 1), date(2021, 12, 1)),  # noqa: DTZ001
    ("price", pa.decimal128(10, 2), Decimal("-99999999.99"), Decimal("-99999999.99")),
    ("price", pa.decimal128(38, 10), Decimal("1.5"), Decimal("1.50")),
    ("is_new", pa.bool_(), False, False),
    ("day", pa.date32(), date(1, 1, 1), date(1, 1, 1)),
    ("at", pa.timestamp("us", "UTC"), NOON, NOON),
    ("at", pa.timestamp("us", "Asia/Tokyo"), NOON, NOON),
    ("at", pa.timestamp("ms", "+02:00"), NOON.replace(microsecond=123000), NOON.replace(microsecond=123000)),
    ("at", pa.timestamp("ns", "UTC"), 1_638_360_000_123_456_789, NOON),
    ("at", pa.timestamp("us"), 1_638_363_600_123_456, NOON),  # 13:00 in Paris
    ("tags", pa.list_(pa.string()), ["a", None, ""], ["a", None, ""]),
    ("size", STRUCT, {"x": 2**53 + 1, "y": 0.1}, {"x": 2**53 + 1, "y": 0.1}),
]


@pytest.mark.parametrize(("column", "dtype", "value", "expected"), AGREEING)
def test_a_value_of_a_type_that_agrees_is_read_unchanged(
    file: Path, column: str, dtype: pa.DataType, value: object, expected: object
) -> None:
    _write_column(file, column, [value] if column == "name" else [value, None], dtype)
    check_format(file, THINGS)
    rows, rejects = _read(file)
    assert rejects == []
    assert rows[column].to_list() == ([expected] if column == "name" else [expected, None])
    assert rows.schema[column] == Thing.columns()[column].dtype


INEXACT: list[tuple[str, pa.DataType, object, str]] = [
    ("weight", pa.int64(), 2**53 + 1, "weight.dtype"),
    ("weight", pa.uint64(), 2**64 - 1, "weight.dtype"),
    ("weight", pa.int64(), -(2**63) + 1, "weight.dtype"),
    ("count", pa.float64(), 1.5, "count.dtype"),
    ("count", pa.float64(), 32768.0, "count.dtype"),
    ("big", pa.float64(), 2.0**53, "big.dtype"),  # which may have been 2^53 + 1
    ("big", pa.float32(), 2.0**24, "big.dtype"),
    ("big", pa.float64(), float("inf"), "big.dtype"),
    ("big", pa.decimal128(38, 2), Decimal("1.50"), "big.dtype"),
    ("price", pa.int64(), 100_000_000, "price.decimal"),
    ("day", pa.timestamp("us"), datetime(2021, 12, 1, 0, 0, 0, 1), "day.date"),  # noqa: DTZ001
]


@pytest.mark.parametrize(("column", "dtype", "value", "code"), INEXACT)
def test_a_value_that_the_declared_type_would_round_is_rejected(
    file: Path, column: str, dtype: pa.DataType, value: object, code: str
) -> None:
    _write_column(file, column, [value, None], dtype)
    rows, [reject] = _read(file)
    assert (rows["name"].to_list(), reject.code) == (["N1"], code)


def test_instants_of_int96_are_of_utc_and_of_any_year(file: Path) -> None:
    times = [datetime(year, 7, 1, 10, tzinfo=UTC) for year in (1600, 1677, 2026, 2262, 2300, 9998)]
    table = pa.table({"name": [str(time.year) for time in times], "at": pa.array(times, pa.timestamp("us"))})
    pq.write_table(table, file, use_deprecated_int96_timestamps=True)
    assert pq.ParquetFile(file).schema.column(1).physical_type == "INT96"
    rows, rejects = _read(file)
    assert rejects == []
    assert rows["at"].to_list() == times


def test_instants_of_int96_below_the_microsecond_are_cut_and_counted(file: Path) -> None:
    """Over several batches; an instant before 1970 is cut downwards, as any other."""
    second = 10**9
    nanoseconds = [1_767_261_600 * second + 123_456_789, -second + 1, 0, None, 5_000] * 50_000
    table = pa.table({"name": list(map(str, range(250_000))), "at": pa.array(nanoseconds, pa.timestamp("ns"))})
    pq.write_table(table, file, use_deprecated_int96_timestamps=True)
    batches = list(read_file(file, THINGS).batches)
    found = pl.concat([batch.rows for batch in batches])["at"].to_physical()
    assert found.to_list() == [None if one is None else one // 1000 for one in nanoseconds]
    assert sum(batch.repaired.get("fine_time", 0) for batch in batches) == 100_000


@pytest.mark.parametrize("zone", ["+05:30", "-03:00", "Europe/Paris", "Mars/Phobos"])
def test_an_instant_is_the_same_in_whatever_zone_a_file_shows_it(file: Path, zone: str) -> None:
    instants = pa.array([0, 1], pa.timestamp("us", zone))
    _write(file, name=["A", ""], at=instants, other=instants, nested=pa.array([[0], [1]], pa.list_(instants.type)))
    rows, [reject] = _read(file)
    assert rows["at"].to_list() == [datetime(1970, 1, 1, tzinfo=UTC)]
    assert json.loads(reject.raw)["at"] == "1970-01-01T00:00:00.000001+00:00"


def test_a_reject_of_what_is_no_number_is_json(file: Path) -> None:
    _write(file, name=["A"], weight=[float("nan")], x=[float("-inf")], y=pa.array([[float("nan")]]))
    _, [reject] = _read(file)
    assert (reject.code, reject.raw) == ("weight.nan", '{"name": "A", "weight": "nan", "x": "-inf", "y": ["nan"]}')


OTHER = [
    ("name", INTEGERS),
    ("name", pa.binary()),
    ("kind", INTEGERS),
    ("count", TEXTS),
    ("count", pa.bool_()),
    ("price", pa.float64()),
    ("price", pa.decimal256(50, 2)),
    ("is_new", INTEGERS),
    ("is_new", TEXTS),
    ("day", pa.timestamp("us", "UTC")),
    ("day", TEXTS),
    ("at", pa.date32()),
    ("at", TEXTS),
    ("at", INTEGERS),
    ("tags", TEXTS),
    ("tags", pa.list_(pa.int64())),
    ("tags", pa.list_view(pa.string())),
    ("size", pa.struct({"x": pa.int64()})),
    ("size", pa.map_(pa.string(), pa.int64())),
]


@pytest.mark.parametrize(("column", "dtype"), OTHER, ids=str)
def test_a_column_of_another_type_refuses_the_file_before_and_at_reading(
    file: Path, column: str, dtype: pa.DataType
) -> None:
    _write_column(file, column, [None], dtype)
    for use in (check_format, lambda path, source: list(read_file(path, source).batches)):
        with pytest.raises(FormatError, match=rf"^things\.parquet is not .*: its column {column} is of the type "):
            use(file, THINGS)


def test_an_undeclared_column_may_be_of_any_type(file: Path) -> None:
    _write(file, name=["A"], x=pa.array([b"\xff"]), y=pa.array([Decimal(1)], pa.decimal256(50, 2)))
    content = read_file(file, THINGS)
    [_, batch] = content.batches
    assert batch.rows["name"].to_list() == ["A"]
    assert content.undeclared_columns == {"x", "y"}
    assert content.missing_columns == set(Thing.column_names()) - {"name"}


def test_a_column_of_nulls_alone_has_any_type(file: Path) -> None:
    _write(file, name=["A"], at=pa.nulls(1), tags=pa.nulls(1))
    assert _read(file)[0]["name"].to_list() == ["A"]


BROKEN: list[tuple[str, str, pa.DataType, object]] = [
    ("name.nullability", "name", TEXTS, None),
    ("name.min_length", "name", TEXTS, ""),
    ("name.nul", "name", TEXTS, "a\0b"),
    ("kind.dtype", "kind", TEXTS, "c"),
    ("count.dtype", "count", INTEGERS, 32768),
    ("big.dtype", "big", pa.uint64(), 2**63),
    ("weight.nan", "weight", pa.float64(), float("nan")),
    ("weight.inf", "weight", pa.float64(), float("-inf")),
    ("price.decimal", "price", pa.decimal128(38, 10), Decimal("1.005")),
    ("price.decimal", "price", pa.decimal128(38, 2), Decimal("100000000.00")),
    ("day.date", "day", pa.date32(), 2_932_897),
    ("day.date", "day", pa.date32(), 2**31 - 1),
    ("at.time", "at", pa.timestamp("us", "UTC"), 2**63 - 1),
    ("at.time", "at", pa.timestamp("ms"), -(2**63) + 1),
    ("at.skipped_time", "at", pa.timestamp("us"), 1_616_898_600_000_000),  # 02:30 of a day without in Paris
    ("tags.json", "tags", pa.list_(pa.string()), ["a\0b"]),
    ("size.json", "size", STRUCT, {"x": 1, "y": float("nan")}),
]


@pytest.mark.parametrize(("code", "column", "dtype", "value"), BROKEN)
def test_a_value_that_breaks_a_rule_is_its_rows_reject(
    file: Path, code: str, column: str, dtype: pa.DataType, value: object
) -> None:
    _write_column(file, column, [value], dtype)
    rows, [reject] = _read(file)
    assert rows.is_empty()
    assert (reject.line, reject.code) == (None, code)
    assert column in json.loads(reject.raw)


def test_a_reject_keeps_its_whole_row(file: Path) -> None:
    """A time finer than Python's, a size beyond Python's and bytes are said too."""
    _write(
        file,
        more=[1, 2],
        name=["A", ""],
        price=pa.array([None, Decimal("1.50")]),
        tags=[None, ["é", None]],
        fine=pa.array([1_638_360_000_123_456_789] * 2, pa.timestamp("ns")),
        far=pa.array([2**62] * 2, pa.timestamp("us", "UTC")),
        inside=pa.array([[1_638_360_000_123_456_789, None]] * 2, pa.list_(pa.timestamp("ns"))),
        parts=pa.array([{"at": 2**62}] * 2, pa.struct([("at", pa.timestamp("us"))])),
        named=pa.array([[("a", 5_000_000_001)]] * 2, pa.map_(pa.string(), pa.time64("ns"))),
        content=[b"\xff"] * 2,
    )
    rows, [reject] = _read(file)
    assert rows.select("position", "name").rows() == [(0, "A")]
    assert json.loads(reject.raw) == {
        "more": 2,
        "name": "",
        "price": 1.5,
        "tags": ["é", None],
        "fine": "2021-12-01T12:00:00.123456789",
        "far": 2**62,
        "inside": ["2021-12-01T12:00:00.123456789", None],
        "parts": {"at": 2**62},
        "named": [["a", "00:00:05.000000001"]],
        "content": "\\xff",
    }


def test_rows_come_in_batches_and_in_order(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_memory, "BATCH_ROWS", 100)
    names = [f"N{number}" if number % 7 else "" for number in range(1_000)]
    pq.write_table(pa.table({"name": names}), file, row_group_size=330)
    first, *batches = read_file(file, THINGS).batches
    assert (first.delivered, first.rows.height) == (1_000, 0)
    assert max(batch.rows.height + len(batch.rejects) for batch in batches) <= 100
    rows = pl.concat(batch.rows for batch in batches)
    assert rows["position"].to_list() == [number for number in range(1_000) if number % 7]
    assert rows["name"].to_list() == [name for name in names if name]
    assert sum(len(batch.rejects) for batch in batches) == 143


def test_a_file_without_rows_is_an_empty_delivery(file: Path) -> None:
    _write(file, name=pa.array([], TEXTS))
    rows, rejects = _read(file)
    assert (rows.height, rejects) == (0, [])


# for all inputs

QUICK = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TIMES = st.integers(-62_100_000_000, 253_300_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=9)


@QUICK
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": NAMES,
                "big": st.none() | st.integers(-(2**63), 2**63 - 1),
                "weight": st.none() | st.floats(allow_nan=False, allow_infinity=False),
                "price": st.none() | st.decimals(-(10**7), 10**7, places=2),
                "day": st.none() | st.dates(),
                "at": st.none() | TIMES,
                "tags": st.none() | st.lists(NAMES, max_size=3),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_value_comes_back_unchanged(file: Path, things: list[dict[str, Any]]) -> None:
    schema = {name: column.dtype for name, column in Thing.columns().items() if name in things[0]}
    pl.DataFrame(things, schema).write_parquet(file)
    rows, rejects = _read(file)
    assert rejects == []
    assert rows.select(list(schema)).to_dicts() == things


def _whole() -> bytes:
    written = io.BytesIO()
    names = [f"N{number}" for number in range(200)]
    pq.write_table(
        pa.table({"name": names, "count": range(200)}),
        written,
        row_group_size=50,
        use_dictionary=False,
        compression="none",
    )
    return written.getvalue()


WHOLE = _whole()


@QUICK
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4))
def test_damage_refuses_the_file_or_keeps_the_sum(file: Path, place: int, damage: bytes) -> None:
    file.write_bytes(WHOLE[:place] + damage + WHOLE[place + len(damage) :])
    try:
        batches = list(read_file(file, THINGS).batches)
    except FormatError:
        return
    assert sum(batch.rows.height + len(batch.rejects) for batch in batches) <= 200


def test_invalid_utf_8_refuses_the_file(file: Path) -> None:
    file.write_bytes(WHOLE.replace(b"N77", b"N\xff7"))
    with pytest.raises(FormatError, match=r"^things\.parquet cannot be parsed: .*UTF8"):
        _read(file)
