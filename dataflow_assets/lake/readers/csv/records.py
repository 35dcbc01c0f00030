"""Any part of a CSV file, with line breaks inside quotes, broken quotes or broken text: read record by record.

Here: where a record begins and ends, and how reading goes on behind a broken one: a stray quote costs its own line, not
those behind it. Not here: what is in a record (see `fields`), and parts in which every line is a whole record, which
take a quicker way to the same rows (see `vectorized`).
"""

import io
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.base import BATCH_ROWS, LONGEST_KEPT
from dataflow_assets.lake.readers.csv.fields import MARK, BrokenError, Escapes, Parser, Quotes, Record
from dataflow_assets.lake.readers.csv.model import LONGEST_RECORD, Form, Part, build_reject
from dataflow_assets.sources.formats import Csv, Reject

_MOST_READ_AGAIN = 16 << 20  # bytes of a part's lines; a file of broken quotes would be read again without end
_MARK = MARK.encode().decode("latin-1")  # as lines show it here
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


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
    found, done = _Found(), 0
    with path.open("rb") as file:
        file.seek(start)
        lines = _Lines(path.name, io.TextIOWrapper(file, "latin-1", newline=""), first_line, form)
        for record in lines.records():
            done += _take(record, lines, found)
            if done >= size or found.lines >= BATCH_ROWS:
                break
    return found.part(form.names, done)


def read_first_record(path: Path, start: int, first_line: int, reader: Csv) -> Record:
    """The record that begins at a place in a file, where there is one: of a header.

    Raises:
        FormatError: it has no end.
    """
    with path.open("rb") as file:
        file.seek(start)
        text = io.TextIOWrapper(file, "latin-1", newline="")
        return next(_Lines(path.name, text, first_line, Form(reader, [])).records())


def _take(record: Record, lines: "_Lines", found: "_Found") -> int:
    """Add a record to what was found, or its first line alone; how many bytes that is."""
    raw = record.raw
    if raw in lines.form.again:
        found.repaired["header_again"] += 1
    elif lines.form.reader.trailer and raw.startswith(lines.form.reader.trailer):
        found.trailers.append((record.line, raw))
    elif raw and not (lines.form.reader.comment and raw.startswith(lines.form.reader.comment)):
        found.delivered += 1
        try:
            values = lines.parser.values(record, raw)
            if lines.seem_swallowed(record):
                raise BrokenError("unclosed_quote")
        except BrokenError as kind:
            if lines.is_doubtful(record, str(kind)):
                record, kind = lines.give_back(record), BrokenError("unclosed_quote")
            found.rejects.append(build_reject(str(kind), record.line, record.raw))
        else:
            found.values += values
            found.places.append(record.line)
            found.raws.append(raw)
            found.over_lines.append(record.lines > 1)
            found.repaired["byte_order_mark"] += raw.startswith(MARK)
    found.lines += record.lines
    if record.end != "\n":
        found.repaired.update(record.repaired)
    return len(record.text) + len(record.end)


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
    trailers: list[tuple[int, str]] = field(default_factory=list)
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
            repaired=+self.repaired,
            over_lines=pl.Series(self.over_lines, dtype=pl.Boolean),
            trailers=self.trailers,
        )


def _longest() -> int:
    """How many bytes of a record are read before its lines are looked at."""
    return min(LONGEST_RECORD, LONGEST_KEPT - 1)


class _Lines:
    """The lines of a file from a place on, as records; what a broken record swallowed can be given back."""

    def __init__(self, name: str, text: io.TextIOWrapper, first_line: int, form: Form) -> None:
        self.form, self.parser = form, Parser(form)
        self._name, self._text, self._next_line = name, text, first_line
        self._quotes, self._escapes = Quotes(form.reader), Escapes(form.reader)
        self._given_back = deque[str]()
        self._apart = tuple(filter(None, (form.reader.comment, form.reader.trailer)))
        self._bytes_given_back, self._lines_alone = 0, 0

    def records(self) -> Iterator[Record]:
        """The records, the blank ones too.

        A line ends with LF, CR LF or CR; while a quote is open, the record goes on over it.

        Raises:
            FormatError: a record is so long that a quote must have been left open.
        """
        while True:
            lines, is_open = self._read_record()
            if not lines:
                return
            yield self._record(lines, is_open=is_open)

    def _read_record(self) -> tuple[list[str], bool]:
        """The lines of the next record, and whether a quote is open behind the last one."""
        quote, lines, size, is_open, longest = self.form.reader.quote, list[str](), 0, False, _longest()
        before = ""  # the lines whose end is escaped
        while line := self._read_line():
            lines.append(line)
            size += len(line)
            if len(lines) == 1 and self._apart and line.startswith(self._apart):
                break
            text = before + self._escapes.hide(line if len(lines) > 1 else line.removeprefix(_MARK))
            before = text if line[-1] in "\r\n" and text[-1] not in "\r\n" else ""
            if quote and not before and quote in text:
                is_open = self._quotes.stay_open(text, is_open)
            if (not is_open and not before) or self._lines_alone:
                break
            if size > longest:
                if self._are_lines(lines):
                    break
                if size >= LONGEST_KEPT:
                    first = self._first(lines)
                    raise FormatError(f"{self._name} has no end to the record that begins on line {first}.")
                longest = min(2 * longest, LONGEST_KEPT - 1)
        return lines, is_open

    def is_doubtful(self, record: Record, kind: str) -> bool:
        """Whether lines of their own may be in a record of several, given what is wrong with it."""
        if record.lines == 1:
            return False
        lines = _LINE.findall(record.text + record.end)
        return kind in ("unclosed_quote", "text_after_quote") or self._are_lines(lines)

    def seem_swallowed(self, record: Record) -> bool:
        """Whether a record that is a row looks, line for line, like rows between two stray quotes."""
        if record.lines < 3 or len(self.form.names) < 3:
            return False
        return all(self.parser.seems_whole(line) for line in _LINE.findall(record.text + record.end))

    def give_back(self, record: Record) -> Record:
        """Read the lines of a record again, all but the first, which is the record that is left."""
        first, *rest = _LINE.findall(record.text + record.end)
        self._given_back.extendleft(reversed(rest))
        self._next_line -= len(rest)
        self._bytes_given_back += sum(map(len, rest))
        if self._bytes_given_back > _MOST_READ_AGAIN:
            self._lines_alone = max(self._lines_alone, len(rest))
        text = first.rstrip("\r\n")
        return Record(record.line, text, first[len(text) :], 1, is_open=True)

    def _read_line(self) -> str:
        line = self._given_back.popleft() if self._given_back else self._text.readline(LONGEST_KEPT)
        self._next_line += bool(line)
        return line

    def _first(self, parts: list[str]) -> int:
        return self._next_line - len(parts)

    def _record(self, parts: list[str], *, is_open: bool) -> Record:
        self._lines_alone = max(0, self._lines_alone - len(parts))
        whole = parts[0] if len(parts) == 1 else "".join(parts)
        text = whole.removesuffix("\n").removesuffix("\r")
        return Record(self._first(parts), text, whole[len(text) :], len(parts), is_open)

    def _are_lines(self, lines: list[str]) -> bool:
        """Whether at least half of the lines behind the first are records by themselves."""
        behind = lines[1:]
        return 2 * sum(map(self.parser.is_whole, behind)) >= max(1, len(behind))
