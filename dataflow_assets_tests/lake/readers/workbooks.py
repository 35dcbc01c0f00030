"""Workbooks from their XML, as no spreadsheet would write them.

Here: writing them. Not here: expectations.
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

Write = Callable[[Path], None]
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"
_XLSX = {
    "_rels/.rels": f'<Relationships xmlns="{_LINKS}"><Relationship Id="a" Type="{_OFFICE}/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_LINKS}"><Relationship Id="a" Type="{_OFFICE}/worksheet" '
    'Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="a"/>'
    "</sheets></workbook>",
}
_ODS = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)


def xlsx(rows: Callable[[], Iterable[str]], texts: Callable[[], Iterable[str]] = list) -> Write:
    """Write a workbook of one sheet whose rows, and whose shared texts, are given in XML."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, content in _XLSX.items():
                archive.writestr(name, content)
            _part(archive, "xl/worksheets/sheet1.xml", "worksheet", chain(["<sheetData>"], rows(), ["</sheetData>"]))
            _part(archive, "xl/sharedStrings.xml", "sst", texts())

    return write


def _part(archive: zipfile.ZipFile, name: str, root: str, content: Iterable[str]) -> None:
    with archive.open(name, "w", force_zip64=True) as file:
        for piece in chain([f'<{root} xmlns="{_MAIN}">'], content, [f"</{root}>"]):
            file.write(piece.encode())


def inline(place: str, text: str) -> str:
    """A cell of an .xlsx file that holds its text."""
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def number(place: str, value: int = 1) -> str:
    """A cell of an .xlsx file that holds a number."""
    return f'<c r="{place}"><v>{value}</v></c>'


def row(line: int, *cells: str) -> str:
    """A row of an .xlsx file."""
    return f'<row r="{line}">{"".join(cells)}</row>'


HEADER = row(1, inline("A1", "number"), inline("B1", "text"))


def sheet(line: Callable[[int], str], count: int = 1) -> Callable[[], Iterator[str]]:
    """The header, and so many rows below it."""
    return lambda: chain([HEADER], (line(place) for place in range(2, count + 2)))


def ods(rows: Callable[[], Iterable[str]]) -> Write:
    """Write a workbook of LibreOffice of one sheet whose rows are given in XML."""

    def write(path: Path) -> None:
        table = f'<table:table table:name="S">{"".join(rows())}</table:table>'
        body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
            archive.writestr("META-INF/manifest.xml", "<manifest/>")
            archive.writestr("content.xml", f"<office:document-content {_ODS}>{body}</office:document-content>")

    return write


def ods_row(*texts: str, rows: int = 1, columns: int = 1) -> str:
    """Rows of an .ods file, each with cells of these texts, each so often."""
    said = f'office:value-type="string" table:number-columns-repeated="{columns}"'
    cells = "".join(f"<table:table-cell {said}><text:p>{text}</text:p></table:table-cell>" for text in texts)
    return f'<table:table-row table:number-rows-repeated="{rows}">{cells}</table:table-row>'
