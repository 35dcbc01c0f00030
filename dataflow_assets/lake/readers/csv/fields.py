"""One record of CSV: whether it goes on over a line's end, and what its values are.

Here: quotes and what stands between them. Not here: where in a file a record begins, and what becomes of one that is
broken (see `records`).
"""

import re
from typing import NamedTuple

from dataflow_assets.lake.readers.csv.model import LONGEST_RECORD, Form
from dataflow_assets.sources.formats import Csv

MARK = "\ufeff"
_NEVER = "\ue000"  # in place of a quote where there is none; bytes shown as Latin-1 do not hold it


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


class BrokenError(Exception):
    """A record is no row; the message is its kind."""


class Parser:
    """Records to values."""

    def __init__(self, form: Form) -> None:
        self._reader, self._columns = form.reader, len(form.names)
        self._quotes, self._escapes = Quotes(form.reader), Escapes(form.reader)

    def values(self, record: Record, raw: str) -> list[str | None]:
        """The values of a record, one for each column; what is empty is None.

        Raises:
            BrokenError: it is no row.
        """
        if len(record.text) > LONGEST_RECORD:
            raise BrokenError("too_long")
        if record.is_open:
            raise BrokenError("unclosed_quote")
        quote, delimiter, text = self._reader.quote, self._reader.delimiter, self._escapes.hide(raw.removeprefix(MARK))
        found = self._quotes.fields(text) if quote and quote in text else text.split(delimiter)
        if "\ufffd" in raw and raw.encode() != record.text.encode("latin-1"):
            raise BrokenError("invalid_encoding")
        columns = self._columns
        if len(found) < columns:
            raise BrokenError("missing_columns")
        if len(found) > columns and any(found[columns:]):
            raise BrokenError("too_many_columns")
        return [self._escapes.show(value) or None for value in found[:columns]]

    def is_whole(self, line: str) -> bool:
        """Whether a line is a record by itself, with a value for every column."""
        text = line.rstrip("\r\n")
        try:
            return not self._quotes.stay_open(self._escapes.hide(line), is_open=False) and bool(
                self.values(Record(1, text, "\n", 1, is_open=False), text)
            )
        except BrokenError:
            return False

    def seems_whole(self, line: str) -> bool:
        """Whether a line has as many values as there are columns, the first not empty, if quotes are characters."""
        values = self._escapes.hide(line).split(self._reader.delimiter)
        return len(values) == self._columns and values[0].strip(f" {self._reader.quote or ''}") != ""


class Escapes:
    """What an escape makes a character of a value, out of the sight of those who look for quotes and line ends."""

    def __init__(self, reader: Csv) -> None:
        self._escape = reader.escape
        meant = "".join(filter(None, (reader.quote, reader.delimiter, reader.escape, "\r\n")))
        self._pair = re.compile(f"{re.escape(reader.escape)}(\r\n|[{re.escape(meant)}])")
        self._hidden = {ord(one): chr(0xD800 + ord(one)) for one in meant}  # no text in UTF-8 holds these
        self._shown = {ord(hidden): chr(one) for one, hidden in self._hidden.items()}

    def hide(self, text: str) -> str:
        """A text with signs in place of each escape and what is behind it."""
        if not self._escape or self._escape not in text:
            return text
        return self._pair.sub(lambda pair: pair[1].translate(self._hidden), text)

    def show(self, value: str) -> str:
        """A value of such a text, with what the signs stand for."""
        return value.translate(self._shown) if self._escape else value


class Quotes:
    """Where quotes open and close, spaces aside: one opens where a field begins; inside a field it is a character."""

    def __init__(self, reader: Csv) -> None:
        quote, delimiter = re.escape(reader.quote or _NEVER), re.escape(reader.delimiter)
        space = "" if reader.delimiter == " " else " *"
        opening, inside = space + quote, f"[^{quote}]*+(?:{quote}{quote}[^{quote}]*+)*+"
        self._rest_of_field = re.compile(inside + quote)
        self._quoted_field = re.compile(f"(?:^|{delimiter}){opening}{inside}({quote})?")
        self._end_of_field = re.compile(rf"{space}(?:{delimiter}|[\r\n]|\Z)")
        self._field = re.compile(
            rf"(?:{opening}({inside}){quote}{space}|((?!{opening})[^{delimiter}]*+))({delimiter}|\Z)"
        )
        self._quote = reader.quote or _NEVER

    def stay_open(self, line: str, is_open: bool) -> bool:
        """Whether a quote is open after a line, without escapes, given whether one was open before it.

        None is where text follows a closing quote: the record is broken there, and its quotes mean nothing any more.
        """
        closed = self._rest_of_field.match(line) if is_open else None
        if is_open and closed is None:
            return True
        if closed and not self._end_of_field.match(line, closed.end()):
            return False
        for field in self._quoted_field.finditer(line, closed.end() if closed else 0):
            if field[1] is None:
                return True
            if not self._end_of_field.match(line, field.end()):
                return False
        return False

    def fields(self, record: str) -> list[str]:
        """The fields of a record, without their quotes.

        Raises:
            BrokenError: text follows a closing quote.
        """
        found, place, end = [], 0, self._quote
        while end:
            field = self._field.match(record, place)
            if field is None:
                raise BrokenError("text_after_quote")
            quoted, bare, end = field.groups()
            found.append(bare if quoted is None else quoted.replace(self._quote * 2, self._quote))
            place = field.end()
        return found
