"""Values of every type are the same in every format, and a stream that is cut never looks whole."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from polars.testing import assert_frame_equal

from dataflow_assets.serving.reading.formats import all_formats
from dataflow_assets.serving.reading.formats.negotiation import choose_format
from dataflow_assets.serving.reading.parameters import Selection, parse_parameters
from dataflow_assets.serving.reading.rows import stream_rows
from dataflow_assets.serving.reading.sessions import Sessions
from dataflow_assets.serving.reading.streaming import withhold
from dataflow_assets.serving.refusals import NotAcceptableError, UnusableError
from dataflow_assets_tests.serving.reading.builders import load_rows, make_tables, relation_of, streams
from dataflow_assets_tests.warehouse.builders import DAY, READINGS, STREAMS
from dataflow_assets_tests.warehouse.test_types import ROWS

Row = dict[str, Any]
TYPES = READINGS.schema.create_empty().schema
SOME = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def url(module_database_url: str) -> str:
    make_tables(module_database_url, READINGS)
    return module_database_url


def encoded(url: str, selection: Selection, name: str) -> bytes:
    rows = stream_rows(Sessions(url), selection, "UTC")
    return b"".join(withhold(all_formats()[name].encode(selection.columns, rows)))


def read_json(body: bytes) -> list[Row]:
    rows = json.loads(body, parse_float=Decimal)
    assert isinstance(rows, list)
    return rows


def read_ndjson(body: bytes) -> list[Row]:
    return [json.loads(line, parse_float=Decimal) for line in body.splitlines()]


def read_csv(body: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def read_arrow(body: bytes) -> pl.DataFrame:
    found = pl.from_arrow(pa.ipc.open_stream(body).read_all())
    assert isinstance(found, pl.DataFrame)
    return found


def same(found: Any, expected: Any, dtype: Any) -> bool:
    """Whether JSON says a value; a float by any digits that mean it."""
    if expected is None or found is None:
        return found is expected
    match dtype:
        case pl.Float32() | pl.Float64():
            is_same = pl.Series([float(found)], dtype=dtype)[0] == expected
        case pl.List():
            is_same = all(same(one, other, dtype.inner) for one, other in zip(found, expected, strict=True))
        case pl.Struct():
            is_same = all(same(found[field.name], expected[field.name], field.dtype) for field in dtype.fields)
        case pl.Datetime():
            is_same = datetime.fromisoformat(found) == expected
        case _:
            is_same = found == (expected.isoformat() if isinstance(expected, date) else expected)
    return bool(is_same)


@SOME
@given(rows=ROWS)
def test_every_value_comes_through_every_format(url: str, rows: list[Row]) -> None:
    load_rows(url, READINGS, rows)
    selection = parse_parameters(relation_of(READINGS), [("order", "event_day")])
    expected = pl.DataFrame(rows, schema=TYPES, orient="row").sort("number", "taken_at")
    arrow = read_arrow(encoded(url, selection, "arrow"))
    parquet = pl.read_parquet(encoded(url, selection, "parquet"))
    for found in (arrow, parquet):
        assert_frame_equal(found.sort("number", "taken_at").cast(TYPES), expected, check_exact=True)
    for found_rows in (
        read_json(encoded(url, selection, "json")),
        read_ndjson(encoded(url, selection, "ndjson")),
    ):
        by_key = sorted(found_rows, key=lambda row: (row["number"], row["taken_at"]))
        for found_row, row in zip(by_key, expected.to_dicts(), strict=True):
            wrong = [name for name, dtype in TYPES.items() if not same(found_row[name], row[name], dtype)]
            assert wrong == [], (found_row, row)


@SOME
@given(rows=ROWS)
def test_every_value_that_is_none_of_others_comes_through_csv(url: str, rows: list[Row]) -> None:
    load_rows(url, READINGS, rows)
    plain = [name for name, dtype in TYPES.items() if not dtype.is_nested()]
    selection = parse_parameters(relation_of(READINGS), [("columns", name) for name in plain])
    body = encoded(url, selection, "csv")
    found = sorted(read_csv(body), key=lambda row: (int(row["number"]), row["taken_at"]))
    expected = pl.DataFrame(rows, schema=TYPES, orient="row").sort("number", "taken_at")
    for found_row, row in zip(found, expected.to_dicts(), strict=True):
        cells = {name: _cell(found_row[name], TYPES[name]) for name in plain}
        wrong = [name for name in plain if not same(cells[name], row[name], TYPES[name])]
        assert wrong == [], (found_row, row)


def _cell(text: str, dtype: pl.DataType) -> Any:
    """What a cell says, as JSON would."""
    if text == "":
        return None
    if isinstance(dtype, pl.Boolean):
        return {"true": True, "false": False}[text]
    return Decimal(text) if dtype.is_numeric() else text


ROW: Row = {
    **dict.fromkeys(TYPES),
    "number": 1,
    "taken_at": datetime(2021, 11, 5, 7, tzinfo=UTC),
    "sent_at": datetime(2021, 11, 5, 8, tzinfo=UTC),
}


def test_json_has_the_digits_that_the_table_has(url: str) -> None:
    row = {
        **ROW,
        "exact": Decimal("1234567890123456789.1000000000000000001"),
        "price": Decimal("1.50"),
        "big": 2**63 - 1,
    }
    load_rows(url, READINGS, [row])
    chosen = [("columns", "price,number,exact,tags,big,text")]
    text = encoded(url, parse_parameters(relation_of(READINGS), chosen), "ndjson").decode()
    assert text == (
        '{"price":1.50,"number":1,"exact":1234567890123456789.1000000000000000001,"tags":null,'
        '"big":9223372036854775807,"text":null}\n'
    )


def test_csv_tells_nothing_from_an_empty_text(url: str) -> None:
    load_rows(url, READINGS, [{**ROW, "text": None}, {**ROW, "number": 2, "text": ""}])
    chosen = [("columns", "number,text,taken_at"), ("order", "number")]
    body = encoded(url, parse_parameters(relation_of(READINGS), chosen), "csv").decode()
    assert body.splitlines() == [
        "number,text,taken_at",
        "1,,2021-11-05T07:00:00.000000+00:00",
        '2,"",2021-11-05T07:00:00.000000+00:00',
    ]


@pytest.mark.parametrize("name", ["json", "ndjson", "csv", "arrow", "parquet"])
def test_no_rows_are_a_whole_file_too(url: str, name: str) -> None:
    selection = parse_parameters(relation_of(READINGS), [("event_day", "1999-01-01")])
    body = encoded(url, selection, name)
    match name:
        case "json":
            assert body == b"[]"
        case "ndjson":
            assert body == b""
        case "csv":
            assert body.decode().strip().split(",") == list(TYPES)
        case "arrow":
            assert read_arrow(body).shape == (0, len(TYPES))
        case "parquet":
            assert pq.read_table(io.BytesIO(body)).shape == (0, len(TYPES))


def whole_json(body: bytes) -> int:
    return len(json.loads(body))


def whole_ndjson(body: bytes) -> int:
    return len([json.loads(line) for line in body.split(b"\n") if line])


def whole_parquet(body: bytes) -> int:
    return int(pq.read_table(io.BytesIO(body)).num_rows)


def whole_arrow_by_pyarrow(body: bytes) -> int:
    return int(pa.ipc.open_stream(io.BytesIO(body)).read_all().num_rows)


def whole_arrow_by_polars(body: bytes) -> int:
    return pl.read_ipc_stream(io.BytesIO(body)).height


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("json", whole_json),
        ("ndjson", whole_ndjson),
        ("parquet", whole_parquet),
        ("arrow", whole_arrow_by_pyarrow),
        ("arrow", whole_arrow_by_polars),
    ],
)
def test_a_stream_that_breaks_off_anywhere_does_not_look_whole(
    url: str, name: str, read: Callable[[bytes], int]
) -> None:
    load_rows(url, STREAMS, streams(300))
    selection = parse_parameters(relation_of(STREAMS), [("order", "event_day")])
    batches = [
        batch.slice(start, 30)
        for batch in stream_rows(Sessions(url), selection, "UTC")
        for start in range(0, batch.num_rows, 30)
    ]
    chunks = list(withhold(all_formats()[name].encode(selection.columns, batches)))
    assert read(b"".join(chunks)) == 300
    assert len(chunks) > 10
    for end in range(1, len(chunks)):
        with pytest.raises((ValueError, pa.ArrowException, OSError, EOFError, pl.exceptions.PolarsError)):
            read(b"".join(chunks[:end]))


class BrokenError(Exception):
    """What a database that goes away raises."""


@pytest.mark.parametrize("name", list(all_formats()))
def test_a_format_does_not_finish_what_failed(url: str, name: str) -> None:
    load_rows(url, STREAMS, streams(30))
    selection = parse_parameters(relation_of(STREAMS), [("order", "event_day")])
    good = list(stream_rows(Sessions(url), selection, "UTC"))

    def batches() -> Iterator[pa.RecordBatch]:
        yield from good
        raise BrokenError

    taken: list[bytes | memoryview] = []
    with pytest.raises(BrokenError):
        taken.extend(withhold(all_formats()[name].encode(selection.columns, batches())))
    whole = b"".join(withhold(all_formats()[name].encode(selection.columns, good)))
    assert taken
    assert whole.startswith(b"".join(taken))
    assert len(b"".join(taken)) <= len(whole) - 16


def test_duckdb_reads_the_files(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    load_rows(url, STREAMS, streams(300))
    selection = parse_parameters(relation_of(STREAMS), [])
    folder = tmp_path_factory.mktemp("files")
    for name in ("parquet", "csv", "json", "ndjson"):
        path = folder / f"rows.{name}"
        path.write_bytes(encoded(url, selection, name))
        assert duckdb.sql(
            f"SELECT count(*), min(event_day) FROM (SELECT *, start_at::timestamptz::date AS event_day FROM '{path}')"
        ).fetchall() == [(300, DAY)]


@pytest.mark.parametrize(
    ("named", "accept", "chosen"),
    [
        (None, None, "json"),
        (None, "*/*", "json"),
        (None, "text/html, */*;q=0.1", "json"),
        (None, "text/csv", "csv"),
        (None, "text/*", "csv"),
        (None, "application/json;q=0.5, application/x-ndjson", "ndjson"),
        (None, "application/*, application/json;q=0", "arrow"),
        (None, "Application/VND.apache.parquet; q=0.9", "parquet"),
        ("arrow", "text/csv", "arrow"),
    ],
)
def test_a_format_is_chosen_by_name_or_by_what_is_accepted(named: str | None, accept: str | None, chosen: str) -> None:
    assert choose_format(named, accept).name == chosen


def test_what_no_format_is_is_refused() -> None:
    with pytest.raises(UnusableError, match="there are json, arrow, csv, ndjson, parquet"):
        choose_format("xml", None)
    for accept in ("application/xml", "application/json;q=0", "application/json;q=much"):
        with pytest.raises(NotAcceptableError, match=r"accept one of application/json"):
            choose_format(None, accept)
