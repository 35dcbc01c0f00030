"""Formats that read their own files, as records of texts, to batches of typed rows and rejects.

Here: what the platform adds to what such a format reads. Not here: the formats (see `sources.formats`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.base import Batch, Content, in_order, most_names, rejects_of, texts_of
from dataflow_assets.lake.readers.columns import find_missing_columns, match_columns, quote_names
from dataflow_assets.lake.validation.repeated_hour import RepeatedHour
from dataflow_assets.lake.validation.validate import validate
from dataflow_assets.sources import Source
from dataflow_assets.sources.formats import RecordFormat


def check(path: Path, source: Source) -> None:
    """Look whether a file can be of its source.

    Raises:
        FormatError: it cannot.
    """
    _declaration_of(source).check(path, _types_of(source))


def read(path: Path, source: Source, bounds: Window | None) -> Content:
    """Read a file that is not empty.

    Raises:
        FormatError: the file as a whole is not of its format.
    """
    content = Content(iter(()))
    return replace(content, batches=_read_batches(path, source, content, bounds))


def _read_batches(path: Path, source: Source, whole: Content, bounds: Window | None) -> Iterator[Batch]:
    """The batches of a file; the names in `whole` are added to."""
    declared, position, repeated_hour = source.schema.column_names(), 0, RepeatedHour()
    most_repaired = 0
    for records in _declaration_of(source).read(path, _types_of(source)):
        matched = match_columns(records.values.columns, source, path.name)
        _require_columns(matched.names, source, path.name)
        whole.missing_columns.update(find_missing_columns(matched.names, source))
        whole.undeclared_columns.update(most_names(matched.names, declared, whole.undeclared_columns))
        values = records.values.rename(dict(zip(records.values.columns, matched.names, strict=True)))
        found = validate(texts_of(values, source, position), source, bounds, repeated_hour)
        rejects = [*records.rejects, *rejects_of(records.origins, found.rejected, position)]
        names = Counter(column_names=max(matched.repaired - most_repaired, 0))
        yield Batch(found.accepted, in_order(rejects), records.delivered, +(names + Counter(found.repaired)))
        most_repaired = max(most_repaired, matched.repaired)
        position += records.values.height


def _require_columns(names: Sequence[str], source: Source, file: str) -> None:
    """Look whether a file has every column that no row may lack.

    Raises:
        FormatError: it has not.
    """
    columns = source.schema.columns().items()
    if missing := [name for name, column in columns if name not in names and not column.nullable]:
        raise FormatError(
            f"{file} is no file of {source.name}: it lacks the column {', '.join(missing)}. "
            f"It has {quote_names(names)}."
        )


def _types_of(source: Source) -> dict[str, pl.DataType]:
    """The types of the declared columns, and of the other names under which a file may bring them."""
    declared = {name: column.dtype for name, column in source.schema.columns().items()}
    others = {alias: declared[name] for name, aliases in source.aliases.items() for alias in aliases}
    return {**declared, **{alias: dtype for alias, dtype in others.items() if alias not in declared}}


def _declaration_of(source: Source) -> RecordFormat:
    assert isinstance(source.reader, RecordFormat), f"nothing reads {type(source.reader).__name__}"
    return source.reader
