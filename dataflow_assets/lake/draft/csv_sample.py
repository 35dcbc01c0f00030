"""A file of delimited text to a sample.

Here: its encoding, what stands before its header and behind its rows, and its delimiter. Not here: how it writes values
(see `values`).
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.draft.base import MOST_ROWS, Sample, guess_encoding, write_options
from dataflow_assets.lake.draft.values import find_value_options

_MOST_BYTES = 64 << 20
_SNIFFED = 100  # lines
_MOST_SKIPPED = 20  # lines
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class _Layout:
    """Where the rows of a file are, and what is between their values."""

    delimiter: str
    escape: str
    separator_lines: int
    skip_lines: int
    comment: str

    def as_python_reads(self, line: str) -> str:
        """A line whose escapes are doubled where they are characters, as Python drops each."""
        if not self.escape:
            return line
        meant = f'"{self.delimiter}{self.escape}\r\n'
        return re.sub(r"\\(.)", lambda pair: pair[0] if pair[1] in meant else f"\\{pair[0]}", line, flags=re.DOTALL)

    def rows(self, text: str) -> Iterator[list[str]]:
        """The records from the header on."""
        lines = io.StringIO(text, newline="")
        for _ in range(self.separator_lines + self.skip_lines):
            lines.readline()
        kept = (self.as_python_reads(line) for line in lines if not (self.comment and line.startswith(self.comment)))
        yield from csv.reader(kept, delimiter=self.delimiter, escapechar=self.escape or None)


def read_csv(path: Path) -> Sample:
    """Look into a file of delimited text.

    Raises:
        FormatError: it holds no lines of values.
    """
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES)
        is_whole = not file.read(1)
    encoding = _guess_wide_encoding(content) or guess_encoding(content)
    text = content.decode(encoding, errors="ignore").removeprefix("\ufeff")
    layout = _find_layout(text)
    rows = layout.rows(text)
    first = next(rows, [])
    has_header = all(name.strip() and not name.strip().lstrip("-").replace(".", "").isdigit() for name in first)
    names = list(first) if has_header else [f"column_{n}" for n in range(len(first))]
    found = list(islice(rows, MOST_ROWS + 1))
    trailer = _find_trailer(found, len(names)) if is_whole and len(found) <= MOST_ROWS else ""
    kept = [row for row in found[:MOST_ROWS] if len(row) == len(names)]
    if not has_header:
        kept.insert(0, first)
    values = find_value_options(_frame(names, kept), layout.delimiter)
    options = {
        "delimiter": "" if layout.delimiter == "," else layout.delimiter,
        "escape": layout.escape,
        "encoding": "" if encoding == "utf-8" else encoding,
        "skip_lines": layout.skip_lines,
        "comment": layout.comment,
        "trailer": trailer,
        **values.options,
    }
    said = ", ".join(filter(None, [write_options(options), "" if has_header else "header=False"]))
    notes = [*values.notes]
    notes += [f"the encoding {encoding}"] if encoding not in ("utf-8", "utf-16") else []
    notes += [f"the last line begins with {trailer!r}, and is no row"] if trailer else []
    notes += [f"{layout.skip_lines} lines stand before the header"] if layout.skip_lines else []
    return Sample(values.texts, f"Csv({said})", "Csv", kept_as_text=values.kept_as_text, notes=tuple(notes))


def _frame(names: Sequence[str], rows: Sequence[Sequence[str]]) -> pl.DataFrame:
    places = {name: place for place, name in reversed(list(enumerate(names))) if name}
    columns = [pl.Series(name, [row[places[name]] for row in rows], pl.String) for name in dict.fromkeys(names) if name]
    return pl.DataFrame(columns).with_columns(pl.when(pl.all() != "").then(pl.all()))


def _guess_wide_encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    beginning = content[:200]
    for encoding, zeros in (("utf-16-le", beginning[1::2]), ("utf-16-be", beginning[::2])):
        if len(zeros) > 3 and not any(zeros):
            return encoding
    return ""


def _find_layout(text: str) -> _Layout:
    """Where the rows begin: at the first line that has as many values as most lines have."""
    lines = text.splitlines()[:_SNIFFED]
    separators = 1 if lines and lines[0].lower().strip('"').startswith("sep=") else 0
    comment = "#" if any(line.startswith("#") for line in lines[separators:_MOST_SKIPPED]) else ""
    kept = [line for line in lines[separators:] if not (comment and line.startswith(comment))]
    escape = "\\" if '\\"' in text else ""
    delimiter = max(_DELIMITERS, key=lambda mark: _fits(kept, mark, escape))
    counts = [len(row) for row in csv.reader(kept, delimiter=delimiter, escapechar=escape or None)]
    usual = Counter(counts).most_common(1)[0][0] if counts else 0
    skipped = next((place for place, count in enumerate(counts[:_MOST_SKIPPED]) if count == usual), 0)
    if comment and skipped:
        raise FormatError("it has both comments and other lines before its header: declare it by hand.")
    return _Layout(delimiter, escape, separators, skipped, comment)


def _fits(lines: Sequence[str], delimiter: str, escape: str) -> tuple[bool, int, int]:
    """Whether lines have more than one field, how many have as many as most have, and how many fields that is."""
    counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter, escapechar=escape or None) if row)
    usual, how_often = counts.most_common(1)[0] if counts else (0, 0)
    return usual > 1, how_often, usual


def _find_trailer(rows: Sequence[Sequence[str]], columns: int) -> str:
    """What a last line that is no row begins with: it has fewer values, and its count, if any, is that of the rows."""
    last = rows[-1] if rows else []
    if len(rows) < 2 or not last or len(last) >= columns or not last[0] or not last[0].isascii():
        return ""
    counts = [int(value) for value in last[1:] if value.strip().isdecimal()]
    alike = [row for row in rows[:-1] if row and row[0].startswith(last[0])]
    delivered = sum(1 for row in rows[:-1] if row)
    return "" if alike or (counts and counts[0] != delivered) else last[0]
