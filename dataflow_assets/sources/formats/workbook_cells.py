"""What the XML of a workbook says of cells that a reader of values shows as something else, and which rows there are.

Here: cells with an error, formulas without a value, numbers of more digits than a float has, and the rows with a
value, apart from that reader; and how much memory it will take. Not here: the values (see `excel`), and the XML (see
`workbook_parts`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from xml.etree.ElementTree import Element

from dataflow_assets.sources.formats.workbook_parts import Workbook, name_of

ERROR, NO_VALUE, NO_DAY = "error", "formula", "date"
# What the reader of values holds of a sheet: a grid without gaps, before that a list of what is not blank, and texts.
_GRID_BYTES, _CELL_BYTES, _TEXT_BYTES = 32, 80, 32
_ODD_BYTES = 240  # of a cell that is noted here
_MOST_MEMORY = 288 << 20
_CELL = re.compile(r"([A-Z]+)([0-9]+)")
_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]{1,3})?")
_SIXTY = re.compile(r"60(?:\.[0-9]*)?")
_DIGITS = 15  # that every float keeps
_MOST_REPEATED = 16_384  # columns of a sheet
_MOST_ROWS = 1_048_576  # of a sheet
_SHARED = "xl/sharedStrings.xml"

Place = tuple[int, int]  # row and column, from 0


@dataclass
class Size:
    """How large a workbook is in the memory of who reads its values."""

    height: int = 0
    width: int = 0
    others: int = 0  # bytes of all but the grid of the present sheet

    def begin_sheet(self) -> None:
        """Add a sheet to those that are held."""
        self.others += self.height * self.width * _GRID_BYTES
        self.height = self.width = 0

    def add_texts(self, texts: Iterable[str]) -> None:
        """Add texts that cells share.

        Raises:
            ValueError: it is too large.
        """
        self.others += sum(_TEXT_BYTES + len(text.encode()) for text in texts)
        self._require_room()

    def add(self, row: int, column: int, text: str, count: int = 1) -> None:
        """Add cells of one text, the last of which stands in this row and column.

        Raises:
            ValueError: it is too large.
        """
        self.height, self.width = max(self.height, row + 1), max(self.width, column + 1)
        # What is made of a text takes as much again.
        self.others += (_CELL_BYTES + (_TEXT_BYTES + 2 * len(text.encode()) if text else 0)) * count
        self._require_room()

    def add_odd(self, count: int = 1) -> None:
        """Add cells that are noted.

        Raises:
            ValueError: it is too large.
        """
        self.others += _ODD_BYTES * count
        self._require_room()

    def _require_room(self) -> None:
        if self.height * self.width * _GRID_BYTES + self.others > _MOST_MEMORY:
            raise ValueError(
                f"in memory it is larger than {_MOST_MEMORY >> 20} MiB, with {self.height:,} rows and {self.width:,} "
                "columns or more; let it be sent as CSV or Parquet"
            )


@dataclass
class OddCells:
    """Cells of a sheet by place: what is wrong with some, and the digits of others; and which rows have a value.

    `sixties` are numbers from 60 to 61: where they are shown as a date, a reader gives the day before.
    """

    sheet: str
    size: Size = field(default_factory=Size)
    faults: dict[Place, str] = field(default_factory=dict)
    numbers: dict[Place, str] = field(default_factory=dict)
    sixties: set[Place] = field(default_factory=set)
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

    def note(self, places: Sequence[Place], among: dict[Place, str], what: str) -> None:
        """Note something of some cells among the faults, or among the numbers.

        Raises:
            ValueError: it is too much.
        """
        self.size.add_odd(len(places))
        among.update(dict.fromkeys(places, what))

    def rows_with(self, columns: Iterable[int]) -> bytearray:
        """For each row 1 where it has a value, or a fault in one of some columns."""
        read, rows = set(columns), bytearray(self.has_value)
        for row, column in self.faults:
            if column in read:
                rows.extend(bytes(max(row + 1 - len(rows), 0)))
                rows[row] = 1
        return rows


def find_odd_cells(book: Workbook, sheet: str | None) -> OddCells:
    """Go through the XML of one sheet, or of the first shown one; of an .ods file of all, as its reader does.

    Raises:
        KeyError, ValueError, zipfile.BadZipFile, xml.etree.ElementTree.ParseError: it is no sound workbook, has no such
            sheet, or takes too much memory.
    """
    if "content.xml" in book:
        return _find_in_ods(book, sheet)
    texts = [_text_in(found) for found in book.elements(_SHARED, "si")] if _SHARED in book else []
    name, part = _find_sheet(book, sheet)
    return _find_in_xlsx(OddCells(name), book.elements(part, "c", begins=["row"]), texts)


def _find_sheet(book: Workbook, sheet: str | None) -> tuple[str, str]:
    """The name of a sheet of an .xlsx file, of the first that is not hidden where none is given, and of its part."""
    found = list(book.elements("xl/workbook.xml", "sheet"))
    sheets = [(one.get("name", ""), _attribute(one, "id")) for one in found]
    links = [
        (found.get("Id"), found.get("Target", ""))
        for found in book.elements("xl/_rels/workbook.xml.rels", "Relationship")
    ]
    ids, targets = dict(sheets), dict(links)
    if len(ids) < len(sheets) or len(targets) < len(links):
        raise ValueError("two of its sheets, or of what its parts are, have one name")
    _require_sheet(sheet, list(ids))
    shown = [one.get("name", "") for one in found if one.get("state", "visible") == "visible"]
    cells = [name for name in shown if "chartsheet" not in targets[ids[name]]]
    name = sheet or next(iter([*cells, *ids]))
    target = targets[ids[name]]
    if target.startswith("xl/") or ".." in target:
        raise ValueError(f"its sheet is said to be at {target!r}")
    return name, target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _require_sheet(sheet: str | None, names: Sequence[str | None]) -> None:
    if not names or sheet not in (None, *names):
        raise ValueError(f"it has no sheet {sheet!r}; its sheets are {', '.join(map(repr, names))}")


def _text_in(element: Element) -> str:
    return "".join(part.text or "" for part in element.iter() if name_of(part) == "t")


def _find_in_xlsx(odd: OddCells, elements: Iterable[Element], texts: Sequence[str]) -> OddCells:
    row, column = -1, -1
    odd.size.add_texts(texts)
    for element in elements:
        if name_of(element) == "row":
            row, column = _next_place(int(element.get("r", row + 2)) - 1, row), -1
            continue
        place = _CELL.fullmatch(element.get("r", ""))
        column = _next_place(_column_of(place[1]) if place else column + 1, column)
        if place and int(place[2]) != row + 1:
            raise ValueError(f"a cell of its row {row + 1} says that it is {place[0]}")
        _note_xlsx(odd, element, (row, column), texts)
    return odd


def _note_xlsx(odd: OddCells, element: Element, place: Place, texts: Sequence[str]) -> None:
    kind, parts = element.get("t", "n"), {name_of(part): part for part in element}
    text = (parts["v"].text or "") if "v" in parts else ""
    if kind == "inlineStr":
        text = _text_in(element)
    elif kind == "s" and text.isdecimal():
        text = texts[int(text)]
    odd.size.add(*place, text)
    if kind == "e" or (kind == "n" and not _NUMBER.fullmatch(text)):
        odd.note([place], odd.faults, ERROR)
    elif "f" in parts and not text and kind != "str":
        odd.note([place], odd.faults, NO_VALUE)
    elif kind == "n" and _is_long(text):
        odd.note([place], odd.numbers, text)
    elif kind == "n" and _SIXTY.fullmatch(text) and "s" in element.attrib:
        odd.size.add_odd()
        odd.sixties.add(place)
    if text and kind != "e":
        odd.note_values(range(place[0], place[0] + 1))


def _next_place(place: int, before: int) -> int:
    """The place of a row, or of a cell in it, behind the one before: of two at one place a reader would show one.

    Raises:
        ValueError: it is not behind it.
    """
    if place <= before:
        raise ValueError("a row or a cell comes twice, or out of order")
    return place


def _find_in_ods(book: Workbook, sheet: str | None) -> OddCells:
    odd, row, column, rows, is_wanted = OddCells(sheet or ""), 0, 0, 0, False
    sheets: list[str | None] = []
    elements = book.elements("content.xml", "table-cell", "covered-table-cell", begins=["table", "table-row"])
    for element in elements:
        name = name_of(element)
        if name == "table":
            sheets.append(_attribute(element, "name"))
            is_wanted = sheets[-1] == sheet or (sheet is None and len(sheets) == 1)
            row = rows = column = 0
            odd.size.begin_sheet()
        elif name == "table-row":
            row, column = row + rows, 0
            rows = int(_attribute(element, "number-rows-repeated") or 1)
        else:
            count = int(_attribute(element, "number-columns-repeated") or 1)
            if has_value := _has_value(element):
                text = "".join(element.itertext())
                odd.size.add(row + rows - 1, column + count - 1, text, rows * count)
            if is_wanted:
                _note_ods(odd, element, [(row, column + step) for step in range(min(count, _MOST_REPEATED))])
            if is_wanted and has_value:
                odd.note_values(range(row, row + rows))
            column += count
    _require_sheet(sheet, sheets)
    odd.sheet = sheet or sheets[0] or ""
    return odd


def _note_ods(odd: OddCells, element: Element, places: list[Place]) -> None:
    kinds, value = _attributes(element, "value-type"), _attribute(element, "value") or ""
    if "error" in kinds:
        odd.note(places, odd.faults, ERROR)
    elif _attribute(element, "formula") and not kinds:
        odd.note(places, odd.faults, NO_VALUE)
    elif "float" in kinds and _is_long(value):
        odd.note(places, odd.numbers, value)


def _has_value(element: Element) -> bool:
    """Whether a cell of an .ods file has a value, an error aside."""
    kinds = _attributes(element, "value-type")
    is_text = not kinds or "string" in kinds
    return "error" not in kinds and (not is_text or any((part.text or "") for part in element.iter()))


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
