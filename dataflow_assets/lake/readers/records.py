"""Formats that read their own files, as records of texts, to batches of typed rows and rejects.

Here: what the platform adds to what such a format reads. Not here: the formats (see `sources.formats`).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.lake.readers.base import Batch, Content, in_order, most_names, rejects_of, texts_of
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
    declared, position = source.schema.column_names(), 0
    for records in _declaration_of(source).read(path, _types_of(source)):
        fields = records.values.columns
        whole.missing_columns.update(set(declared).difference(fields))
        whole.undeclared_columns.update(most_names(fields, declared, whole.undeclared_columns))
        found = validate(texts_of(records.values, source, position), source, bounds)
        rejects = [*records.rejects, *rejects_of(records.origins, found.rejected, position)]
        yield Batch(found.accepted, in_order(rejects), records.delivered, found.repaired)
        position += records.values.height


def _types_of(source: Source) -> dict[str, pl.DataType]:
    return {name: column.dtype for name, column in source.schema.columns().items()}


def _declaration_of(source: Source) -> RecordFormat:
    assert isinstance(source.reader, RecordFormat), f"nothing reads {type(source.reader).__name__}"
    return source.reader
