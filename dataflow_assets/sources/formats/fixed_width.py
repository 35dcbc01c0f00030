"""Text in columns of fixed width.

Here: how such a file is declared and read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import ClassVar

import polars as pl

from dataflow_assets.core.iteration import batched_by_size
from dataflow_assets.core.lines import read_lines
from dataflow_assets.errors import FormatError
from dataflow_assets.sources.formats.base import RecordFormat, Records, Reject

_LINES = 20_000  # at a time
_LINES_BYTES = 4 << 20  # at a time, and the line with which it is reached
_LONGEST_LINE = 1 << 20  # bytes
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class FixedWidth(RecordFormat):
    """Lines in which each column has so many characters, in this order; blanks around a value do not belong to it.

    A name that is no declared column stands for characters that nobody reads. `skip_lines` at the beginning are no
    data. A line may have more blanks at its end, and without `whole_lines` fewer.
    """

    label: ClassVar = "fixed-width text"
    endings: ClassVar = {".fwf": ".fwf", ".prn": ".fwf"}

    widths: Mapping[str, int]
    skip_lines: int = 0
    whole_lines: bool = True
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths.values()) < 1:
            raise ValueError("each column of fixed-width text has at least one character")
        "".encode(self.encoding)

    @property
    def suffix(self) -> str:
        """`.fwf`."""
        return ".fwf"

    @property
    def fingerprint(self) -> object:
        """All that is declared, with the widths in their order."""
        return list(self.widths.items()), self.skip_lines, self.whole_lines, self.encoding

    @property
    def length(self) -> int:
        """How many characters a whole line has."""
        return sum(self.widths.values())

    def check(self, path: Path, columns: Mapping[str, pl.DataType]) -> None:  # noqa: ARG002
        """Look at the first line."""
        _, line = next((one for one in self._lines(path) if one[1].strip()), (1, b""))
        text = line.decode(errors="replace")
        if line and not self._fits(text):
            raise FormatError(
                f"{path.name} is no fixed-width text of {self.length} characters a line: its first has {len(text)}, "
                f"{text[:200]!r}."
            )

    def read(self, path: Path, columns: Mapping[str, pl.DataType]) -> Iterator[Records]:
        """Read some lines at a time."""
        self.check(path, columns)
        for lines in batched_by_size(self._lines(path), _LINES, lambda found: len(found[1]), _LINES_BYTES):
            yield self._records([(number, line) for number, line in lines if line.strip()])

    def _lines(self, path: Path) -> Iterator[tuple[int, bytes]]:
        """The lines after those that are skipped, without their ends, counted from 1."""
        with path.open("rb") as file:
            for number, line in enumerate(read_lines(file, _LONGEST_LINE), 1):
                if len(line) >= _LONGEST_LINE:
                    raise FormatError(f"{path.name} is no fixed-width text: its line {number} has no end.")
                if number > self.skip_lines:
                    yield number, (line.removeprefix(_BOM) if number == 1 else line).rstrip(b"\r\n")

    def _fits(self, text: str) -> bool:
        is_long = len(text) > self.length and not text[self.length :].strip(" ")
        return len(text) == self.length or is_long or (not self.whole_lines and len(text) < self.length)

    def _records(self, lines: list[tuple[int, bytes]]) -> Records:
        whole, rejects = [], []
        for line, content in lines:
            text = content.decode(errors="replace")
            if text.encode() != content:
                message = f"the line is not text in {self.encoding}."
                rejects.append(Reject(line=line, code="fixed_width.encoding", message=message, raw=text))
            elif self._fits(text):
                whole.append((line, text))
            else:
                message = f"the line has {len(text)} characters, not {self.length}."
                rejects.append(Reject(line=line, code="fixed_width.length", message=message, raw=text))
        origins = pl.DataFrame(whole, {"line": pl.Int64, "raw": pl.String}, orient="row")
        starts = dict(zip(self.widths, accumulate(self.widths.values(), initial=0), strict=False))
        fields = {
            name: pl.col("raw").str.slice(starts[name], width).str.strip_chars() for name, width in self.widths.items()
        }
        return Records(
            origins=origins,
            values=origins.select(pl.when(field != "").then(field).alias(name) for name, field in fields.items()),
            rejects=rejects,
            delivered=len(lines),
        )


FORMAT = FixedWidth
