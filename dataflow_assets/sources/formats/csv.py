"""Delimited text.

Here: how such a file may be written, and what of that is no sound declaration. Not here: reading it (see
`lake.readers.csv`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

import polars as pl

from dataflow_assets.sources.formats.base import Format

_ENCODINGS = (
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be"),
    *("latin-1", "iso-8859-2", "iso-8859-5", "iso-8859-7", "iso-8859-9", "iso-8859-15"),
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("cp437", "cp850", "cp852", "cp866", "cp932", "mac_roman", "shift_jis", "euc_jp", "euc_kr", "gb18030", "big5"),
)
_KEPT_DATES = (date(2021, 12, 31), date(2024, 2, 29), date(1999, 1, 2))


@dataclass(frozen=True, kw_only=True)
class Csv(Format):
    """Delimited text with a header line; columns are matched by name. With tabs it is TSV.

    - `quote`: None where a quote is a character as any other.
    - `escape`: such as a backslash, makes a quote, a delimiter, a line's end or itself behind it a character of the
      value; before any other character it is one itself. A doubled quote is a quote in any case.
    - `header`: without that line the columns are those of the schema, in its order.
    - `strip`: the blanks around names and values do not belong to them, whether in quotes or not.
    - `decimal`, `thousands`: the marks in numbers; `1.234,50` has the decimal mark `,` and the thousands mark `.`.
    - `date_formats`: tried in turn on every date (not on instants: see `time_formats` of the source).
    - `nulls`: the texts that stand for no value, in quotes or not, beside the empty one.
    - `skip_lines`: how many lines stand before the header; a line such as `sep=;` before it is no header in any case.
    - `comment`: what begins a line that is no row.
    - `trailer`: what the last line begins with, which is no row. The first whole number behind it is the count of rows:
      a file with another count, or without that line, is refused.
    """

    label: ClassVar = "CSV"
    endings: ClassVar = {".csv": ".csv", ".tsv": ".tsv"}

    delimiter: str = ","
    quote: str | None = '"'
    escape: str = ""
    header: bool = True
    encoding: str = "utf-8"
    strip: bool = False
    decimal: str = "."
    thousands: str = ""
    date_formats: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()
    skip_lines: int = 0
    comment: str = ""
    trailer: str = ""

    def __post_init__(self) -> None:
        for problem in (*self._wrong_text(), *self._wrong_values()):
            raise ValueError(problem)

    def _wrong_text(self) -> Iterator[str]:
        if self.encoding not in _ENCODINGS:
            yield f"CSV cannot be read in the encoding {self.encoding!r}; use one of {', '.join(_ENCODINGS)}"
        for name, mark in (("delimiter", self.delimiter), ("quote", self.quote), ("escape", self.escape or None)):
            if mark is not None and (len(mark) != 1 or not mark.isascii() or mark in "\r\n\0"):
                yield f"the {name} of CSV is one ASCII character and no line's end, not {mark!r}"
        if self.delimiter == self.quote:
            yield f"delimiter and quote of CSV cannot both be {self.quote!r}"
        if self.escape and self.escape in (self.delimiter, self.quote):
            yield f"the escape of CSV is neither its delimiter nor its quote, not {self.escape!r}"
        if self.skip_lines < 0:
            yield f"{self.skip_lines} lines cannot be skipped"
        for name, beginning in (("comment", self.comment), ("trailer", self.trailer)):
            if not beginning.isascii() or "\n" in beginning or "\r" in beginning:
                yield f"the {name} of CSV is ASCII text of one line, not {beginning!r}"

    def _wrong_values(self) -> Iterator[str]:
        if len(self.decimal) != 1 or self.decimal.isalnum() or self.decimal in "+-":
            yield f"the decimal mark is one character, such as '.' or ',', not {self.decimal!r}"
        if len(self.thousands) > 1 or self.thousands.isalnum() or self.thousands in ("+", "-", self.decimal):
            yield f"the thousands mark is one character other than the decimal mark, or none, not {self.thousands!r}"
        if isinstance(self.nulls, str) or isinstance(self.date_formats, str):
            yield "nulls and date_formats are tuples of texts"
        for date_format in self.date_formats:
            if not _keeps_dates(date_format):
                yield f"the date format {date_format!r} does not keep a date such as 2021-12-31"

    @property
    def suffix(self) -> str:
        """`.tsv` with tabs, else `.csv`."""
        return ".tsv" if self.delimiter == "\t" else ".csv"


def _keeps_dates(date_format: str) -> bool:
    """Whether dates that are written so and read again are the same."""
    written = pl.Series(_KEPT_DATES)
    try:
        return written.dt.to_string(date_format).str.to_date(date_format, strict=False).equals(written)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return False


FORMAT = Csv
