"""No workbook, Avro file or archive takes memory that its bytes do not say: what would is refused before it is read."""

import zipfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import fastavro
import pytest

from dataflow_assets.core import zip_archives
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers import check_format, read_file
from dataflow_assets.sources import formats
from dataflow_assets.sources.formats import Avro, Csv, Excel, FixedWidth, Format, workbook_cells, workbook_parts
from dataflow_assets_tests.lake.readers.test_bounded_memory import source
from dataflow_assets_tests.lake.readers.workbooks import HEADER, Write, inline, number, ods, ods_row, row, sheet, xlsx

TWICE = '<c r="B{0}" t="s"><v>0</v></c>'
LARGE = "in memory it is larger than 1 MiB"


def read(path: Path, reader: Format) -> int:
    """How many rows are accepted, each batch looked at."""
    return sum(batch.rows.height for batch in read_file(path, source(reader)).batches)


def corner(_: int) -> str:
    return row(1_048_576, number("XFD1048576"))


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("a.xlsx", xlsx(sheet(corner)), "in memory it is larger than 288 MiB, with 1,048,576 rows and 16,384 columns"),
        (
            "a.ods",
            ods(lambda: [ods_row("number"), ods_row("1", rows=900_000, columns=1_000)]),
            "in memory it is larger",
        ),
        ("a.xlsx", xlsx(lambda: ["<a>" * 1_000]), "more than 100 deep"),
        ("a.xlsx", xlsx(lambda: [row(1, f"<c>{'<a/>' * 100_001}</c>")]), "a cell has more than 100,000 parts"),
        ("a.xlsx", xlsx(sheet(lambda n: row(n, inline(f"A{n}", "a" * 3_000_000)))), "more than 2,097,152 characters"),
        ("a.xlsx", xlsx(lambda: [f'<a b="{"c" * 3_000_000}"/>']), "holds something longer than 2 MiB"),
    ],
)
def test_a_small_workbook_that_would_take_much_memory_is_refused(
    tmp_path: Path, name: str, write: Write, said: str
) -> None:
    write(tmp_path / name)
    assert (tmp_path / name).stat().st_size < 50_000
    for work in (read, lambda path, reader: check_format(path, source(reader))):
        with pytest.raises(FormatError, match=said):
            work(tmp_path / name, Excel())


def test_a_text_that_many_cells_share_counts_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sheet(lambda n: row(n, number(f"A{n}", n), TWICE.format(n)), 20)
    xlsx(rows, lambda: [f"<si><t>{'a' * 100_000}</t></si>"])(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx", Excel()) == 20
    monkeypatch.setattr(workbook_cells, "_MOST_MEMORY", 1 << 20)
    with pytest.raises(FormatError, match=LARGE):
        read(tmp_path / "a.xlsx", Excel())


def test_elements_that_nobody_asked_for_are_forgotten(tmp_path: Path) -> None:
    xlsx(lambda: chain(["<b/>" * 10_000, HEADER], [row(2, number("A2"))]))(tmp_path / "a.xlsx")
    book = workbook_parts.open_workbook(tmp_path / "a.xlsx")
    assert len(list(book.elements("xl/worksheets/sheet1.xml", "c", begins=["row"]))) == 5
    assert read(tmp_path / "a.xlsx", Excel()) == 1


def with_parts(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A sound workbook with its parts changed."""
    xlsx(sheet(lambda n: row(n, number(f"A{n}"), inline(f"B{n}", "a"))))(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"
LINKS = "xl/_rels/workbook.xml.rels"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda parts: parts.update({SHEET: b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + parts[SHEET]}), "a document type"),
        (lambda parts: parts.update({"XL/SharedStrings.xml": b"<sst/>"}), "two of its parts have one name"),
        (lambda parts: parts.update({"content.xml": b"<a/>"}), "two workbooks in one"),
        (lambda parts: parts.update({"xl/styles.xml": bytes(17 << 20)}), "larger than 16 MiB"),
        (
            lambda parts: parts.update({LINKS: parts[LINKS].replace(b"worksheets", b"xl/worksheets")}),
            "is said to be at",
        ),
        (lambda parts: parts.update({SHEET: parts[SHEET][:-10]}), "cannot be read as a workbook"),
    ],
)
def test_a_workbook_that_two_readers_would_read_differently_is_refused(
    tmp_path: Path, change: Callable[[dict[str, bytes]], object], said: str
) -> None:
    with pytest.raises(FormatError, match=said):
        read(with_parts(tmp_path / "a.xlsx", change), Excel())
    assert read(with_parts(tmp_path / "b.xlsx", lambda _: None), Excel()) == 1


def test_a_part_that_is_larger_than_it_says_is_refused(tmp_path: Path) -> None:
    path = with_parts(tmp_path / "a.xlsx", lambda parts: parts.update({"xl/styles.xml": bytes(1_000_003)}))
    content = path.read_bytes()
    assert content.count((1_000_003).to_bytes(4, "little")) == 2
    path.write_bytes(content.replace((1_000_003).to_bytes(4, "little"), (3).to_bytes(4, "little")))
    with pytest.raises(FormatError, match=r"styles\.xml is not as large as it says|Bad CRC"):
        read(path, Excel())


def test_an_archive_of_too_many_members_is_refused_unlisted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_archives, "MOST_MEMBERS", 10)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for member in range(11):
            archive.writestr(f"{member}.csv", "number\n1\n")
    with pytest.raises(FormatError, match="it has more than 10 members"):
        read(tmp_path / "a.zip", Csv())


def avro(path: Path, text: object, value: object, **more: Any) -> Path:
    fields = [{"name": "number", "type": "long"}, {"name": "text", "type": text}]
    with path.open("wb") as file:
        schema = fastavro.parse_schema({"type": "record", "name": "Row", "fields": fields, **more})
        fastavro.writer(file, schema, [{"number": 1, "text": value}], codec="deflate")
    return path


EMPTY = {"type": "record", "name": "Empty", "fields": [{"name": "a", "type": "null"}]}


@pytest.mark.parametrize(
    ("text", "value", "more", "said"),
    [
        ({"type": "array", "items": "null"}, [None], {}, "arrays whose items take no byte"),
        ({"type": "array", "items": EMPTY}, [{"a": None}], {}, "arrays whose items take no byte"),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, [b""], {}, "items take no byte"),
        (["null", "Row"], None, {}, "its type Row is within itself"),
        ("string", "a", {"doc": "d" * (5 << 20)}, "what stands before its blocks is larger than 4 MiB"),
    ],
)
def test_a_schema_by_which_few_bytes_are_much_is_refused(
    tmp_path: Path, text: object, value: object, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(FormatError, match=said):
        read(avro(tmp_path / "a.avro", text, value, **more), Avro())


def test_types_that_are_used_twice_are_read(tmp_path: Path) -> None:
    side = {"type": "record", "name": "Side", "fields": [{"name": "length", "type": "long"}]}
    box = {"type": "record", "name": "Box", "fields": [{"name": "a", "type": side}, {"name": "b", "type": "Side"}]}
    value = [{"a": {"length": 1}, "b": {"length": 2}}]
    # Their schema refuses nothing; the value is a reject, for a list is no text.
    assert read(avro(tmp_path / "a.avro", {"type": "array", "items": box}, value), Avro()) == 0


def test_long_lines_of_fixed_width_come_a_few_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "a.fwf").write_text("1a\n" + ("b" * 1_000_000 + "\n") * 12)
    reader = FixedWidth(widths={"number": 1, "text": 1})
    sizes = [len(batch.rejects) for batch in read_file(tmp_path / "a.fwf", source(reader)).batches]
    assert sum(sizes) == 12
    assert max(sizes) <= 5


def test_a_record_of_avro_that_is_too_long_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats.avro, "_LONGEST", 100)
    path = avro(tmp_path / "a.avro", {"type": "array", "items": "int"}, [1] * 100)
    [reject] = [reject for batch in read_file(path, source(Avro())).batches for reject in batch.rejects]
    assert (reject.code, reject.message) == ("avro.length", "it is longer than 100 characters as JSON.")
