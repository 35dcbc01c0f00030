"""Of formats that are packed, the files that take the most memory of those that the platform's limits let through.

Here: Avro, workbooks and archives. Not here: plain ones (see `worst_files`).
"""

import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import fastavro
from openpyxl.utils import get_column_letter

from benchmarks.worst_plain import COLUMNS, MIB, Write, csv, long_text
from dataflow_assets_tests.lake.readers.workbooks import HEADER, inline, number, ods, ods_row, row, sheet, xlsx


def _avro(schema: dict[str, Any], records: Callable[[], Iterable[object]], block: int = 14 * MIB) -> Write:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            fastavro.writer(file, fastavro.parse_schema(schema), records(), codec="deflate", sync_interval=block)

    return write


def _record(text: object, *others: Mapping[str, object]) -> dict[str, Any]:
    fields = [{"name": "number", "type": ["null", "long"]}, {"name": "text", "type": text}, *others]
    return {"type": "record", "name": "Row", "fields": fields}


_ROW = _record(["null", "string"])
_WIDE = _record("string", *({"name": f"c{number}", "type": "int"} for number in range(10_000)))
_LISTS = _record({"type": "array", "items": "int"})


def _one(text: Any) -> list[object]:
    return [{"number": 1, "text": text}]


def _wide_records() -> Iterator[object]:
    one = {"number": 1, "text": "a", **{f"c{number}": number for number in range(10_000)}}
    return (one for _ in range(400))


def _wide_sheet() -> Iterator[str]:
    letters = [get_column_letter(column) for column in range(1, 10_001)]
    names = [*COLUMNS, *letters]
    yield row(1, *(inline(f"{letter}1", name) for letter, name in zip(letters, names, strict=False)))
    for line in range(2, 250):
        yield row(line, *(number(f"{letter}{line}", line) for letter in letters))


def _zip(write_inside: Write) -> Write:
    """Write a file in a zip archive."""

    def write(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
            write_inside(inside := Path(folder, "a.csv"))
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                archive.write(inside, inside.name)

    return write


def _zeros(path: Path) -> None:
    """Write 10 GB that take no room on the disk."""
    with path.open("wb") as file:
        file.write(b"number,text\n")
        file.truncate(10 << 30)


def _many_members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for member in range(90_000):
            archive.writestr(f"{member}.csv", "")


PACKED: dict[str, dict[str, Write]] = {
    "avro": {
        "many tiny rejects": _avro(_ROW, lambda: ({} for _ in range(500_000))),
        "one huge value": _avro(_ROW, lambda: _one(long_text(7 * MIB))),
        "one huge value, of wide letters": _avro(_ROW, lambda: _one(long_text(7 * MIB) + "\U0001f600")),
        "many values of 1.9 MB": _avro(_ROW, lambda: _one(long_text(1_900_000)) * 150),
        "10,000 columns": _avro(_WIDE, _wide_records),
        "a list of 15 million": _avro(_LISTS, lambda: _one([1] * 15_000_000)),
        "a record of 15 MB": _avro(_ROW, lambda: _one(long_text(15 * MIB) + "\U0001f600")),
        "a record of 50 MB": _avro(_ROW, lambda: _one(long_text(50 * MIB))),
    },
    "xlsx": {
        "many tiny rejects": xlsx(sheet(lambda n: row(n, f'<c r="A{n}" t="e"><v>#N/A</v></c>'), 500_000)),
        "many numbers": xlsx(sheet(lambda n: row(n, number(f"A{n}", n), number(f"B{n}", n)), 900_000)),
        "one huge value": xlsx(sheet(lambda n: row(n, number(f"A{n}"), inline(f"B{n}", long_text(50 * MIB))))),
        "many values of 1.9 MB": xlsx(
            sheet(lambda n: row(n, number(f"A{n}"), inline(f"B{n}", long_text(1_900_000))), 75)
        ),
        "one long text, 100 cells": xlsx(
            sheet(lambda n: row(n, number(f"A{n}", n), f'<c r="B{n}" t="s"><v>0</v></c>'), 100),
            lambda: [f"<si><t>{long_text(1_400_000)}</t></si>"],
        ),
        "10,000 columns": xlsx(_wide_sheet),
        "a cell in the last corner": xlsx(sheet(lambda _: row(1_048_576, number("XFD1048576")))),
        "elements in elements": xlsx(lambda: ["<a>" * 1_000_000, "</a>" * 1_000_000]),
        "elements that nobody asked for": xlsx(lambda: chain([HEADER], ("<a/>" * 1_000 for _ in range(100_000)))),
    },
    "ods": {
        "a row, a million times": ods(lambda: [ods_row(*COLUMNS), ods_row("1", long_text(20_000), rows=1_000_000)]),
        "a cell, 16,384 times": ods(lambda: [ods_row(*COLUMNS), ods_row("1", columns=16_384, rows=100_000)]),
        "many rows": ods(lambda: [ods_row(*COLUMNS), *[ods_row("1", "a")] * 700_000]),
    },
    "archives": {
        "many tiny rejects": _zip(csv("a\n", times=2_000_000)),
        "many values of 1.9 MB": _zip(csv(f"1,{long_text(1_900_000)}\n", times=150)),
        "unpacks to 10 GB": _zip(_zeros),
        "90,000 members": _many_members,
    },
}
PACKED_SUFFIXES = {"avro": ".avro", "xlsx": ".xlsx", "ods": ".ods", "archives": ".zip"}
