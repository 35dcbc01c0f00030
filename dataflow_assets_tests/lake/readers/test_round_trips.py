"""What common programs write is loaded as it was written, or rejected, or refused: there is no third outcome."""

import csv
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any

import dataframely as dy
import duckdb
import fastavro
import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.exceptions import IllegalCharacterError

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import read_file
from dataflow_assets.sources import Avro, Csv, Excel, FixedWidth, Json, Parquet, Snapshot
from dataflow_assets.sources.formats import Format
from dataflow_assets_tests.examples import examples

TYPES = pl.Schema(
    {
        "sku": pl.String(),
        "name": pl.String(),
        "qty": pl.Int64(),
        "ratio": pl.Float64(),
        "price": pl.Decimal(30, 4),
        "active": pl.Boolean(),
        "valid_on": pl.Date(),
        "seen_at": pl.Datetime("us", "UTC"),
    }
)


class Prices(dy.Schema):
    sku = dy.String()
    name = dy.String(nullable=True)
    qty = dy.Int64(nullable=True)
    ratio = dy.Float64(nullable=True)
    price = dy.Decimal(30, 4, nullable=True)
    active = dy.Bool(nullable=True)
    valid_on = dy.Date(nullable=True)
    seen_at = dy.Datetime(time_zone="UTC", nullable=True)


# A text without a character is no value in CSV, and in others it is one; U+FEFF before a row is no part of it: both are
# left out here.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), min_size=1, max_size=8)
TEXTS |= st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), min_size=1, max_size=8)
TEXTS |= st.sampled_from(
    ["00012", "1.2e-10", "true", "NULL", "nan", '"', "a,b", "a\nb", "x\r\ny", "=1+1", "2021-12-01", "#", "'"]
)
ROWS = st.lists(
    st.tuples(
        TEXTS,
        st.none() | TEXTS,
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.decimals(1 - 10**26, 10**26 - 1, places=4, allow_nan=False, allow_infinity=False),
        st.none() | st.booleans(),
        st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
        st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),
    ),
    min_size=1,
    max_size=6,
)
# ruff: noqa: DTZ001 # hypothesis gives instants their zone
Write = Callable[[Path, pl.DataFrame], None]


def polars_csv(path: Path, frame: pl.DataFrame) -> None:
    frame.write_csv(path)


def arrow_csv(path: Path, frame: pl.DataFrame) -> None:
    pa_csv.write_csv(frame.to_arrow().cast(_with_plain_texts(frame)), path)


def duckdb_csv(path: Path, frame: pl.DataFrame) -> None:
    _duckdb(frame, f"COPY frame TO '{path}' (HEADER)")


def python_csv(path: Path, frame: pl.DataFrame) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(frame.columns)
        writer.writerows(map(_shown, frame.rows()))


def quoted_csv(path: Path, frame: pl.DataFrame) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(frame.columns)
        writer.writerows(map(_shown, frame.rows()))


def escaped_csv(path: Path, frame: pl.DataFrame) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, escapechar="\\", doublequote=False)
        writer.writerow(frame.columns)
        writer.writerows(map(_shown, frame.rows()))


def bare_csv(path: Path, frame: pl.DataFrame) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        # Python escapes of line ends what is in its own, and a carriage return by itself ends a line too.
        writer = csv.writer(file, escapechar="\\", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\r\n")
        writer.writerow(frame.columns)
        writer.writerows(map(_shown, frame.rows()))


def polars_parquet(path: Path, frame: pl.DataFrame) -> None:
    frame.write_parquet(path)


def arrow_parquet(path: Path, frame: pl.DataFrame) -> None:
    pq.write_table(frame.to_arrow(), path, row_group_size=2)


def arrow_int96(path: Path, frame: pl.DataFrame) -> None:
    pq.write_table(frame.to_arrow(), path, use_deprecated_int96_timestamps=True, version="1.0")


def duckdb_parquet(path: Path, frame: pl.DataFrame) -> None:
    _duckdb(frame, f"COPY frame TO '{path}' (FORMAT parquet)")


def polars_json(path: Path, frame: pl.DataFrame) -> None:
    frame.write_json(path)


def polars_json_lines(path: Path, frame: pl.DataFrame) -> None:
    frame.write_ndjson(path)


def duckdb_json(path: Path, frame: pl.DataFrame) -> None:
    _duckdb(frame, f"COPY frame TO '{path}' (FORMAT json, ARRAY true)")


def duckdb_json_lines(path: Path, frame: pl.DataFrame) -> None:
    _duckdb(frame, f"COPY frame TO '{path}' (FORMAT json)")


def python_json(path: Path, frame: pl.DataFrame) -> None:
    path.write_text(json.dumps(frame.to_dicts(), default=str))


def python_json_lines(path: Path, frame: pl.DataFrame) -> None:
    lines = (json.dumps(row, default=str, ensure_ascii=False) for row in frame.to_dicts())
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")


def openpyxl_workbook(path: Path, frame: pl.DataFrame) -> None:
    book = openpyxl.Workbook()
    assert book.active
    book.active.append(frame.columns)
    for row in frame.rows():
        book.active.append([one.replace(tzinfo=None) if isinstance(one, datetime) else one for one in row])
    book.save(path)


def polars_avro(path: Path, frame: pl.DataFrame) -> None:
    """Polars has neither decimals nor zones in Avro."""
    seen_at = pl.col("seen_at").dt.replace_time_zone(None)
    frame.with_columns(seen_at, pl.col("price").cast(pl.String)).write_avro(path)


def fastavro_file(path: Path, frame: pl.DataFrame) -> None:
    kinds: Mapping[str, Any] = {
        "sku": "string",
        "name": "string",
        "qty": "long",
        "ratio": "double",
        "price": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 4},
        "active": "boolean",
        "valid_on": {"type": "int", "logicalType": "date"},
        "seen_at": {"type": "long", "logicalType": "timestamp-micros"},
    }
    fields = [{"name": name, "type": ["null", kind]} for name, kind in kinds.items()]
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "price", "fields": fields}, frame.to_dicts(), codec="deflate")


def _shown(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(one.isoformat() if isinstance(one, date) else one for one in row)


def _with_plain_texts(frame: pl.DataFrame) -> pa.Schema:
    """Arrow's CSV writer takes neither the views of Polars nor times of the year 1."""
    found = frame.to_arrow().schema
    return pa.schema([one.with_type(pa.string()) if pa.types.is_large_string(one.type) else one for one in found])


def _duckdb(frame: pl.DataFrame, statement: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("frame", frame.to_arrow())
        connection.execute(statement)


JSON, JSON_LINES = (Json(paths={name: f"$.{name}" for name in TYPES}, lines=lines) for lines in (False, True))
WRITERS: Mapping[Write, Format] = {
    polars_csv: Csv(),
    arrow_csv: Csv(),
    duckdb_csv: Csv(),
    python_csv: Csv(),
    escaped_csv: Csv(escape="\\"),
    bare_csv: Csv(escape="\\", quote=None),
    quoted_csv: Csv(),
    polars_parquet: Parquet(),
    arrow_parquet: Parquet(),
    arrow_int96: Parquet(),
    duckdb_parquet: Parquet(),
    polars_json: JSON,
    polars_json_lines: JSON_LINES,
    duckdb_json: JSON,
    duckdb_json_lines: JSON_LINES,
    python_json: JSON,
    python_json_lines: JSON_LINES,
    openpyxl_workbook: Excel(),
    polars_avro: Avro(),
    fastavro_file: Avro(),
}
REFUSED_BY_THE_WRITER = (
    *(pa.ArrowException, duckdb.Error, IllegalCharacterError, OverflowError, ValueError),
    *(pl.exceptions.PolarsError, pl.exceptions.PanicException),
)


def load(path: Path, reader: Format) -> tuple[list[tuple[Any, ...]], int]:
    """The rows of a file, in order, and how many were rejected."""
    source = Snapshot(
        name="prices",
        singular="price",
        description="Made up.",
        owner="team:tests",
        schema=Prices,
        reader=reader,
        key=("sku",),
        time_formats=("%+", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%#z"),
    )
    batches = list(read_file(path, source).batches)
    rows = [row for batch in batches for row in batch.rows.select(Prices.column_names()).rows()]
    rejected = sum(len(batch.rejects) for batch in batches)
    assert sum(batch.delivered for batch in batches) == len(rows) + rejected
    return rows, rejected


def as_cells_hold(frame: pl.DataFrame) -> pl.DataFrame:
    """What a workbook can say by openpyxl: 14 digits of a number, seconds of an instant, line feeds as line ends."""
    ratios = [one and float(f"{one:.14g}") for one in frame["ratio"]]
    return frame.with_columns(
        pl.col("sku", "name").str.replace_all("\r", "", literal=True),
        pl.Series("ratio", ratios, pl.Float64).replace([inf, -inf], None),
        pl.when(pl.col("price").abs() < 10**10).then("price"),
        pl.col("seen_at").dt.truncate("1s"),
    )


def is_among(rows: list[tuple[Any, ...]], written: list[tuple[Any, ...]]) -> bool:
    """Whether rows are some of those written, in their order."""
    rest = iter(written)
    return all(any(row == other for other in rest) for row in rows)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_the_usual_is_loaded_whole(tmp_path: Path, write: Write) -> None:
    instant = datetime(2021, 12, 1, 10, 30, 15, 123000, UTC)
    rows = [
        ("A1", 'a "b", c', 3, 0.1, Decimal("1234.5000"), True, date(2021, 12, 1), instant),
        ("00012", None, None, None, None, None, None, None),
        ("Z\u00fcrich \u20ac", "x", -7, 1e300, Decimal("-0.0001"), False, date(1999, 2, 28), instant),
    ]
    path = tmp_path / f"prices{WRITERS[write].suffix}"
    write(path, pl.DataFrame(rows, TYPES, orient="row"))
    assert load(path, WRITERS[write]) == (rows, 0)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@examples(1 / 4)
@given(rows=ROWS)
def test_a_value_is_as_it_was_written_or_is_rejected(tmp_path: Path, write: Write, rows: list[tuple[Any, ...]]) -> None:
    frame = pl.DataFrame(rows, TYPES, orient="row")
    path = tmp_path / f"prices{WRITERS[write].suffix}"
    if write is openpyxl_workbook:
        frame = as_cells_hold(frame)
    try:
        write(path, frame)
    except REFUSED_BY_THE_WRITER:
        return
    try:
        loaded, rejected = load(path, WRITERS[write])
    except FormatError:
        return
    assert is_among(loaded, frame.rows()), f"written {frame.rows()}, loaded {loaded}"
    assert len(loaded) + rejected == len(rows)


@examples(1 / 4)
@given(rows=st.lists(st.tuples(TEXTS, st.integers(-(10**9), 10**9)), min_size=1, max_size=6))
def test_columns_of_fixed_width_are_read_by_their_characters(tmp_path: Path, rows: list[tuple[str, int]]) -> None:
    path = tmp_path / "prices.fwf"
    lines = (f"{sku:<12}{qty:>12}" for sku, qty in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
    try:
        loaded, _ = load(path, FixedWidth(widths={"sku": 12, "qty": 12}))
    except FormatError:
        return
    bare = pl.Series([sku for sku, _ in rows]).str.strip_chars()  # Python takes more characters for blanks
    assert is_among([(row[0], row[2]) for row in loaded], list(zip(bare, (qty for _, qty in rows), strict=True)))


def test_the_property_can_fail() -> None:
    rows = [("a", 1), ("b", 2)]
    assert is_among([("b", 2)], rows)
    assert not is_among([("b", 1)], rows)
    assert not is_among([("b", 2), ("a", 1)], rows)
