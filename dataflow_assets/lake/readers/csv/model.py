"""What the two ways of reading CSV share: what they are told of a file, and what they make of a part of it.

Here: these two values, and the words for a record that is no row. Not here: reading (see `vectorized` and `records`),
and which way a part goes (see `reader`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from dataflow_assets.sources.formats import Csv, Reject

LONGEST_RECORD = 2_000_000  # bytes; a longer one is rejected

_SENTENCES = {
    "missing_columns": "it has fewer values than the file has columns",
    "too_many_columns": "it has more values than the file has columns",
    "text_after_quote": "text follows a closing quote; an earlier quote may lack its end, or `escape` be undeclared",
    "unclosed_quote": "a quote opens that is not closed; the lines behind it are read by themselves",
    "invalid_encoding": "it is not text in the declared encoding",
    "too_long": f"it is longer than {LONGEST_RECORD:,} bytes",
}

_REASONS = {kind: (f"csv.{kind}", f"the line cannot be read: {said}.") for kind, said in _SENTENCES.items()}


@dataclass(frozen=True)
class Form:
    """How a file is written: its reader, its columns, and the text of its header, where it has one.

    A header comes again where files were put one behind the other, with a byte order mark if each had one.
    """

    reader: Csv
    names: list[str]
    header: str | None = None

    @property
    def again(self) -> tuple[str, ...]:
        """The texts of a record that is the header again."""
        return () if self.header is None else (self.header, f"\ufeff{self.header}")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some whole records of a file.

    `records` are those with a value for every column, as `line` (from 1) and `raw` (String), and `values` are their
    values (String), in the same order; what is empty, in quotes or not, is null. `rejects` are the others, `delivered`
    counts both, apart from the parsing: neither the header nor what is blank. `lines` are all lines, and `size` all
    bytes. `repaired` is as in a batch; `over_lines` tells the records that hold line breaks, where one does,
    `trailers` the line and text of each trailer.
    """

    records: pl.DataFrame
    values: pl.DataFrame
    rejects: list[Reject]
    delivered: int
    lines: int
    size: int
    repaired: Mapping[str, int] = field(default_factory=dict)
    over_lines: pl.Series | None = None
    trailers: Sequence[tuple[int, str]] = ()


def build_reject(kind: str, line: int, raw: str) -> Reject:
    """A record that is no row of CSV."""
    code, message = _REASONS[kind]
    return Reject(line=line, code=code, message=message, raw=raw)
