"""Delimited text.

Here: how such a file may be written. Not here: reading it (see `lake.readers.csv`).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from dataflow_assets.sources.formats.base import Format

_Encoding = Literal["utf-8", "utf-16", "latin-1"]


@dataclass(frozen=True, kw_only=True)
class Csv(Format):
    """Delimited text with a header line; columns are matched by name. With tabs it is TSV.

    Without a `header` line the columns are those of the schema, in its order. With `strip` the blanks around names and
    values do not belong to them, whether in quotes or not.
    """

    label: ClassVar = "CSV"
    endings: ClassVar = {".csv": ".csv", ".tsv": ".tsv"}

    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    encoding: _Encoding = "utf-8"
    strip: bool = False

    def __post_init__(self) -> None:
        if self.encoding not in (known := get_args(_Encoding)):
            raise ValueError(f"CSV cannot be read in the encoding {self.encoding!r}; use one of {', '.join(known)}")

    @property
    def suffix(self) -> str:
        """`.tsv` with tabs, else `.csv`."""
        return ".tsv" if self.delimiter == "\t" else ".csv"


FORMAT = Csv
