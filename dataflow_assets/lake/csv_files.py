"""CSV files to batches of typed rows and rejects.

Here: what a file's first line must say, and how the two readers share the file. Not here: the quick reader, for files
in which every line is a whole record (see `csv_plain`), and the thorough one, for all others (see `csv_any`).
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.csv_any import read_any
from dataflow_assets.lake.csv_plain import NotPlainError, read_plain
from dataflow_assets.lake.parsing import MOST_NAMES, Batch, Content
from dataflow_assets.sources.declaration import Csv, Source


def check_header(path: Path, source: Source, reader: Csv) -> list[str]:
    """The column names of a CSV file, as its first line gives them.

    Raises:
        FormatError: the line is not text, lacks a column that is not nullable, or names one twice.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.reader(file, delimiter=reader.delimiter, quotechar=reader.quote, strict=True)
            names = next(rows, [])
    except csv.Error as error:
        raise FormatError(f"{path.name} is not a CSV file: {error}.") from None
    missing = [name for name, column in source.schema.columns().items() if name not in names and not column.nullable]
    if missing:
        raise FormatError(
            f"{path.name} is not a CSV file of {source.name}: its first line lacks the column {', '.join(missing)}."
        )
    if len(set(names)) < len(names):
        raise FormatError(f"{path.name} names a column twice in its first line.")
    return names


def read_csv(path: Path, source: Source, reader: Csv) -> Content:
    """Read a CSV file that is not empty.

    Raises:
        FormatError: the file as a whole is not what its source declares.
    """
    names = check_header(path, source, reader)
    declared = source.schema.column_names()
    return Content(
        _batches(path, source, reader, names),
        kept_out=set(islice((name for name in names if name not in declared), MOST_NAMES)),
        lacking=set(declared).difference(names),
    )


def _batches(path: Path, source: Source, reader: Csv, names: Sequence[str]) -> Iterator[Batch]:
    """What the quick reader gives, and, where it gives up, what the thorough one gives beyond that."""
    accepted = rejected = 0
    try:
        for batch in read_plain(path, source, reader, names):
            yield batch
            accepted, rejected = accepted + batch.rows.height, rejected + len(batch.rejects)
    except NotPlainError:
        yield from _beyond(read_any(path, source, reader, names), accepted, rejected)


def _beyond(batches: Iterator[Batch], accepted: int, rejected: int) -> Iterator[Batch]:
    """Batches without the first rows and the first rejects, which the quick reader gave."""
    known = accepted + rejected
    for batch in batches:
        yield Batch(batch.rows[accepted:], batch.rejects[rejected:], batch.delivered - known)
        accepted, rejected, known = max(accepted - batch.rows.height, 0), max(rejected - len(batch.rejects), 0), 0
