"""Parquet.

Here: that a file is of this format. Not here: reading it (see `lake.readers.parquet`).
"""

from dataclasses import dataclass
from typing import ClassVar

from dataflow_assets.sources.formats.base import Format


@dataclass(frozen=True, kw_only=True)
class Parquet(Format):
    """A Parquet file; columns are matched by name, and have the declared types."""

    label: ClassVar = "Parquet"
    endings: ClassVar = {".parquet": ".parquet"}
    magic: ClassVar = b"PAR1"

    @property
    def suffix(self) -> str:
        """`.parquet`."""
        return ".parquet"


FORMAT = Parquet
