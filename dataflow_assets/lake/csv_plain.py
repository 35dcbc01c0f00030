"""CSV files in which every line is a whole record, as most are: read over whole columns of lines.

Here: telling whether a file is one, and counting and reading it, block by block. Not here: files with line breaks
inside quotes, broken quotes or mixed line ends (see `csv_any`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from dataflow_assets.batches import prefetched
from dataflow_assets.lake.parsing import Batch, Reject
from dataflow_assets.lake.validation import POSITION, validate
from dataflow_assets.sources.declaration import Csv, Source

_BLOCK_BYTES = 8 << 20
_LONGEST_LINE = 2_000_000  # bytes; the thorough reader says what it thinks of a longer one
_RAW = pl.col("raw")


class NotPlainError(Exception):
    """A line may not be a whole record."""


@dataclass(frozen=True)
class _Block:
    """Some whole lines of a file, how many, and those that are not blank as `line` (from 1) and `raw` (String)."""

    content: bytes
    records: pl.DataFrame
    lines: int
    has_quotes: bool


def read_plain(path: Path, source: Source, reader: Csv, names: Sequence[str]) -> Iterator[Batch]:
    """Read a file whose lines are all whole records, in batches of rows, each with its rejects and its count.

    Args:
        path: the file.
        source: whose rows it holds.
        reader: how its source says that it is written.
        names: its columns, as the first line gives them; a declared one that is not among them is null.

    Raises:
        NotPlainError: at the first block of lines where one may not be a whole record.
    """
    position = 0
    columns = [
        pl.col(name) if name in names else pl.lit(None, pl.String).alias(name) for name in source.schema.column_names()
    ]
    for whole, torn, text in prefetched(_parsed_blocks(path, reader, names)):
        positions = pl.int_range(position, position + whole.height, dtype=pl.Int64).alias(POSITION)
        rows, rejected = validate(text.select(positions, *columns), source)
        broken = whole[rejected[POSITION] - position].select("line", "raw")
        rejects = _torn(torn, len(names)) + _broken(broken, rejected)
        delivered = whole.height + torn.height
        yield Batch(rows, sorted(rejects, key=lambda reject: reject.line or 0), delivered)
        position += whole.height


def _parsed_blocks(
    path: Path, reader: Csv, names: Sequence[str]
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]]:
    """Of each block after the header the records with a field for every name, the others, and the former's fields."""
    for block in islice(_plain_blocks(path, reader), 1, None):
        records = block.records.with_columns(fields=_fields(block, reader))
        torn = records.filter(pl.col("fields") != len(names))
        if torn.height:
            # Empty fields too many at the end of a line are a habit of some writers, and harmless.
            empty = _RAW.str.extract(_empty_fields(reader)).str.count_matches(reader.delimiter, literal=True)
            torn = torn.filter(~pl.col("fields").is_between(len(names), len(names) + empty))
        whole = records.join(torn, on="line", how="anti", maintain_order="left") if torn.height else records
        content = block.content if whole.height == block.lines else whole.select(_RAW.str.join("\n")).item().encode()
        yield whole, torn, _parsed(content, reader, names)


def _fields(block: _Block, reader: Csv) -> pl.Expr:
    """How many fields each record has: its delimiters outside quotes, and one."""
    quote = re.escape(reader.quote)
    bare = _RAW.str.replace_all(f"{quote}[^{quote}]*{quote}", "") if block.has_quotes else _RAW
    return bare.str.count_matches(reader.delimiter, literal=True) + 1


def _empty_fields(reader: Csv) -> str:
    """A pattern of the empty fields, in quotes or not, with which a line ends."""
    quote, delimiter = re.escape(reader.quote), re.escape(reader.delimiter)
    return f"((?:{delimiter}(?:{quote}{quote})?)*)$"


def _parsed(content: bytes, reader: Csv, names: Sequence[str]) -> pl.DataFrame:
    """The fields (String) of lines that each have one of every name; what is empty, in quotes or not, is null."""
    text = pl.read_csv(
        content,
        has_header=False,
        schema=dict.fromkeys(names, pl.String),
        separator=reader.delimiter,
        quote_char=reader.quote,
        truncate_ragged_lines=True,
        extra_columns="ignore",
        raise_if_empty=False,
    )
    return text.with_columns(pl.when(pl.all() != "").then(pl.all())) if reader.quote.encode() in content else text


def refusal(kind: str) -> tuple[str, str]:
    """The code and the message of a record that is no row of CSV; the kinds are those of DuckDB."""
    return f"csv.{kind.replace(' ', '_')}", f"the line cannot be read as CSV: {kind}."


def _torn(records: pl.DataFrame, columns: int) -> list[Reject]:
    found = []
    for line, raw, fields in records.select("line", "raw", "fields").iter_rows():
        code, message = refusal("missing columns" if fields < columns else "too many columns")
        found.append(Reject(line=line, code=code, message=message, raw=raw))
    return found


def _broken(records: pl.DataFrame, rejected: pl.DataFrame) -> list[Reject]:
    reasons = zip(records.iter_rows(), rejected.select("code", "message").iter_rows(), strict=True)
    return [Reject(line=line, code=code, message=message, raw=raw) for (line, raw), (code, message) in reasons]


def _plain_blocks(path: Path, reader: Csv) -> Iterator[_Block]:
    """A file some lines at a time, the first line alone.

    Raises:
        NotPlainError: at the first block where a line may not be a whole record.
    """
    first_line, end = 1, None
    for content in _contents(path):
        known, end = end, _line_end(content) or end
        if known not in (None, end):
            raise NotPlainError("its lines do not all end alike")
        block = _block(content, first_line, reader)
        first_line += block.lines
        yield block


def _line_end(content: bytes) -> bytes | None:
    """What all lines end with; None where there is one line without an end."""
    if b"\r" not in content:
        return b"\n" if b"\n" in content else None
    ends = content.count(b"\r\n")
    if not ends == content.count(b"\r") == content.count(b"\n"):
        raise NotPlainError("a line may hold a line's end")
    return b"\r\n"


def _block(content: bytes, first_line: int, reader: Csv) -> _Block:
    try:
        lines = pl.read_lines(content, name="raw").with_row_index("line", first_line)
    except pl.exceptions.ComputeError:
        raise NotPlainError("it is not all UTF-8") from None
    has_quotes = reader.quote.encode() in content
    if has_quotes:
        quoted = _RAW.filter(_RAW.str.contains(reader.quote, literal=True))
        if lines.select((~quoted.str.contains(_whole_record(reader))).any()).item():
            raise NotPlainError("a line may not be a whole record")
    if lines.select((_RAW.str.len_bytes() > _LONGEST_LINE).any()).item():
        raise NotPlainError("a line is very long")
    return _Block(content, lines.filter(_RAW != ""), lines.height, has_quotes)


def _contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file: its first line, then blocks of whole lines."""
    with path.open("rb") as file:
        start, wanted = 0, 0
        while True:
            file.seek(start + wanted)
            rest = file.readline(_LONGEST_LINE)
            if len(rest) == _LONGEST_LINE:
                raise NotPlainError("a line is very long")
            end = file.tell()
            file.seek(start)
            content = file.read(end - start)
            if not content:
                return
            yield content
            start, wanted = end, _BLOCK_BYTES


def _whole_record(reader: Csv) -> str:
    """A pattern of lines in which each quote opens a field, closes one, or is doubled inside one."""
    quote, delimiter = re.escape(reader.quote), re.escape(reader.delimiter)
    one_field = f"(?:[^{quote}{delimiter}]*|{quote}(?:[^{quote}]|{quote}{quote})*{quote})"
    return f"^{one_field}(?:{delimiter}{one_field})*$"
