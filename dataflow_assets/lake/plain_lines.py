"""CSV files in which every line is a whole record, as most are: looked at over whole columns of lines.

Here: telling such a file, and its lines. Not here: files with line breaks inside quotes, broken quotes or
mixed line ends, which are read line by line (see `reading`).
"""

import re
from pathlib import Path

import polars as pl

from dataflow_assets.sources.declaration import Csv

_RAW = pl.col("raw")


def plain_records(path: Path, reader: Csv) -> pl.LazyFrame | None:
    """The records that are not blank, the header among them; None where a line may not be a whole record.

    Gives `line` (UInt32, from 1) and `raw` (String, without the line's end), in the order of the file.
    """
    lines = pl.scan_lines(path, name="raw", row_index_name="line", row_index_offset=1)
    ends_in_cr = _RAW.str.ends_with("\r")
    quoted = _RAW.filter(_RAW.str.contains(reader.quote, literal=True))
    try:
        looked_at = lines.select(
            has_broken_quotes=(~quoted.str.contains(_whole_record(reader))).any(),
            has_inner_cr=_RAW.str.strip_suffix("\r").str.contains("\r", literal=True).any(),
            crlf=ends_in_cr.sum() - ends_in_cr.last(),
            lines=pl.len(),
        ).collect(engine="streaming")
    except pl.exceptions.ComputeError:  # it is not all UTF-8
        return None
    has_broken_quotes, has_inner_cr, crlf, count = looked_at.row(0)
    if has_broken_quotes or has_inner_cr or crlf not in (0, count - 1):
        return None
    return lines.with_columns(_RAW.str.strip_suffix("\r")).filter(_RAW != "")


def _whole_record(reader: Csv) -> str:
    """A pattern of lines in which each quote opens a field, closes one, or is doubled inside one."""
    quote, delimiter = re.escape(reader.quote), re.escape(reader.delimiter)
    one_field = f"(?:[^{quote}{delimiter}]*|{quote}(?:[^{quote}]|{quote}{quote})*{quote})"
    return f"^{one_field}(?:{delimiter}{one_field})*\r?$"
