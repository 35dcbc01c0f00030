"""Workbooks: `.xlsx` of Excel and `.ods` of LibreOffice.

Here: how such a file is declared and read. Not here: what its XML alone tells (see `workbook_cells`).
"""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import ParseError

import polars as pl
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from dataflow_assets.core.iteration import batched_by_size
from dataflow_assets.errors import FormatError
from dataflow_assets.sources.formats.base import RecordFormat, Records, Reject, types_of
from dataflow_assets.sources.formats.workbook_cells import ERROR, NO_DAY, NO_VALUE, OddCells, find_odd_cells
from dataflow_assets.sources.formats.workbook_parts import open_workbook

Cell = int | float | str | bool | time | date | datetime | timedelta
_ORIGINS = {"line": pl.Int64, "raw": pl.String}
_ROWS = 20_000  # at a time
_CELLS = 400_000  # at a time
_TEXT = 4 << 20  # characters at a time, and the row with which they are reached
_BROKEN = (CalamineError, LookupError, ValueError, OSError, zipfile.BadZipFile, zlib.error, EOFError, ParseError)
_EXACT = 2**53  # up to which a float holds every whole number
_SENTENCES = {
    ERROR: "holds an error",
    NO_VALUE: "holds a formula without a value; save the workbook in a spreadsheet",
    NO_DAY: "holds the 29th of February 1900, which there was not",
}


@dataclass(frozen=True, kw_only=True)
class Excel(RecordFormat):
    """One sheet of a workbook, `.xlsx` or `.ods`; its columns are matched by name.

    The names stand in the row `header_row` (from 1) of the `sheet`. Where none is named that is the first, of an .xlsx
    file the first that is not hidden. Cells are read by what they hold, not by their column or how they are shown: a
    number as its shortest text, a date as `2021-12-31`, a time as `12:30:00`, an instant as `2021-12-31T12:30:00`, to
    the millisecond and without a zone. A row without any value is none; a hidden one is one as any other.
    """

    label: ClassVar = "a workbook"
    endings: ClassVar = {".xlsx": ".xlsx", ".xlsm": ".xlsx", ".ods": ".xlsx"}
    magic: ClassVar = b"PK\x03\x04"

    sheet: str | None = None
    header_row: int = 1

    def __post_init__(self) -> None:
        if self.header_row < 1:
            raise ValueError("the rows of a sheet are counted from 1")

    @property
    def suffix(self) -> str:
        """`.xlsx`, for every kind of workbook."""
        return ".xlsx"

    def check(self, path: Path, columns: Mapping[str, pl.DataType]) -> None:  # noqa: ARG002
        """Look whether the sheet and the header row are there."""
        self._open(path)[1].close()

    def read(self, path: Path, columns: Mapping[str, pl.DataType]) -> Iterator[Records]:
        """Read some rows at a time."""
        sheet, workbook, odd = self._open(path)
        with workbook:
            rows = zip(count(), sheet.iter_rows(), strict=False)
            names = self._names(path, rows, columns)
            next_row, read = self.header_row, _types_by_column(names, columns)
            present = odd.rows_with(read)
            most = max(1, min(_ROWS, _CELLS // max(sheet.width, 1)))
            for some in batched_by_size(rows, most, lambda row: _characters(row[1]), _TEXT):
                last = some[-1][0]
                delivered = present[next_row : last + 1].count(1)
                yield replace(_records(sheet.name, names, some, odd, read), delivered=delivered)
                next_row = last + 1
            # Behind the last value there is nothing to read, but perhaps formulas without one.
            behind = sorted({row for row, column in odd.faults if row >= next_row and column in read})
            found = _records(sheet.name, names, [(row, []) for row in behind], odd, read)
            yield replace(found, delivered=present[next_row:].count(1))

    def _open(self, path: Path) -> tuple[CalamineSheet, CalamineWorkbook, OddCells]:
        """The sheet, its workbook, and what its XML tells; which is read first, as it tells whether there is room."""
        try:
            odd = find_odd_cells(open_workbook(path), self.sheet)
            workbook = CalamineWorkbook.from_path(path)
            sheet = workbook.get_sheet_by_name(odd.sheet)
        except _BROKEN as error:
            raise FormatError(f"{path.name} cannot be read as a workbook: {error}.") from None
        if sheet.end is None or sheet.end[0] + 1 < self.header_row:
            raise FormatError(f"{path.name} has no row {self.header_row} in the sheet {sheet.name!r}.")
        return sheet, workbook, odd

    def _names(
        self, path: Path, rows: Iterator[tuple[int, list[Cell]]], columns: Mapping[str, pl.DataType]
    ) -> list[str | None]:
        """The names in the header row: '' for a column without one, None where it came before and nobody reads it."""
        header = next((cells for row, cells in rows if row == self.header_row - 1), [])
        names = [_text(cell, is_instant=False).strip() for cell in header]
        known = types_of(names, columns)
        for place, name in enumerate(names):
            if name in names[:place] and name in known:
                raise FormatError(f"{path.name} has the column {name!r} twice in its row {self.header_row}.")
        if not any(names):
            raise FormatError(f"{path.name} has no names in its row {self.header_row}.")
        return [None if name and name in names[:place] else name for place, name in enumerate(names)]


def _types_by_column(names: Sequence[str | None], columns: Mapping[str, pl.DataType]) -> dict[int, pl.DataType]:
    """The declared types of those columns of a sheet that are read."""
    types = types_of(filter(None, names), columns)
    return {column: types[name] for column, name in enumerate(names) if name and name in types}


def _records(
    sheet: str,
    names: list[str | None],
    rows: list[tuple[int, list[Cell]]],
    odd: OddCells,
    read: Mapping[int, pl.DataType],
) -> Records:
    """Rows of cells as texts; one with a cell that is not what it shows, in a column that is read, is rejected.

    A column of values that has no name is one all the same, without any, for it to be told.
    """
    origins: list[tuple[int, str]] = []
    values: list[list[str | None]] = []
    rejects: list[Reject] = []
    kept = [(column, name) for column, name in enumerate(names) if name]
    named, unnamed = {column for column, name in enumerate(names) if name != ""}, set[int]()
    for row, cells in rows:
        texts = [
            odd.numbers.get((row, column)) or _text(cell, is_instant=isinstance(read.get(column), pl.Datetime))
            for column, cell in enumerate(cells)
        ]
        wrong = [(names[column], fault) for column in read if (fault := _fault(odd, row, column, cells))]
        if not any(texts) and not wrong:
            continue
        unnamed.update(column for column, text in enumerate(texts) if text and column not in named)
        raw = f"{sheet}!{row + 1}: " + "\t".join(texts)
        if wrong:
            message = "; ".join(f"{name} {_SENTENCES[fault]}" for name, fault in wrong) + "."
            rejects.append(Reject(line=row + 1, code=f"{wrong[0][0]}.{wrong[0][1]}", message=message, raw=raw))
        else:
            origins.append((row + 1, raw))
            values.append([texts[column] or None if column < len(texts) else None for column, _ in kept])
    return Records(
        origins=pl.DataFrame(origins, _ORIGINS, orient="row"),
        values=pl.DataFrame(values, {name: pl.String for _, name in kept}, orient="row").with_columns(
            pl.lit(None, pl.String).alias(f"column {column + 1}") for column in sorted(unnamed)
        ),
        rejects=rejects,
        delivered=len(origins) + len(rejects),
    )


def _fault(odd: OddCells, row: int, column: int, cells: Sequence[Cell]) -> str | None:
    is_date = column < len(cells) and isinstance(cells[column], date)
    return NO_DAY if is_date and (row, column) in odd.sixties else odd.faults.get((row, column))


def _characters(cells: Sequence[Cell]) -> int:
    return sum(len(cell) for cell in cells if isinstance(cell, str))


def _text(cell: Cell, *, is_instant: bool) -> str:
    """What a cell holds, as a person would write it."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return str(int(cell))
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(cell.total_seconds(), 60)
        return f"{int(minutes) // 60:02}:{int(minutes) % 60:02}:{seconds:02g}"
    if is_instant and isinstance(cell, date) and not isinstance(cell, datetime):
        return f"{cell.isoformat()}T00:00:00"  # midnight looks like a date
    if isinstance(cell, date | time):
        return cell.isoformat()
    return cell if isinstance(cell, str) else repr(cell)


FORMAT = Excel
