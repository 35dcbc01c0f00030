"""Thirty files of ten kinds as vendors write them, and what each is.

Here: the files. Not here: what is drafted from them (see `test_sample_files`).
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import fastavro
import openpyxl
import polars as pl

ROWS = 60
_NUMBERS = range(ROWS)
_NULL = r"\N"  # as MySQL writes it
_DAY = date(2025, 1, 1)


@dataclass(frozen=True)
class SampleFile:
    """A file of ROWS rows: its ending, its content, and the key, types and options that a person would declare."""

    ending: str
    content: bytes
    key: tuple[str, ...]
    types: Mapping[str, str]
    options: Sequence[str] = ()
    kind: str = "snapshot"
    undeclared: Sequence[str] = field(default_factory=list)


def _text(*lines: str, encoding: str = "utf-8", end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode(encoding)


def _rows(pattern: Callable[[int], str]) -> list[str]:
    return [pattern(number) for number in _NUMBERS]


def _day(number: int, form: str = "%Y-%m-%d") -> str:
    return (_DAY + timedelta(days=number)).strftime(form)


def _time(number: int) -> datetime:
    return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=number)


def _workbook(*rows: Sequence[Any]) -> bytes:
    book, written = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for row in rows:
        book.active.append(list(row))
    book.save(written)
    return written.getvalue()


def _avro(types: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bytes:
    written = io.BytesIO()
    fields = [{"name": name, "type": kind} for name, kind in types.items()]
    fastavro.writer(written, {"type": "record", "name": "row", "fields": fields}, rows)
    return written.getvalue()


def _parquet(frame: pl.DataFrame) -> bytes:
    written = io.BytesIO()
    frame.write_parquet(written)
    return written.getvalue()


def _zip(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(name, content)
        archive.writestr("__MACOSX/._x", b"\0")
    return written.getvalue()


_ITEM = {"sku": "String", "name": "String", "price": "Float64", "qty": "Int64"}
_PLAIN = _text("sku,name,price,qty", *_rows(lambda n: f"S{n},Name {n},{n}.5,{n}"))

SAMPLE_FILES: dict[str, SampleFile] = {
    # plain CSV
    "plain": SampleFile(".csv", _PLAIN, ("sku",), _ITEM),
    "packed": SampleFile(".zip", _zip("items.csv", _PLAIN), ("sku",), _ITEM),
    "marked, with CR LF": SampleFile(".csv", b"\xef\xbb\xbf" + _PLAIN.replace(b"\n", b"\r\n"), ("sku",), _ITEM),
    # CSV of European programs
    "decimal comma": SampleFile(
        ".csv",
        _text("sku;price;sold", *_rows(lambda n: f"S{n};1.{n:03},{n % 100:02};{_day(n, '%d.%m.%Y')}")),
        ("sku",),
        {"sku": "String", "price": "Float64", "sold": "Date"},
        ('delimiter=";"', 'decimal=","', 'thousands="."', 'date_formats=("%d.%m.%Y",)'),
    ),
    "Windows text": SampleFile(
        ".csv",
        _text("sku;name", *_rows(lambda n: f"S{n};M\u00fcller \u20ac{n}"), encoding="cp1252"),
        ("sku",),
        {"sku": "String", "name": "String"},
        ('encoding="cp1252"',),
    ),
    "Excel's CSV": SampleFile(
        ".csv",
        _text("sep=;", "sku;price", *_rows(lambda n: f"S{n};{n},5"), encoding="utf-16"),
        ("sku",),
        {"sku": "String", "price": "Float64"},
        ('encoding="utf-16"', 'decimal=","'),
    ),
    # CSV of American programs
    "thousands": SampleFile(
        ".csv",
        _text("sku|price|sold", *_rows(lambda n: f"S{n}|{n + 1},{n:03}.50|{_day(n, '%m/%d/%Y')}")),
        ("sku",),
        {"sku": "String", "price": "Float64", "sold": "Date"},
        ('delimiter="|"', 'thousands=","', 'date_formats=("%m/%d/%Y",)'),
    ),
    "null tokens": SampleFile(
        ".csv",
        _text("sku,price,note", *_rows(lambda n: f"S{n},{n if n % 3 else 'N/A'},{'NULL' if n % 2 else 'x'}")),
        ("sku",),
        {"sku": "String", "price": "Int64", "note": "String"},
        ('nulls=("NULL", "N/A",)',),
    ),
    "tabs": SampleFile(
        ".tsv",
        _text("sku\tqty\tok", *_rows(lambda n: f"S{n}\t{n}\t{'Y' if n % 2 else 'N'}")),
        ("sku",),
        {"sku": "String", "qty": "Int64", "ok": "Bool"},
    ),
    # CSV with other lines around the rows
    "title lines": SampleFile(
        ".csv",
        _text("Report of items", "", "sku,qty", *_rows(lambda n: f"S{n},{n}")),
        ("sku",),
        {"sku": "String", "qty": "Int64"},
        ("skip_lines=2",),
    ),
    "comments": SampleFile(
        ".csv",
        _text("# made by x, version 2", "sku,qty", *_rows(lambda n: f"S{n},{n}")),
        ("sku",),
        {"sku": "String", "qty": "Int64"},
        ('comment="#"',),
    ),
    "a trailer": SampleFile(
        ".csv",
        _text("sku,qty,price", *_rows(lambda n: f"S{n},{n},{n}.25"), f"TRAILER,{ROWS}"),
        ("sku",),
        {"sku": "String", "qty": "Int64", "price": "Float64"},
        ('trailer="TRAILER"',),
    ),
    # CSV of databases
    "backslashes": SampleFile(
        ".csv",
        _text("sku,name,qty", *_rows(lambda n: rf'S{n},"the \"{n}\"",{n if n % 5 else _NULL}')),
        ("sku",),
        {"sku": "String", "name": "String", "qty": "Int64"},
        ('escape="\\\\"', 'nulls=("\\\\N",)'),
    ),
    "changes by a code": SampleFile(
        ".csv",
        _text(
            "op,customer_id,name,changed_at",
            *_rows(lambda n: f"{'IUD'[n % 3]},{n // 3},Name {n},{_time(n):%Y-%m-%dT%H:%M:%SZ}"),
        ),
        ("customer_id",),
        {"op": "String", "customer_id": "Int64", "name": "String", "changed_at": "Datetime"},
        ('deletes=pl.col("op") == "D"', 'ordered_by="changed_at"'),
        "changes",
    ),
    "changes by a flag": SampleFile(
        ".csv",
        _text("account_no,is_deleted,seq,total", *_rows(lambda n: f"A{n // 2:03},{str(n % 2 > 0).lower()},{n},{n}.5")),
        ("account_no",),
        {"account_no": "String", "is_deleted": "Bool", "seq": "Int64", "total": "Float64"},
        ('deletes=pl.col("is_deleted")', 'ordered_by="seq"'),
        "changes",
    ),
    # events
    "clicks": SampleFile(
        ".jsonl",
        _text(*_rows(lambda n: json.dumps({"click_id": f"c{n}", "clicked_at": 1_735_689_600_000 + n, "page": "/x"}))),
        ("click_id", "clicked_at"),
        {"click_id": "String", "clicked_at": "Datetime", "page": "String"},
        ('time_formats=("epoch_milliseconds",)', 'event_time="clicked_at"'),
        "events",
    ),
    "sessions": SampleFile(
        ".csv",
        _text(
            "email,started_at,ended_at",
            *_rows(lambda n: f"u{n}@x.example,{_time(n).isoformat()},{_time(n + 2).isoformat()}"),
        ),
        ("email", "started_at"),
        {"email": "String", "started_at": "Datetime", "ended_at": "Datetime"},
        ('end_time="ended_at"',),
        "events",
    ),
    "local times": SampleFile(
        ".csv",
        _text("order_no;ordered", *_rows(lambda n: f"{n};{_time(n):%d.%m.%Y %H:%M}")),
        ("order_no", "ordered"),
        {"order_no": "Int64", "ordered": "Datetime"},
        ('time_formats=("%d.%m.%Y %H:%M",)', 'time_zone="UTC"'),
        "events",
    ),
    # JSON
    "an array": SampleFile(
        ".json",
        json.dumps([{"sku": f"S{n}", "size": {"width": n, "unit": "cm"}, "tags": ["x"]} for n in _NUMBERS]).encode(),
        ("sku",),
        {"sku": "String", "width": "Int64", "unit": "String", "tags": "List"},
        ('"width": "$.size.width"',),
    ),
    "an answer of an API": SampleFile(
        ".json",
        json.dumps({"data": [{"sku": f"S{n}", "ok": n % 2 > 0} for n in _NUMBERS], "next": None}).encode(),
        ("sku",),
        {"sku": "String", "ok": "Bool"},
        ('records="$.data"',),
    ),
    "objects without line ends": SampleFile(
        ".json",
        "".join(json.dumps({"sku": f"S{n}", "price": n + 0.5}) for n in _NUMBERS).encode(),
        ("sku",),
        {"sku": "String", "price": "Float64"},
        ("lines=True",),
    ),
    # Parquet
    "Parquet": SampleFile(
        ".parquet",
        _parquet(pl.DataFrame({"sku": [f"S{n}" for n in _NUMBERS], "price": [Decimal("1.5")] * ROWS})),
        ("sku",),
        {"sku": "String", "price": "Decimal"},
    ),
    "Parquet of instants": SampleFile(
        ".parquet",
        _parquet(pl.DataFrame({"meter_id": [*_NUMBERS], "sent": [_time(n) for n in _NUMBERS]})),
        ("meter_id", "sent"),
        {"meter_id": "Int64", "sent": "Datetime"},
        ('event_time="sent"',),
        "events",
    ),
    "Parquet of days": SampleFile(
        ".parquet",
        _parquet(pl.DataFrame({"sku": [f"S{n}" for n in _NUMBERS], "sold": [_DAY] * ROWS, "ok": [True] * ROWS})),
        ("sku",),
        {"sku": "String", "sold": "Date", "ok": "Bool"},
    ),
    # workbooks
    "a workbook": SampleFile(
        ".xlsx",
        _workbook(["sku", "qty", "sold"], *([f"S{n}", n, _DAY] for n in _NUMBERS)),
        ("sku",),
        {"sku": "String", "qty": "Int64", "sold": "Date"},
    ),
    "a workbook with a title": SampleFile(
        ".xlsx",
        _workbook(["Items of 2025"], [], ["sku", "price"], *([f"S{n}", n + 0.5] for n in _NUMBERS)),
        ("sku",),
        {"sku": "String", "price": "Float64"},
        ("header_row=3",),
    ),
    # Avro
    "Avro": SampleFile(
        ".avro",
        _avro({"sku": "string", "qty": ["null", "long"]}, [{"sku": f"S{n}", "qty": n or None} for n in _NUMBERS]),
        ("sku",),
        {"sku": "String", "qty": "Int64"},
    ),
    "Avro of instants": SampleFile(
        ".avro",
        _avro(
            {"order_no": "long", "paid_at": {"type": "long", "logicalType": "timestamp-micros"}},
            [{"order_no": n, "paid_at": _time(n)} for n in _NUMBERS],
        ),
        ("order_no", "paid_at"),
        {"order_no": "Int64", "paid_at": "Datetime"},
        ('event_time="paid_at"',),
        "events",
    ),
    # fixed width
    "fixed width": SampleFile(
        ".fwf",
        _text(f"{'sku':<8}{'name':<12}{'qty':>6}", *_rows(lambda n: f"S{n:<7}{'Name' + str(n):<12}{n:>6}")),
        ("sku",),
        {"sku": "String", "name": "String", "qty": "Int64"},
        ("skip_lines=1",),
    ),
    "fixed width without names": SampleFile(
        ".prn",
        _text(*_rows(lambda n: f"{n:05} {_day(n)} {n * 7 % 1000:>6}.50")),
        ("column_0",),
        {"column_0": "String", "column_1": "Date", "column_2": "Float64"},
    ),
}
