"""CSV files in which every line is a whole record, as most are: looked at over whole columns of lines.

Here: the lines of such a file, block by block. Not here: files with line breaks inside quotes, broken quotes
or mixed line ends, which are read line by line (see `reading`).
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from dataflow_assets.sources.declaration import Csv

_BLOCK_BYTES = 16 << 20
_RAW = pl.col("raw")


class NotPlainError(Exception):
    """A line may not be a whole record; what was read before it still stands."""


def plain_records(path: Path, reader: Csv) -> Iterator[pl.DataFrame]:
    """The records that are not blank, the header among them, in the order of the file.

    Gives `line` (UInt32, from 1) and `raw` (String, without the line's end), some at a time.

    Raises:
        NotPlainError: at the first block where a line may not be a whole record.
    """
    first_line, end = 1, None
    for block, is_last in _blocks(path):
        try:
            lines = pl.read_lines(io.BytesIO(block), name="raw", row_index_name="line", row_index_offset=first_line)
        except pl.exceptions.ComputeError:
            raise NotPlainError("it is not all UTF-8") from None
        first_line += lines.height
        end = _line_end(lines.head(-1) if is_last else lines, reader, end)
        if is_last:
            _line_end(lines.tail(1), reader, None)
        yield lines.with_columns(_RAW.str.strip_suffix("\r")).filter(_RAW != "")


def _line_end(lines: pl.DataFrame, reader: Csv, known: str | None) -> str | None:
    """Check that lines are whole records that end like those before them; their end, None without lines."""
    quoted = _RAW.filter(_RAW.str.contains(reader.quote, literal=True))
    has_broken_quotes, has_inner_cr, crlf = lines.select(
        (~quoted.str.contains(_whole_record(reader))).any(),
        _RAW.str.strip_suffix("\r").str.contains("\r", literal=True).any().alias("inner_cr"),
        _RAW.str.ends_with("\r").sum().alias("crlf"),
    ).row(0)
    if has_broken_quotes or has_inner_cr or crlf not in (0, lines.height):
        raise NotPlainError("a line may not be a whole record")
    end = known if lines.is_empty() else "\r\n" if crlf else "\n"
    if known not in (None, end):
        raise NotPlainError("its lines do not all end alike")
    return end


def _blocks(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The bytes of a file in blocks of whole lines, each with whether it is the last."""
    with path.open("rb") as file:
        rest = b""
        while read := file.read(_BLOCK_BYTES):
            whole, newline, after = read.rpartition(b"\n")
            if newline:
                yield rest + whole + newline, False
                rest = after
            elif len(rest := rest + read) > _BLOCK_BYTES:
                raise NotPlainError("a line has no end")
        if rest:
            yield rest, True


def _whole_record(reader: Csv) -> str:
    """A pattern of lines in which each quote opens a field, closes one, or is doubled inside one."""
    quote, delimiter = re.escape(reader.quote), re.escape(reader.delimiter)
    one_field = f"(?:[^{quote}{delimiter}]*|{quote}(?:[^{quote}]|{quote}{quote})*{quote})"
    return f"^{one_field}(?:{delimiter}{one_field})*\r?$"
