"""Files of every format with faults that files have.

Here: the files alone. Not here: what they give (see `input_faults`). Run as a module to write the docs' table.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import fastavro
import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.worksheet.worksheet import Worksheet

from dataflow_assets.sources import Avro, Csv, Excel, FixedWidth, Json, Parquet
from dataflow_assets_tests.lake.input_faults import PAGE, Fault, Names, Prices, write_page

HEADER = "sku,name,price,qty,ratio,valid_on,seen_at\n"
TRIPS = "trip,began,ended\n"
STRICT: Mapping[str, Any] = {"optional_columns": ()}
PATHS = {name: f"$.{name}" for name in Prices.column_names()}
WITHIN = Json(paths={**PATHS, "qty": "$.size.qty"})
TEXTS: Mapping[str, Any] = {"schema": Names}
JSON, LINES, CSV = Json(paths=PATHS), Json(paths=PATHS, lines=True), Csv()
EUROPEAN = Csv(delimiter=";", decimal=",", thousands=".", date_formats=("%d/%m/%Y",))


def _csv(*lines: str, header: str = HEADER) -> bytes:
    return (header + "".join(line + "\n" for line in lines)).encode()


def _json(*rows: Mapping[str, Any]) -> bytes:
    return json.dumps(rows).encode()


def _parquet(**columns: Any) -> bytes:
    written = io.BytesIO()
    pl.DataFrame(columns).write_parquet(written)
    return written.getvalue()


def _zip(**members: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def _arrow(**columns: pa.Array) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"sku": ["a"], **columns}), written)
    return written.getvalue()


def _decimal256() -> bytes:
    return _arrow(price=pa.array([Decimal("1.5")], pa.decimal256(50, 2)))


def _in_zone(zone: str) -> bytes:
    return _arrow(seen_at=pa.array([1_767_175_200_000_000], pa.timestamp("us", zone)))


def _workbook(*rows: list[Any], edit: Callable[[Worksheet], None] = lambda _: None) -> bytes:
    book, written = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for row in rows:
        sheet.append(row)
    edit(sheet)
    book.save(written)
    return written.getvalue()


def _add_hidden(sheet: Worksheet) -> None:
    assert sheet.parent
    hidden = sheet.parent.create_sheet("hidden", 0)
    hidden.sheet_state = "hidden"
    hidden.append(["sku", "name"])
    hidden.append(["secret", "x"])


def _hide_row(sheet: Worksheet) -> None:
    sheet.row_dimensions[2].hidden = True


def _show_percent(sheet: Worksheet) -> None:
    sheet["C2"].number_format = "0%"


def _show_day(sheet: Worksheet) -> None:
    sheet["F2"].number_format = "yyyy-mm-dd"


def _avro(**values: Any) -> bytes:
    written = io.BytesIO()
    types: dict[type, Any] = {bytes: "bytes", dict: {"type": "map", "values": "string"}}
    fields = [{"name": name, "type": types.get(type(value), "string")} for name, value in values.items()]
    fastavro.writer(written, {"type": "record", "name": "row", "fields": fields}, [values])
    return written.getvalue()


def _trips(*lines: str) -> bytes:
    return _csv(*lines, header=TRIPS)


FAULTS: dict[str, list[Fault]] = {
    "Records and text": [
        Fault("a quote before a value that nothing closes", CSV, _csv('"a,b,1,1,1,,', "c,d,1,1,1,,", "e,f,1,1,1,,")),
        Fault("too few values", CSV, _csv("a,b")),
        Fault("too many values", CSV, _csv("a,b,1,1,1,,,x")),
        Fault("empty values too many at the end", CSV, _csv("a,b,1,1,1,,,,")),
        Fault("text after a closing quote", CSV, _csv('a,"b"c,1,1,1,,')),
        Fault("bytes that are not UTF-8", CSV, HEADER.encode() + b"a,\xff,1,1,1,,\n"),
        Fault("the header again between the rows", CSV, _csv("a,b,1,1,1,,", HEADER.strip(), "c,d,1,1,1,,")),
        Fault(
            "the header again in another case, where all columns are texts", CSV, b"sku,name\na,b\nSKU,Name\n", TEXTS
        ),
        Fault("a header that is declared to be none", Csv(header=False), b"sku,name\na,b\n", TEXTS),
        Fault("a byte order mark, and lines that end in CR LF", CSV, b"\xef\xbb\xbf" + _csv("a,b,1,1,1,,\r")),
        Fault("UTF-8 under another declared encoding", Csv(encoding="cp1252"), _csv("a,M\u00fcller,1,1,1,,")),
        Fault("characters of Windows in Latin-1", Csv(encoding="latin-1"), HEADER.encode() + b"a,\x80,1,1,1,,\n"),
        Fault(
            "bytes that the encoding has not", Csv(encoding="cp1252"), HEADER.encode() + b"a,\x81,,,,,\nb,\xe9,,,,,\n"
        ),
        Fault(
            "a line of UTF-8 among others", Csv(encoding="cp1252"), HEADER.encode() + b"a,\xe9,,,,,\nb,\xc3\xa9,,,,,\n"
        ),
        Fault("UTF-16 that is not declared", CSV, _csv("a,b,1,1,1,,").decode().encode("utf-16")),
        Fault("another delimiter", CSV, _csv("a;b;1;1;1;;", header=HEADER.replace(",", ";"))),
        Fault(
            "a line `sep=;` before the header",
            EUROPEAN,
            b"sep=;\n" + _csv("a;b;12,5;;;;", header=HEADER.replace(",", ";")),
        ),
        Fault("a trailer with another count", Csv(trailer="TRL"), _csv("a,b,1,1,1,,", "TRL,2,,,,,")),
        Fault("a declared trailer with the right count", Csv(trailer="TRL"), _csv("a,b,1,1,1,,", "TRL,1,,,,,")),
        Fault("an HTML page", CSV, b"<!DOCTYPE html>\n<html>sorry</html>\n"),
        Fault("text that is no JSON", LINES, b'{"sku":"a"}\n{"sku":"b"\n{"sku":"c"}\n'),
        Fault("a key twice in an object", JSON, b'[{"sku":"a","qty":1,"qty":2}]'),
        Fault("an array that nothing closes", JSON, b'[{"sku":"a"},{"sku":"b"}'),
        Fault("an array inside an object that is not declared", JSON, b'{"data":[{"sku":"a"}]}'),
        Fault(
            "an array inside an object, as `records`", Json(paths=PATHS, records="$.data"), b'{"data":[{"sku":"a"}]}'
        ),
        Fault("a line of another length", FixedWidth(widths={"sku": 3, "qty": 3}), b"a  001\nb  2\n"),
        Fault("bytes that are no text", Avro(), _avro(sku="a", name=b"\xff")),
        Fault("a file that is cut short", Parquet(), _parquet(sku=["a"])[:-20]),
        Fault("a packed file that is cut short", CSV, gzip.compress(_csv("a,b,1,1,1,,"))[:-9], packing=".gz"),
        Fault("quotes behind backslashes, which are not declared", CSV, _csv(r'a,"the \"b\"",1,1,1,,')),
        Fault(
            "quotes, delimiters and line ends behind a declared escape",
            Csv(escape="\\"),
            _csv(r'a,"the \"b\"",1,1,1,,', r"c,C:\new\,dir\\,1,1,1,,", "d,e\\\nf,1,1,1,,"),
        ),
        Fault(
            "a byte order mark before a row, as of files put together", CSV, _csv("a,b,1,1,1,,", '\ufeff"c",d,1,1,1,,')
        ),
        Fault("line ends of three kinds", CSV, _csv("a,b,1,1,1,,\r\nc,d,1,1,1,,\re,f,1,1,1,,")),
        Fault("a NUL character", CSV, _csv("a,b\0c,1,1,1,,")),
        Fault("text in UTF-32", CSV, _csv("a,b,1,1,1,,").decode().encode("utf-32")),
        Fault("several objects on a line", LINES, b'{"sku":"a"}{"sku":"c","name":"}{"}\n'),
        Fault("a byte order mark before a line", LINES, b'{"sku":"a"}\n\xef\xbb\xbf{"sku":"c"}\n'),
        Fault("an array for lines", LINES, b'[{"sku":"a"}]\n'),
        Fault("lines for an array", JSON, b'{"sku":"a"}\n'),
        Fault("an HTML page", JSON, b"<!DOCTYPE html>\n<html>sorry</html>\n"),
        Fault("something in the array that is no object", JSON, b'[{"sku":"a"},null]'),
        Fault("half of a surrogate pair", JSON, b'[{"sku":"a","name":"x\\ud800"}]'),
        Fault("blanks behind the last column", FixedWidth(widths={"sku": 3, "qty": 3}), b"a  001  \n"),
        Fault("a header and no row", Excel(), _workbook(list(PATHS))),
        Fault(
            "a hidden sheet before the one with the data", Excel(), _workbook(list(PATHS), ["a", "b"], edit=_add_hidden)
        ),
        Fault("a hidden row", Excel(), _workbook(list(PATHS), ["a", "b"], edit=_hide_row)),
        Fault(
            "what operating systems put beside the data",
            CSV,
            _zip(**{"p.csv": _csv("a,b,1,1,1,,"), "__MACOSX/._p.csv": b"\0\5", ".DS_Store": b"x", "p.csv.md5": b"0"}),
            packing=".zip",
        ),
    ],
    "Names of columns": [
        Fault(
            "another case, and blanks around names",
            CSV,
            _csv("a,b", header="SKU, name\n"),
            {},
        ),
        Fault("a column under another name", CSV, _csv("a,b,2,1,1,,", header=HEADER.replace("price", "cost")), STRICT),
        Fault(
            "a column under an alias",
            CSV,
            _csv("a,b,2,1,1,,", header=HEADER.replace("price", "cost")),
            {"aliases": {"price": ("cost",)}},
        ),
        Fault(
            "a column that is not there, and no other one",
            CSV,
            _csv("a,b,1,1,,", header=HEADER.replace("price,", "")),
            STRICT,
        ),
        Fault(
            "a column that one member of an archive lacks and another has",
            CSV,
            _zip(**{"1.csv": _csv("a,b,1,1,1,,"), "2.csv": _csv("c,d,1,1,,", header=HEADER.replace("price,", ""))}),
            STRICT,
            packing=".zip",
        ),
        Fault(
            "a column that a member of an archive without rows lacks",
            CSV,
            _zip(**{"1.csv": _csv("a,b,1,1,1,,"), "2.csv": _csv(header=HEADER.replace("price,", ""))}),
            STRICT,
            packing=".zip",
        ),
        Fault(
            "a column that each row must have is not there", CSV, _csv("b,1,1,1,,", header=HEADER.replace("sku,", ""))
        ),
        Fault("a declared column twice", CSV, _csv("a,b,1,1,1,,,2", header=HEADER.strip() + ",QTY,qty\n")),
        Fault("a column twice that nobody reads", CSV, _csv("a,b,1,1,1,,,c,d", header=HEADER.strip() + ",note,note\n")),
        Fault("a key in another case", JSON, _json({"sku": "a", "QTY": 3})),
        Fault("a key in its own and in another case", JSON, _json({"sku": "a", "qty": 3, "QTY": 4})),
        Fault("a key in another case, below the first of a path", WITHIN, _json({"sku": "a", "size": {"QTY": 3}})),
        Fault("values in a column without a name", Excel(), _workbook([*PATHS, None], ["a", *[None] * 6, "x"])),
        Fault("a column under another name", Parquet(), _parquet(sku=["a"], quantity=[1]), STRICT),
        Fault("a column of another type", Parquet(), _parquet(sku=["a"], qty=["1"])),
    ],
    "Values": [
        Fault("a whole number as `3.0`", CSV, _csv("a,b,1,3.0,1,,")),
        Fault("a whole number with a fraction", CSV, _csv("a,b,1,3.5,1,,")),
        Fault("a number beyond its type", CSV, _csv("a,b,1,9223372036854775808,1,,")),
        Fault("more digits than are declared", CSV, _csv("a,b,0.00001,1,1,,")),
        Fault("all the digits that are declared", CSV, _csv("a,b,99999999999999.9999,9007199254740993,1,,")),
        Fault("no number", CSV, _csv("a,b,1,1,NaN,,")),
        Fault("declared tokens for no value", Csv(nulls=("NULL", "\\N", "NaN")), _csv("a,NULL,\\N,1,NaN,,")),
        Fault(
            "`1.234,50` and `31/12/2025`, declared",
            EUROPEAN,
            _csv("a;b;1.234,50;;;31/12/2025;", header=HEADER.replace(",", ";")),
        ),
        Fault("`1.234,50`, not declared", CSV, _csv('a,b,"1.234,50",1,1,,')),
        Fault(
            "narrow blanks as thousands marks, declared",
            Csv(thousands="\u202f"),
            _csv("a,b,1\u202f234.5,1,1,,"),
        ),
        Fault("narrow blanks as thousands marks", CSV, _csv("a,b,1\u202f234.5,1,1,,")),
        Fault("a negative number in parentheses", CSV, _csv("a,b,(5.00),1,1,,")),
        Fault("a minus behind the number", CSV, _csv("a,b,5.00-,1,1,,")),
        Fault("a Unicode minus", CSV, _csv("a,b,\u22125,1,1,,")),
        Fault("a percent sign", CSV, _csv("a,b,1,1,5%,,")),
        Fault("a cell that is shown as percent", Excel(), _workbook(list(PATHS), ["a", "b", 0.05], edit=_show_percent)),
        Fault("digits of another script", CSV, _csv("a,b,\u0661,1,1,,")),
        Fault("a direction mark before a number", CSV, _csv("a,b,\u200f5,1,1,,")),
        Fault("a day as the number of a spreadsheet", CSV, _csv("a,b,1,1,1,45678,")),
        Fault(
            "the 29th of February 1900, as Excel has it",
            Excel(),
            _workbook(list(PATHS), ["a", *[None] * 4, 60], edit=_show_day),
        ),
        Fault("infinity, and no number", LINES, b'{"sku":"a","ratio":-Infinity}\n{"sku":"c","ratio":NaN}\n'),
        Fault("a whole number of 20 digits", JSON, b'[{"sku":"a","qty":12345678901234567890}]'),
        Fault("a whole number that is no float", CSV, _csv("a,b,1,1,9007199254740993,,", "c,d,1,1,9007199254740992,,")),
        Fault("a list where a path names an object", WITHIN, _json({"sku": "a", "size": [{"qty": 1}]})),
        Fault("an empty list for an object", WITHIN, _json({"sku": "a", "size": []})),
        Fault("a map for a text", Avro(), _avro(sku="a", name={"x": "y"})),
        Fault("a whole number beyond 2^63", Parquet(), _parquet(sku=["a"], qty=pl.Series([2**63], dtype=pl.UInt64))),
        Fault("decimals wider than any that are declared", Parquet(), _decimal256()),
        Fault("a day that there is not", CSV, _csv("a,b,1,1,1,2021-02-30,")),
        Fault("a value that must not be missing", CSV, _csv(",b,1,1,1,,")),
        Fault("an object for a text", JSON, _json({**dict.fromkeys(PATHS), "sku": "a", "name": {"x": 1}})),
        Fault(
            "whole numbers as floats",
            Parquet(),
            _parquet(
                sku=["a", "b"], qty=[3.0, 3.5], **{name: [None, None] for name in PATHS if name not in ("sku", "qty")}
            ),
        ),
        Fault("an error, and a formula without a value", Excel(), _workbook(list(PATHS), ["a", "#N/A"], ["b", "=1+1"])),
    ],
    "Times": [
        Fault("seconds left out, as Java does", CSV, _csv("a,b,1,1,1,,2025-12-31T10:00Z")),
        Fault("for ever and never", CSV, _csv("a,b,1,1,1,,9999-12-31T23:59:59Z", "c,b,1,1,1,,0001-01-01T00:00:00Z")),
        Fault("24 o'clock", CSV, _csv("a,b,1,1,1,,2025-12-31T24:00:00Z")),
        Fault("a leap second", CSV, _csv("a,b,1,1,1,,2016-12-31T23:59:60Z")),
        Fault("a time zone that is an offset", Parquet(), _in_zone("+05:30")),
        Fault("finer than a microsecond", CSV, _csv("a,b,1,1,1,,2025-12-31T10:00:00.123456789Z")),
        Fault("no zone, where the source names its own", CSV, _trips("a,2026-06-01 10:00,2026-06-01 11:00"), {}, True),
        Fault("a local time that there was not", CSV, _trips("a,2026-03-29 02:30,2026-03-29 04:00"), {}, True),
        Fault(
            "equal local times in the hour that clocks repeat",
            CSV,
            _trips("a,2026-10-25 02:30,2026-10-25 02:40", "a,2026-10-25 02:30,2026-10-25 02:40"),
            {},
            True,
        ),
        Fault("an end before the beginning", CSV, _trips("a,2026-10-25 02:30,2026-10-25 02:10"), {}, True),
        Fault("longer than the source allows", CSV, _trips("a,2026-06-01 10:00,2026-06-09 10:00"), {}, True),
        Fault(
            "milliseconds since 1970, declared",
            LINES,
            b'{"sku":"a","seen_at":1763632800123}\n{"sku":"b","seen_at":"1763632800"}\n',
            {
                "time_formats": ("epoch_seconds", "epoch_milliseconds"),
                "optional_columns": tuple(Prices.column_names()[1:6]),
            },
        ),
    ],
}


if __name__ == "__main__":
    PAGE.write_text(write_page(FAULTS), encoding="utf-8")
