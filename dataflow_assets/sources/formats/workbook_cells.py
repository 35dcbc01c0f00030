"""What the XML of a workbook says of cells that a reader of values shows as something else, and which rows there are.

Here: cells with an error, formulas without a value, numbers of more digits than a float has, and the rows with a
value, apart from that reader. Not here: the values (see `excel`).
"""

import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, iterparse

ERROR, NO_VALUE = "error", "formula"
_MOST_BYTES = 512 << 20  # that a workbook may unpack to: its sheet is held in memory
_CELL = re.compile(r"([A-Z]+)([0-9]+)")
_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]{1,3})?")
_DIGITS = 15  # that every float keeps
_FORGOTTEN = ("c", "row", "si", "table-cell", "covered-table-cell", "table-row")
_MOST_REPEATED = 16_384  # columns of a sheet
_MOST_ROWS = 1_048_576  # of a sheet
_SHARED = "xl/sharedStrings.xml"

Place = tuple[int, int]  # row and column, from 0


@dataclass
class OddCells:
    """Cells by place: what is wrong with some, and the digits of others; and which rows have a value."""

    faults: dict[Place, str] = field(default_factory=dict)
    numbers: dict[Place, str] = field(default_factory=dict)
    has_value: bytearray = field(default_factory=bytearray)

    def note_values(self, rows: range) -> None:
        """Note that some rows have a value.

        Raises:
            ValueError: there are more rows than a sheet has.
        """
        if rows.stop > _MOST_ROWS:
            raise ValueError(f"it has more than {_MOST_ROWS:,} rows")
        self.has_value.extend(bytes(max(rows.stop - len(self.has_value), 0)))
        self.has_value[rows.start : rows.stop] = b"\1" * len(rows)

    def count_rows(self, first: int, last: int | None, columns: Iterable[int]) -> int:
        """How many of some rows have a value, or a fault in one of some columns; to the end where no last is given."""
        stop = None if last is None else last + 1
        read = set(columns)
        faulty = {
            row for row, column in self.faults if column in read and row >= first and (stop is None or row < stop)
        }
        bare = sum(row >= len(self.has_value) or not self.has_value[row] for row in faulty)
        return self.has_value[first:stop].count(1) + bare


def find_odd_cells(path: Path, sheet: str) -> OddCells:
    """Go through the XML of one sheet.

    Raises:
        KeyError, ValueError, zipfile.BadZipFile, xml.etree.ElementTree.ParseError: it is no sound workbook.
    """
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > _MOST_BYTES:
            raise ValueError(f"it unpacks to more than {_MOST_BYTES >> 20} MiB")
        if "content.xml" in archive.namelist():
            with archive.open("content.xml") as content:
                return _find_in_ods(content, sheet)
        empty = _find_empty_texts(archive)
        with archive.open(_part_of(archive, sheet)) as content:
            return _find_in_xlsx(content, empty)


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """The name of the member that holds a sheet of an .xlsx file."""
    with archive.open("xl/workbook.xml") as content:
        ids = [_attribute(found, "id") for found in _elements(content, "sheet") if found.get("name") == sheet]
    with archive.open("xl/_rels/workbook.xml.rels") as content:
        targets = {found.get("Id"): found.get("Target", "") for found in _elements(content, "Relationship")}
    target = targets[ids[0]]
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _find_empty_texts(archive: zipfile.ZipFile) -> set[str]:
    """The numbers of the texts without a character among those that cells share."""
    if _SHARED not in archive.namelist():
        return set()
    with archive.open(_SHARED) as content:
        return {str(number) for number, found in enumerate(_elements(content, "si")) if not _text_in(found)}


def _text_in(element: Element) -> str:
    return "".join(part.text or "" for part in element.iter() if _name(part) == "t")


def _find_in_xlsx(content: IO[bytes], empty: set[str]) -> OddCells:
    odd, row, column = OddCells(), -1, -1
    for element in _elements(content, "row", "c", begins="row"):
        if _name(element) == "row":
            row, column = _next_place(int(element.get("r", row + 2)) - 1, row), -1
            continue
        place = _CELL.fullmatch(element.get("r", ""))
        column = _next_place(_column_of(place[1]) if place else column + 1, column)
        if place and int(place[2]) != row + 1:
            raise ValueError(f"a cell of its row {row + 1} says that it is {place[0]}")
        kind, parts = element.get("t", "n"), {_name(part): part for part in element}
        text = (parts["v"].text or "") if "v" in parts else ""
        if kind == "e":
            odd.faults[row, column] = ERROR
        elif "f" in parts and not text and kind != "str":
            odd.faults[row, column] = NO_VALUE
        elif kind == "n" and not _NUMBER.fullmatch(text):
            odd.faults[row, column] = ERROR
        elif kind == "n" and _is_long(text):
            odd.numbers[row, column] = text
        if _text_in(element) if kind == "inlineStr" else text and kind != "e" and not (kind == "s" and text in empty):
            odd.note_values(range(row, row + 1))
    return odd


def _next_place(place: int, before: int) -> int:
    """The place of a row, or of a cell in it, behind the one before: of two at one place a reader would show one.

    Raises:
        ValueError: it is not behind it.
    """
    if place <= before:
        raise ValueError("a row or a cell comes twice, or out of order")
    return place


def _find_in_ods(content: IO[bytes], sheet: str) -> OddCells:
    odd, row, column, is_wanted, has_value = OddCells(), 0, 0, False, False
    for element in _elements(content, "table", "table-row", "table-cell", "covered-table-cell", begins="table"):
        name = _name(element)
        if name == "table":
            row, column, is_wanted, has_value = 0, 0, _attribute(element, "name") == sheet, False
        elif name == "table-row":
            count = int(_attribute(element, "number-rows-repeated") or 1)
            if is_wanted and has_value:
                odd.note_values(range(row, row + count))
            row, column, has_value = row + count, 0, False
        else:
            count = int(_attribute(element, "number-columns-repeated") or 1)
            if is_wanted:
                _note_ods(odd, element, [(row, column + step) for step in range(min(count, _MOST_REPEATED))])
                has_value |= _has_value(element)
            column += count
    return odd


def _note_ods(odd: OddCells, element: Element, places: list[Place]) -> None:
    kinds, value = _attributes(element, "value-type"), _attribute(element, "value") or ""
    if "error" in kinds:
        odd.faults.update(dict.fromkeys(places, ERROR))
    elif _attribute(element, "formula") and not kinds:
        odd.faults.update(dict.fromkeys(places, NO_VALUE))
    elif "float" in kinds and _is_long(value):
        odd.numbers.update(dict.fromkeys(places, value))


def _has_value(element: Element) -> bool:
    """Whether a cell of an .ods file has a value, an error aside."""
    kinds = _attributes(element, "value-type")
    is_text = not kinds or "string" in kinds
    return "error" not in kinds and (not is_text or any((part.text or "") for part in element.iter()))


def _elements(content: IO[bytes], *names: str, begins: str = "") -> Iterator[Element]:
    """The elements of some names as they end, and those of one name as they begin; each is forgotten then."""
    for event, element in iterparse(content, events=("start", "end")):  # noqa: S314 # expat bounds what entities give
        name = _name(element)
        if name in names and (event == "start") == (name == begins):
            yield element
        if event == "end" and name in _FORGOTTEN:
            element.clear()


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _attribute(element: Element, name: str) -> str | None:
    return next(iter(_attributes(element, name)), None)


def _attributes(element: Element, name: str) -> list[str]:
    return [value for key, value in element.attrib.items() if key.rpartition("}")[2] == name]


def _is_long(text: str) -> bool:
    """Whether a number has digits that are lost in a float; a float that is written with 17 of them has not."""
    if len(text) <= _DIGITS or not _NUMBER.fullmatch(text):
        return False
    number, nearest = Decimal(text), float(text)
    if not isfinite(nearest) or number == Decimal(repr(nearest)):
        return not isfinite(nearest)
    return all(number != Decimal(f"{nearest:.{digits}g}") for digits in (_DIGITS, _DIGITS + 1, _DIGITS + 2))


def _column_of(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
