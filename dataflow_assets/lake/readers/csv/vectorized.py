"""Parts of CSV files in which every line is a whole record, as most are: read over whole columns of lines.

Here: telling whether a part is one, and reading it. Not here: parts with line breaks inside quotes, broken quotes,
broken text or mixed line ends (see `records`).
"""

import re

import polars as pl

from dataflow_assets.lake.readers.base import looks_packed, split_lines
from dataflow_assets.lake.readers.csv.model import LONGEST_RECORD, Form, Part, build_reject
from dataflow_assets.sources.formats import Csv, Reject

_RAW = pl.col("raw")
_BYTE_ORDER_MARK = "\ufeff".encode()


class NotPlainError(Exception):
    """A line may not be a whole record."""


def parse_lines(content: bytes, first_line: int, form: Form) -> Part:
    """Read lines that are all whole records.

    Args:
        content: whole lines, the header not among them.
        first_line: the number of the first.
        form: how the file is written.

    Raises:
        NotPlainError: one may not be a whole record.
    """
    is_marked = _BYTE_ORDER_MARK[:1] in content and _BYTE_ORDER_MARK in content  # a byte is found far sooner than three
    if is_marked or (form.reader.escape and form.reader.escape.encode() in content):
        raise NotPlainError("a line may begin with a mark, or hold an escape")
    line_ends = _carriage_returns(content)
    lines = _lines(content, first_line, form.reader)
    is_again = pl.any_horizontal(pl.lit(value=False), *(_RAW.eq(header) for header in form.again))
    again = int(lines.select(is_again.sum()).item())
    records = lines.filter((_RAW != "") & ~is_again if again else _RAW != "")
    records, trailers = _without_surroundings(records, form.reader)
    whole, torn = _split(records, form, has_quotes=_has_quotes(content, form.reader))
    kept = content if whole.height == lines.height else whole.select(_RAW.str.join("\n")).item().encode()
    return Part(
        records=whole,
        values=_values(kept, form),
        rejects=torn,
        delivered=records.height,
        lines=lines.height,
        size=len(content),
        repaired={"line_ends": line_ends, "last_line_end": not content.endswith(b"\n"), "header_again": again},
        trailers=trailers,
    )


def _has_quotes(content: bytes, reader: Csv) -> bool:
    return reader.quote is not None and reader.quote.encode() in content


def _without_surroundings(records: pl.DataFrame, reader: Csv) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """The records without comments and trailers, and these trailers."""
    trailers: list[tuple[int, str]] = []
    if reader.trailer:
        trailers = records.filter(_RAW.str.starts_with(reader.trailer)).select("line", "raw").rows()
        records = records.filter(~_RAW.str.starts_with(reader.trailer))
    if reader.comment:
        records = records.filter(~_RAW.str.starts_with(reader.comment))
    return records, trailers


def _carriage_returns(content: bytes) -> int:
    """How many lines end in CR LF: all or none."""
    if b"\r" not in content:
        return 0
    ends = content.count(b"\r\n")
    if not ends == content.count(b"\r") == content.count(b"\n"):
        raise NotPlainError("a line may hold a line's end")
    return ends


def _lines(content: bytes, first_line: int, reader: Csv) -> pl.DataFrame:
    """The lines as `line` and `raw` (String)."""
    found = split_lines(content)
    if found is None:
        raise NotPlainError("it is not all UTF-8, or does not look so")
    lines = found.with_row_index("line", first_line)
    if reader.quote and _has_quotes(content, reader):
        quoted = _RAW.filter(_RAW.str.contains(reader.quote, literal=True))
        if lines.select((~quoted.str.contains(_whole_record(reader))).any()).item():
            raise NotPlainError("a line may not be a whole record")
    if lines.select((_RAW.str.len_bytes() > LONGEST_RECORD).any()).item():
        raise NotPlainError("a line is very long")
    return lines


def _whole_record(reader: Csv) -> str:
    """A pattern of lines in which each quote opens a field, closes one, or is doubled inside one."""
    quote, delimiter = re.escape(reader.quote or ""), re.escape(reader.delimiter)
    one_field = f"(?:[^{quote}{delimiter}]*|{quote}(?:[^{quote}]|{quote}{quote})*{quote})"
    return f"^{one_field}(?:{delimiter}{one_field})*$"


def _split(records: pl.DataFrame, form: Form, *, has_quotes: bool) -> tuple[pl.DataFrame, list[Reject]]:
    """The records with a value for every column, and the others."""
    reader, columns = form.reader, len(form.names)
    records = records.with_columns(fields=_fields(reader, has_quotes=has_quotes))
    torn = records.filter(pl.col("fields") != columns)
    if torn.is_empty():
        return records, []
    # Empty fields too many at the end of a line are a habit of some writers, and harmless.
    empty = _RAW.str.extract(_empty_fields(reader)).str.count_matches(reader.delimiter, literal=True)
    torn = torn.filter(~pl.col("fields").is_between(columns, columns + empty))
    rejects = [
        build_reject("missing_columns" if fields < columns else "too_many_columns", line, raw)
        for line, raw, fields in torn.select("line", "raw", "fields").iter_rows()
    ]
    return records.join(torn, on="line", how="anti", maintain_order="left"), rejects


def _fields(reader: Csv, *, has_quotes: bool) -> pl.Expr:
    """How many fields each record has: its delimiters outside quotes, and one."""
    quote = re.escape(reader.quote or "")
    bare = _RAW.str.replace_all(f"{quote}[^{quote}]*{quote}", "") if has_quotes else _RAW
    return bare.str.count_matches(reader.delimiter, literal=True) + 1


def _empty_fields(reader: Csv) -> str:
    """A pattern of the empty fields, in quotes or not, with which a line ends."""
    quote, delimiter = re.escape(reader.quote or ""), re.escape(reader.delimiter)
    return f"((?:{delimiter}(?:{quote}{quote})?)*)$"


def _values(content: bytes, form: Form) -> pl.DataFrame:
    """The values (String) of lines that each have one of every column; what is empty, in quotes or not, is null."""
    if looks_packed(content):  # where blank lines before it are gone
        raise NotPlainError("it does not look like text")
    text = pl.read_csv(
        content,
        has_header=False,
        schema=dict.fromkeys(form.names, pl.String),
        separator=form.reader.delimiter,
        quote_char=form.reader.quote,
        truncate_ragged_lines=True,
        extra_columns="ignore",
        raise_if_empty=False,
    )
    has_quotes = _has_quotes(content, form.reader)
    return text.with_columns(pl.when(pl.all() != "").then(pl.all())) if has_quotes else text
