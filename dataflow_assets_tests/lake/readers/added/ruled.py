"""Text in columns of fixed width: a format that is one file. A test puts it among the formats."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.sources.formats import RecordFormat, Records, Reject

_LINES = 10_000  # at a time


@dataclass(frozen=True, kw_only=True)
class Ruled(RecordFormat):
    """Lines in which each column has so many characters; blanks around a value do not belong to it."""

    label: ClassVar = "ruled text"
    endings: ClassVar = {".rul": ".rul"}

    widths: Mapping[str, int]

    @property
    def suffix(self) -> str:
        """`.rul`."""
        return ".rul"

    def check(self, path: Path, columns: Mapping[str, pl.DataType]) -> None:
        """Look at the first line."""
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline().rstrip("\n")
        if len(first) != (length := sum(self.widths.values())):
            raise FormatError(f"{path.name} is no ruled text: its first line has not {length} characters.")

    def read(self, path: Path, columns: Mapping[str, pl.DataType]) -> Iterator[Records]:
        """Read some lines at a time."""
        self.check(path, columns)
        with path.open("rb") as file:
            numbered = enumerate(file, start=1)
            while lines := list(islice(numbered, _LINES)):
                yield self._records([(number, line) for number, line in lines if line.strip()])

    def _records(self, lines: list[tuple[int, bytes]]) -> Records:
        texts = [(number, content.decode(errors="replace").rstrip("\n")) for number, content in lines]
        length = sum(self.widths.values())
        whole = [(number, text) for number, text in texts if len(text) == length]
        message = f"the line has not {length} characters."
        rejects = [
            Reject(line=line, code="ruled.length", message=message, raw=text)
            for line, text in texts
            if len(text) != length
        ]
        origins = pl.DataFrame(whole, {"line": pl.Int64, "raw": pl.String}, orient="row")
        ends = dict(zip(self.widths, pl.Series(list(self.widths.values())).cum_sum(), strict=True))
        fields = {
            name: pl.col("raw").str.slice(ends[name] - width, width).str.strip_chars()
            for name, width in self.widths.items()
        }
        return Records(
            origins=origins,
            values=origins.select(pl.when(field != "").then(field).alias(name) for name, field in fields.items()),
            rejects=rejects,
            delivered=len(lines),
        )


FORMAT = Ruled
