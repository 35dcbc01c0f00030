"""What stands in a CSV file before its header and behind its rows.

Here: where the header begins, and whether the trailer agrees with the rows. Not here: the header's names and the rows
(see `reader`).
"""

import re
from pathlib import Path
from typing import NamedTuple

from dataflow_assets.core.lines import read_lines
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.csv.model import Part
from dataflow_assets.sources.formats import Csv

_MARK = b"\xef\xbb\xbf"
_SEPARATOR = re.compile(rb'"?sep=(.)"?[\r\n]*', re.IGNORECASE | re.DOTALL)
_LONGEST_LINE = 1 << 20  # bytes


class Beginning(NamedTuple):
    """Where the header, or without one the first row, begins: in bytes from 0 and in lines from 1."""

    start: int
    line: int
    has_mark: bool
    has_separator: bool


def find_header(path: Path, reader: Csv) -> Beginning:
    """Look where the header of a file begins: behind its mark, skipped lines, a `sep=` line and comments.

    Raises:
        FormatError: the file names another delimiter than its source.
    """
    with path.open("rb") as file:
        has_mark = file.read(len(_MARK)) == _MARK
        start, lines, has_separator = len(_MARK) if has_mark else 0, 0, False
        file.seek(start)
        for line in read_lines(file, _LONGEST_LINE):
            separator = _SEPARATOR.fullmatch(line) if not has_separator and reader.header else None
            is_comment = reader.comment and line.startswith(reader.comment.encode())
            if lines >= reader.skip_lines and not separator and not is_comment:
                break
            if separator and separator[1] != reader.delimiter.encode():
                raise FormatError(
                    f"{path.name} says that its delimiter is {separator[1].decode('latin-1')!r}, but its source is "
                    f"declared with {reader.delimiter!r}."
                )
            has_separator |= separator is not None
            start, lines = start + len(line), lines + 1
    return Beginning(start, lines + 1, has_mark, has_separator)


class TrailerCheck:
    """Compares the rows of a file with what its trailer says, where its source declares one."""

    def __init__(self, name: str, reader: Csv) -> None:
        self._name, self._reader = name, reader
        self._delivered, self._last_line = 0, 0
        self._trailers: list[tuple[int, str]] = []

    def add(self, part: Part) -> None:
        """Count the rows of a part."""
        if not self._reader.trailer:
            return
        self._delivered += part.delivered
        self._trailers += part.trailers
        lines = [part.records["line"].max(), *(reject.line for reject in part.rejects)]
        self._last_line = max(self._last_line, *(int(str(line)) for line in lines if line is not None), 0)

    def require(self) -> None:
        """Look whether the one trailer is the last line, and its count that of the rows.

        Raises:
            FormatError: it is not: the file may be cut short.
        """
        if not self._reader.trailer:
            return
        if len(self._trailers) != 1 or self._trailers[0][0] < self._last_line:
            raise FormatError(
                f"{self._name} may be cut short: its last line, and no other, must begin with {self._reader.trailer!r}."
            )
        values = self._trailers[0][1].removeprefix(self._reader.trailer).split(self._reader.delimiter)
        bare = (value.strip(f" {self._reader.quote or ''}") for value in values)
        count = next((int(value) for value in bare if re.fullmatch("[0-9]+", value)), None)
        if count is not None and count != self._delivered:
            raise FormatError(f"{self._name} holds {self._delivered:,} rows, but its trailer says {count:,}.")
