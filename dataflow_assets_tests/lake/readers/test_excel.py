"""Workbooks: each cell is what it holds, or its row is rejected with its place."""

import zipfile
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from dataflow_assets.errors import FormatError
from dataflow_assets.sources.formats import Excel, excel
from dataflow_assets.sources.formats.workbook_cells import find_odd_cells
from dataflow_assets.sources.formats.workbook_parts import open_workbook
from dataflow_assets_tests.lake.readers.formats_source import Prices, read

# ruff: noqa: DTZ001 # an instant in a cell has no zone

HEADER: list[object] = [*Prices.column_names()]


def workbook(folder: Path, rows: list[list[object]], *, sheet: str = "Data", blank: int = 0) -> Path:
    """A workbook whose sheet has these rows, below blank ones; a sheet with notes comes first."""
    book = openpyxl.Workbook()
    del book["Sheet"]
    notes = book.create_sheet("Notes", 0)
    notes["A1"] = "read me"
    made = book.create_sheet(sheet)
    for number, row in enumerate(rows, start=1 + blank):
        for column, cell in enumerate(row, start=1):
            made.cell(number, column, cell)
    path = folder / "prices.xlsx"
    book.save(path)
    return path


def with_xml(path: Path, old: str, new: str) -> Path:
    """The workbook with a text of its second sheet's XML replaced."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet2.xml"
    assert old.encode() in members[sheet]
    members[sheet] = members[sheet].replace(old.encode(), new.encode())
    changed = path.with_name("changed.xlsx")
    with zipfile.ZipFile(changed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return changed.replace(path)


READER = Excel(sheet="Data")


def test_cells_keep_what_they_hold(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["00012", "1.2e-10", 3, 1.5, 2.25, True, date(2021, 12, 1), datetime(2021, 12, 1, 10, 30, 0, 123000)],
        [12, "  padded", None, 3, 10**15, False, date(1900, 3, 1), datetime(2021, 12, 2)],
        [time(12, 30), date(2021, 12, 1), -7, 1e300, None, None, None, None],
        [timedelta(hours=26), 1.25, 0, 0.1, 0.1, None, date(9999, 12, 31), None],
    ]
    found = read(workbook(tmp_path, [HEADER, *rows]), READER)
    assert found.rejects == []
    first = datetime(2021, 12, 1, 10, 30, 0, 123000, UTC)
    assert found.rows == [
        ("00012", "1.2e-10", 3, 1.5, Decimal("2.25"), True, date(2021, 12, 1), first),
        ("12", "  padded", None, 3.0, Decimal(10**15), False, date(1900, 3, 1), datetime(2021, 12, 2, tzinfo=UTC)),
        ("12:30:00", "2021-12-01", -7, 1e300, None, None, None, None),
        ("26:00:00", "1.25", 0, 0.1, Decimal("0.1"), None, date(9999, 12, 31), None),
    ]


def test_a_type_that_comes_late_is_kept(tmp_path: Path) -> None:
    rows: list[list[object]] = [[f"S{number}", number] for number in range(1200)]
    found = read(workbook(tmp_path, [["sku", "name"], *rows, ["last", "00012"], ["very last", 1.5]]), READER)
    assert [row[:2] for row in found.rows[-3:]] == [("S1199", "1199"), ("last", "00012"), ("very last", "1.5")]


def test_errors_and_formulas_without_a_value_are_rejected_with_their_place(tmp_path: Path) -> None:
    rows: list[list[object]] = [["a", "#N/A"], ["b", "=1+1"], ["c", "fine"], ["=1+1"], [None, "x"]]
    found = read(workbook(tmp_path, [["sku", "name"], *rows]), READER)
    assert [row[:2] for row in found.rows] == [("c", "fine")]
    formula = "holds a formula without a value; save the workbook in a spreadsheet."
    assert found.reasons == [
        (2, "name.error", "name holds an error.", "Data!2: a\t"),
        (3, "name.formula", f"name {formula}", "Data!3: b\t"),
        (5, "sku.formula", f"sku {formula}", "Data!5: \t"),
        (6, "sku.nullability", "sku is missing.", "Data!6: \tx"),
    ]


def test_a_column_is_read_alike_under_an_alias_and_in_another_case(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["sku", "Seen_At"], ["a", datetime(2021, 12, 2)]])
    assert read(path, READER).rows[0][7] == datetime(2021, 12, 2, tzinfo=UTC)
    path = workbook(tmp_path, [["sku", "Moment"], ["a", datetime(2021, 12, 2)]])
    assert read(path, READER, {"seen_at": ("Moment",)}).rows[0][7] == datetime(2021, 12, 2, tzinfo=UTC)
    path = workbook(tmp_path, [["sku", "count", "count"], ["a", 1, 2]])
    with pytest.raises(FormatError, match="'count' twice in its row 1"):
        read(path, READER, {"qty": ("count",)})


def test_an_error_in_a_column_that_nobody_reads_rejects_nothing(tmp_path: Path) -> None:
    found = read(workbook(tmp_path, [["sku", "more"], ["a", "#N/A"], ["b", "=1+1"], [None, "#N/A"]]), READER)
    assert ([row[0] for row in found.rows], found.rejects) == (["a", "b"], [])


def test_a_number_of_twenty_digits_keeps_them(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["sku", "name", "price"], ["a", 111, 222], ["b", 1, 2]])
    path = with_xml(path, "<v>111</v>", "<v>12345678901234567890</v>")
    path = with_xml(path, "<v>222</v>", "<v>9007199254740993</v>")
    assert [(row[1], row[4]) for row in read(path, READER).rows] == [
        ("12345678901234567890", Decimal("9007199254740993")),
        ("1", Decimal(2)),
    ]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("1234567890123456.7891", "1234567890123456.7891"),
        ("9007199254740993.5", "9007199254740993.5000"),
        ("1.1000000000000001", "1.1000"),
        ("0.1", "0.1000"),
        ("inf", None),
        ("1.0000000000000002", None),  # a float, with digits that the column has not
    ],
)
def test_a_fraction_keeps_its_digits_unless_they_are_those_of_a_float(
    tmp_path: Path, written: str, read_as: str | None
) -> None:
    path = with_xml(workbook(tmp_path, [["sku", "price"], ["a", 111]]), "<v>111</v>", f"<v>{written}</v>")
    found = read(path, READER)
    assert [str(row[4]) for row in found.rows] == ([read_as] if read_as else [])
    assert len(found.rejects) == (read_as is None)


def test_the_header_may_stand_lower_and_blank_rows_are_none(tmp_path: Path) -> None:
    rows: list[list[object]] = [["a title"], [], ["sku", None, "qty"], ["a", "note", 1], [], ["b", None, 2]]
    path = workbook(tmp_path, rows, blank=2)
    found = read(path, Excel(sheet="Data", header_row=5))
    assert [(row[0], row[2]) for row in found.rows] == [("a", 1), ("b", 2)]


def test_a_name_twice_that_nobody_reads_refuses_nothing(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["sku", "note", "note", "qty"], ["a", "x", "y", 1]])
    assert [(row[0], row[2]) for row in read(path, READER).rows] == [("a", 1)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<row r="3"', '<row r="2"'),
        ('r="B3"', 'r="A3"'),
        ('r="B3"', 'r="B7"'),
    ],
    ids=["a row twice", "a cell twice", "a cell of another row"],
)
def test_two_at_one_place_are_refused(tmp_path: Path, old: str, new: str) -> None:
    path = with_xml(workbook(tmp_path, [["sku", "qty"], ["a", 1], ["b", 2]]), old, new)
    with pytest.raises(FormatError, match="cannot be read as a workbook"):
        read(path, READER)


def test_rows_are_counted_by_the_xml(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["sku", "qty"], ["a", 1], ["b", 2], [None, "#N/A"], ["", "=1+1"]])
    assert len(read(path, READER).rejects) == 2
    odd = find_odd_cells(open_workbook(path), "Data")
    assert odd.rows_with([0, 1]) == bytes([1, 1, 1, 1, 1])
    assert odd.rows_with([0]) == bytes([1, 1, 1])


def test_a_heading_may_be_a_date(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["sku", date(2021, 12, 1)], ["a", 1]])
    assert read(path, READER).rows[0][0] == "a"


@pytest.mark.parametrize(
    ("reader", "rows", "message"),
    [
        (Excel(sheet="data"), [HEADER], "has no sheet 'data'; its sheets are 'Notes', 'Data'."),
        (Excel(sheet="Data", header_row=9), [HEADER], "has no row 9 in the sheet 'Data'."),
        (READER, [["sku", "qty", "sku"], ["a", 1, "b"]], "has the column 'sku' twice in its row 1."),
        (Excel(sheet="Data", header_row=2), [HEADER, [None], ["a"]], "has no names in its row 2."),
    ],
)
def test_another_workbook_is_refused(tmp_path: Path, reader: Excel, rows: list[list[object]], message: str) -> None:
    with pytest.raises(FormatError, match=r"^prices.xlsx") as error:
        read(workbook(tmp_path, rows), reader)
    assert message in str(error.value)


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.xlsx"
    path.write_text("sku,qty\na,1\n")
    with pytest.raises(FormatError, match=r"prices.xlsx does not hold a workbook, as its source says."):
        read(path, READER)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("prices.csv", "sku\na\n")
    with pytest.raises(FormatError, match=r"prices.xlsx cannot be read as a workbook"):
        read(path, READER)


def test_a_workbook_that_is_cut_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path, [HEADER, ["a"]])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FormatError, match=r"prices.xlsx cannot be read as a workbook"):
        read(path, READER)


def test_many_rows_come_in_several_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "_ROWS", 3)
    rows: list[list[object]] = [[f"S{number}", None, number] for number in range(10)]
    found = read(workbook(tmp_path, [HEADER, *rows]), READER)
    assert [(row[0], row[2]) for row in found.rows] == [(f"S{number}", number) for number in range(10)]


def ods(folder: Path, rows: str) -> Path:
    """A spreadsheet of LibreOffice, by the XML of its rows."""
    names = ("office", "table", "text")
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in names)
    calc = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    content = (
        f"<office:document-content {spaces} {calc}><office:body><office:spreadsheet>"
        f'<table:table table:name="Data">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    path = folder / "prices.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
    return path


def ods_row(*cells: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def ods_text(text: str) -> str:
    return f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'


def ods_value(kind: str, **values: str) -> str:
    given = " ".join(f'office:{name.replace("_", "-")}="{value}"' for name, value in values.items())
    return f'<table:table-cell office:value-type="{kind}" {given}><text:p>shown</text:p></table:table-cell>'


def test_a_sheet_of_libreoffice_is_read_alike(tmp_path: Path) -> None:
    rows = [
        ods_row(*map(ods_text, ("sku", "qty", "price", "valid_on", "seen_at", "active"))),
        ods_row(
            ods_text("00012"),
            ods_value("float", value="3"),
            ods_value("float", value="12345678901234567890"),
            ods_value("date", date_value="2021-12-01"),
            ods_value("date", date_value="2021-12-01T10:30:00"),
            ods_value("boolean", boolean_value="true"),
        ),
        '<table:table-row table:number-rows-repeated="2"><table:table-cell/></table:table-row>',
        ods_row(
            ods_text("a"),
            '<table:table-cell table:formula="of:=1/0" office:value-type="string" calcext:value-type="error">'
            "<text:p>#DIV/0!</text:p></table:table-cell>",
        ),
    ]
    found = read(ods(tmp_path, "".join(rows)), Excel())
    seen_at = datetime(2021, 12, 1, 10, 30, tzinfo=UTC)
    assert found.rows == [
        ("00012", None, 3, None, Decimal("12345678901234567890"), True, date(2021, 12, 1), seen_at),
    ]
    assert [reason[:3] for reason in found.reasons] == [(5, "qty.error", "qty holds an error.")]
