"""Any part of a CSV file, with line breaks inside quotes, broken quotes or broken text: read record by record.

Here: where a record ends, and what its values are. Not here: parts in which every line is a whole record, which take
a quicker way to the same rows (see `vectorized`).
"""

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.csv.model import LONGEST_RECORD, Form, Part, build_reject
from dataflow_assets.sources.formats import Csv, Reject

_LONGEST_KEPT = 32 << 20  # bytes; a reject keeps its record whole, in memory


class Record(NamedTuple):
    """Some lines of a file, in bytes as Latin-1 shows them: a text and what it ends with, while a quote `is_open`."""

    line: int
    text: str
    end: str
    lines: int
    is_open: bool

    @property
    def repaired(self) -> dict[str, int]:
        """How its end differs from a line feed."""
        return {"line_ends": "\r" in self.end, "last_line_end": not self.end}

    @property
    def raw(self) -> str:
        """Its text, with a sign in place of what is not UTF-8."""
        return self.text if self.text.isascii() else self.text.encode("latin-1").decode(errors="replace")


class _BrokenError(Exception):
    """A record is no row; the message is its kind."""


def parse_records(path: Path, start: int, size: int, first_line: int, form: Form) -> Part:
    """Read the records that begin in a part of a file, to their end.

    Args:
        path: the file.
        start: where the part begins, in bytes from the file's beginning.
        size: how many bytes it has.
        first_line: the number of its first line.
        form: how the file is written.

    Raises:
        FormatError: a record is so long that a quote must have been left open.
    """
    found, done, again = _Found(), 0, form.again
    parse = _Parser(form)
    for record in read_records(path, start, first_line, form.reader):
        raw = record.raw
        found.lines += record.lines
        done += len(record.text) + len(record.end)
        if record.end != "\n":
            found.repaired.update(record.repaired)
        if raw in again:
            found.repaired["header_again"] += 1
        elif raw:
            found.delivered += 1
            try:
                found.values += parse.values(record, raw)
            except _BrokenError as kind:
                found.rejects.append(build_reject(str(kind), record.line, raw))
            else:
                found.places.append(record.line)
                found.raws.append(raw)
                found.over_lines.append(record.lines > 1)
        if done >= size:
            break
    return found.part(form.names, done)


@dataclass
class _Found:
    """What was found so far in a part of a file; see `Part`."""

    places: list[int] = field(default_factory=list)
    raws: list[str] = field(default_factory=list)
    over_lines: list[bool] = field(default_factory=list)
    # Of one record after the other: a list of lists would keep the garbage collector busy.
    values: list[str | None] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    repaired: Counter[str] = field(default_factory=Counter)
    delivered: int = 0
    lines: int = 0

    def part(self, names: list[str], size: int) -> Part:
        """The part, of so many bytes, with the values in columns of these names."""
        columns = [self.values[column :: len(names)] for column in range(len(names))]
        return Part(
            records=pl.DataFrame({"line": self.places, "raw": self.raws}, {"line": pl.Int64, "raw": pl.String}),
            values=pl.DataFrame(columns, dict.fromkeys(names, pl.String), orient="col"),
            rejects=self.rejects,
            delivered=self.delivered,
            lines=self.lines,
            size=size,
            repaired=self.repaired,
            over_lines=pl.Series(self.over_lines, dtype=pl.Boolean),
        )


def read_records(path: Path, start: int, first_line: int, reader: Csv) -> Iterator[Record]:
    """The records of a file from a place on, the blank ones too.

    A line ends with LF, CR LF or CR; while a quote is open, the record goes on over it.

    Raises:
        FormatError: a record is so long that a quote must have been left open.
    """
    quotes, parts, size, is_open = _Quotes(reader), list[str](), 0, False
    with path.open("rb") as file:
        file.seek(start)
        text = io.TextIOWrapper(file, "latin-1", newline="")
        for number, line in enumerate(iter(lambda: text.readline(_LONGEST_KEPT), ""), start=first_line):
            parts.append(line)
            size += len(line)
            if size >= _LONGEST_KEPT:
                raise FormatError(
                    f"{path.name} has no end to the record that begins on line {number + 1 - len(parts)}."
                )
            if reader.quote in line:
                is_open = quotes.stay_open(line, is_open)
            if not is_open:
                yield _record(parts, number)
                parts, size = [], 0
        if parts:
            yield _record(parts, number, is_open=True)


def _record(parts: list[str], last_line: int, *, is_open: bool = False) -> Record:
    whole = parts[0] if len(parts) == 1 else "".join(parts)
    text = whole.rstrip("\r\n") if is_open else whole.removesuffix("\n").removesuffix("\r")
    return Record(last_line + 1 - len(parts), text, whole[len(text) :], len(parts), is_open)


class _Parser:
    """Records to values."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._quotes = _Quotes(form.reader)

    def values(self, record: Record, raw: str) -> list[str | None]:
        """The values of a record, one for each column; what is empty is None.

        Raises:
            _BrokenError: it is no row.
        """
        reader, columns = self._form.reader, len(self._form.names)
        if len(record.text) > LONGEST_RECORD:
            raise _BrokenError("too_long")
        if "\ufffd" in raw and raw.encode() != record.text.encode("latin-1"):
            raise _BrokenError("invalid_encoding")
        if record.is_open:
            raise _BrokenError("unclosed_quote")
        found = self._quotes.fields(raw) if reader.quote in raw else raw.split(reader.delimiter)
        if len(found) < columns:
            raise _BrokenError("missing_columns")
        if len(found) > columns and any(found[columns:]):
            raise _BrokenError("too_many_columns")
        return [value or None for value in found[:columns]]


class _Quotes:
    """Where quotes open and close, spaces aside: one opens where a field begins; inside a field it is a character."""

    def __init__(self, reader: Csv) -> None:
        quote, delimiter = re.escape(reader.quote), re.escape(reader.delimiter)
        space = "" if reader.delimiter == " " else " *"
        opening, inside = space + quote, f"[^{quote}]*+(?:{quote}{quote}[^{quote}]*+)*+"
        self._rest_of_field = re.compile(inside + quote)
        self._quoted_field = re.compile(f"(?:^|{delimiter}){opening}{inside}({quote})?")
        self._field = re.compile(
            rf"(?:{opening}({inside}){quote}{space}|((?!{opening})[^{delimiter}]*+))({delimiter}|\Z)"
        )
        self._quote = reader.quote

    def stay_open(self, line: str, is_open: bool) -> bool:
        """Whether a quote is open after a line, given whether one was open before it."""
        closed = self._rest_of_field.match(line) if is_open else None
        if is_open and closed is None:
            return True
        ends = [field[1] for field in self._quoted_field.finditer(line, closed.end() if closed else 0)]
        return bool(ends) and ends[-1] is None

    def fields(self, record: str) -> list[str]:
        """The fields of a record, without their quotes.

        Raises:
            _BrokenError: text follows a closing quote.
        """
        found, place, end = [], 0, self._quote
        while end:
            field = self._field.match(record, place)
            if field is None:
                raise _BrokenError("text_after_quote")
            quoted, bare, end = field.groups()
            found.append(bare if quoted is None else quoted.replace(self._quote * 2, self._quote))
            place = field.end()
        return found
