"""Any CSV file, with line breaks inside quotes, broken quotes or invalid text: read by DuckDB, counted line by line.

Here: counting and reading one, and finding the text of what is rejected. Not here: files in which every line is a
whole record, which take a quicker way to the same rows (see `csv_plain`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import duckdb

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.csv_plain import refusal
from dataflow_assets.lake.parsing import Batch, Reject, batches, no_rows, parser, pattern, quoted
from dataflow_assets.lake.validation import POSITION, validate
from dataflow_assets.sources.declaration import Csv, Source

_LONGEST_RECORD = 32 << 20  # bytes; the parser refuses a line of 2 MB

_Reason = tuple[str, str]  # code and message


def read_any(path: Path, source: Source, reader: Csv, names: Sequence[str]) -> Iterator[Batch]:
    """Read a file in batches of rows, in order; the first tells how many there are, the last has all rejects.

    Args:
        path: the file.
        source: whose rows it holds.
        reader: how its source says that it is written.
        names: its columns, as the first line gives them; a declared one that is not among them is null.

    Raises:
        FormatError: it cannot be parsed, or its lines do not all end alike.
    """
    yield Batch(no_rows(source), delivered=max(_count_records(path, reader) - 1, 0))
    aliases = [f"column{number}" for number in range(len(names))]  # a header may hold what DuckDB takes for no name
    alias_of = dict(zip(names, aliases, strict=True))
    columns = source.schema.column_names()
    wanted = ", ".join(f"{alias_of.get(column, 'NULL::VARCHAR')} AS {quoted(column)}" for column in columns)
    reasons: dict[int, _Reason] = {}
    with parser(path) as connection:
        statement = f"""
            SELECT row_number() OVER () - 1 AS {POSITION}, {wanted}
            FROM read_csv($path, header = true, auto_detect = false, strict_mode = true, columns = $columns,
                          delim = $delimiter, quote = $quote, escape = $quote, store_rejects = true,
                          compression = 'none', hive_partitioning = false)"""  # noqa: S608
        values = {
            "path": pattern(path),
            "columns": dict.fromkeys(aliases, "VARCHAR"),
            "delimiter": reader.delimiter,
            "quote": reader.quote,
        }
        for text in batches(connection, statement, values):
            rows, rejected = validate(text, source)
            reasons |= {position: (code, message) for position, code, message in rejected.iter_rows()}
            yield Batch(rows)
        refused = _refused(connection)
    yield Batch(no_rows(source), _csv_rejects(path, reader, reasons, refused))


def _refused(connection: duckdb.DuckDBPyConnection) -> dict[int, _Reason]:
    """Why the CSV parser refused records, by their number: from 1, the header and blank ones among them."""
    found = connection.execute("SELECT line, min(error_type::VARCHAR) FROM reject_errors GROUP BY line").fetchall()
    return {number: refusal(kind.lower()) for number, kind in found}


def _csv_rejects(
    path: Path, reader: Csv, reasons: Mapping[int, _Reason], refused: Mapping[int, _Reason]
) -> list[Reject]:
    """Give each rejected row, known by its position, or by its record's number where it has none, line and text."""
    if not reasons and not refused:
        return []
    rejects: list[Reject] = []
    position = 0
    for number, line, raw in islice(_records(path, reader), 1, None):
        if len(rejects) == len(reasons) + len(refused):
            break
        reason = refused.get(number) or reasons.get(position)
        position += number not in refused
        if reason:
            rejects.append(Reject(line=line, code=reason[0], message=reason[1], raw=raw.decode(errors="replace")))
    return rejects


def _count_records(path: Path, reader: Csv) -> int:
    """Count the records that are not blank, the header among them, without parsing them.

    Raises:
        FormatError: a record has no end, or lines do not all end alike.
    """
    return sum(1 for _ in _records(path, reader))


def _records(path: Path, reader: Csv) -> Iterator[tuple[int, int, bytes]]:
    """The records of a CSV file that are not blank, the header among them.

    Each has its number among all records, the line on which it begins (both from 1), and its bytes. A record
    goes on over the line's end while a quote is open.

    Raises:
        FormatError: a record is so long that a quote must have been left open, or the line ends are not all LF
            or all CRLF, which the parser may take for fewer or more rows than there are.
    """
    quotes, mark = _Quotes(reader), reader.quote.encode()
    number, start, size, is_open = 0, 1, 0, False
    parts: list[bytes] = []
    end = b""
    with path.open("rb") as file:
        for line_number, line in enumerate(iter(lambda: file.readline(_LONGEST_RECORD), b""), start=1):
            if not parts:
                number, start, size = number + 1, line_number, 0
            parts.append(line)
            size += len(line)
            if size >= _LONGEST_RECORD:
                raise FormatError(f"{path.name} has no end to the record that begins on line {start}.")
            if mark in line:
                is_open = quotes.stay_open(line, is_open)
            if not is_open:
                record = b"".join(parts)
                text, parts = record.rstrip(b"\r\n"), []
                ends = record[len(text) :]
                end = end or ends
                is_torn = b"\r" in text and b"\r" in quotes.outside(text)
                if is_torn or (ends and ends != end) or end not in (b"\n", b"\r\n", b""):
                    raise FormatError(f"{path.name} mixes line ends: line {start} does not end like those before it.")
                if text:
                    yield number, start, text
    if parts:
        yield number, start, b"".join(parts).rstrip(b"\r\n")


class _Quotes:
    """Where quotes open and close, as the parser sees it.

    One opens where a field begins, one space aside, and is any other character inside an unquoted field.
    """

    def __init__(self, reader: Csv) -> None:
        quote, delimiter = re.escape(reader.quote.encode()), re.escape(reader.delimiter.encode())
        inside = b"(?:[^%b]|%b%b)*+" % (quote, quote, quote)
        self._rest_of_field = re.compile(inside + quote)
        self._quoted_field = re.compile(b"(?:^|%b) ?%b%b(%b)?" % (delimiter, quote, inside, quote))

    def stay_open(self, line: bytes, is_open: bool) -> bool:
        """Whether a quote is open after a line, given whether one was open before it."""
        closed = self._rest_of_field.match(line) if is_open else None
        if is_open and closed is None:
            return True
        ends = [field[1] for field in self._quoted_field.finditer(line, closed.end() if closed else 0)]
        return bool(ends) and ends[-1] is None

    def outside(self, record: bytes) -> bytes:
        """A record without its quoted fields."""
        return self._quoted_field.sub(b"", record)
