"""CSV files to batches of typed rows and rejects.

Here: what a file's first record must say, which way each part of the file is read, and what its values give. Not here:
the quick way, for parts in which every line is a whole record (see `vectorized`), and the thorough one, for all others
(see `records`).
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import polars as pl

from dataflow_assets.core.iteration import prefetched
from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.base import (
    Batch,
    Content,
    cut_lines,
    in_order,
    most_names,
    no_rows,
    rejects_of,
    texts_of,
)
from dataflow_assets.lake.readers.beginnings import describe_beginning
from dataflow_assets.lake.readers.columns import Matched, find_missing_columns, match_columns
from dataflow_assets.lake.readers.csv.model import LONGEST_RECORD, Form, Part
from dataflow_assets.lake.readers.csv.records import parse_records, read_first_record
from dataflow_assets.lake.readers.csv.surroundings import TrailerCheck, find_header
from dataflow_assets.lake.readers.csv.values import as_declared
from dataflow_assets.lake.readers.csv.vectorized import NotPlainError, parse_lines
from dataflow_assets.lake.validation.repeated_hour import RepeatedHour
from dataflow_assets.lake.validation.timestamps import REPAIRED
from dataflow_assets.lake.validation.validate import validate
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Csv

_LARGEST_PART, _SMALLEST_PART = 8 << 20, 512 << 10  # bytes
_BLANKS = " \t"
_BEGINNING_BYTES = 4096


def check(path: Path, source: Source) -> None:
    """Look at the header of a file that is not empty.

    Raises:
        FormatError: it is not one of the source.
    """
    read_header(path, source, declaration_of(source))


def declaration_of(source: Source) -> Csv:
    """How the files of a source of CSV are written."""
    assert isinstance(source.reader, Csv)
    return source.reader


def read_header(path: Path, source: Source, reader: Csv) -> Matched:
    """The columns of a CSV file, as its first line names them, or its declaration where it has no header.

    Raises:
        FormatError: the line is not text, lacks a column that is not nullable, or names one twice.
    """
    if not reader.header:
        return Matched(source.schema.column_names(), 0)
    try:
        with path.open("rb") as file:
            file.seek(find_header(path, reader).start)
            text = io.TextIOWrapper(file, "utf-8", "replace", newline="")
            how: Literal[0, 3] = csv.QUOTE_MINIMAL if reader.quote else csv.QUOTE_NONE
            rows = csv.reader(
                text,
                delimiter=reader.delimiter,
                quotechar=reader.quote,
                escapechar=reader.escape or None,
                quoting=how,
                strict=True,
            )
            names = next(rows, [])
    except csv.Error as error:
        raise FormatError(f"{path.name} is not a CSV file: {error}. {_beginning(path, reader)}") from None
    if reader.strip:
        names = [name.strip(_BLANKS) for name in names]
    matched = match_columns(names, source, path.name)
    columns = source.schema.columns().items()
    missing = [name for name, column in columns if name not in matched.names and not column.nullable]
    if missing:
        raise FormatError(
            f"{path.name} is not a CSV file of {source.name}: its first line lacks the column {', '.join(missing)}. "
            f"{_beginning(path, reader)}"
        )
    return matched


def _beginning(path: Path, reader: Csv) -> str:
    with path.open("rb") as file:
        return describe_beginning(file.read(_BEGINNING_BYTES), reader.delimiter)


def read(path: Path, source: Source, bounds: Window | None) -> Content:
    """Read a CSV file that is not empty.

    Raises:
        FormatError: the file as a whole is not what its source declares.
    """
    reader = declaration_of(source)
    matched = read_header(path, source, reader)
    declared = source.schema.column_names()
    return Content(
        _read_batches(path, source, reader, matched, bounds),
        undeclared_columns=set(most_names(matched.names, declared, ())),
        missing_columns=find_missing_columns(matched.names, source),
    )


def _read_batches(path: Path, source: Source, reader: Csv, matched: Matched, bounds: Window | None) -> Iterator[Batch]:
    """The rows of a file, some lines at a time, each time with the rejects and the count."""
    begin = find_header(path, reader)
    start, line, form = begin.start, begin.line, Form(reader, matched.names)
    repaired = Counter(
        byte_order_mark=begin.has_mark, separator_line=begin.has_separator, column_names=matched.repaired
    )
    if reader.header:
        header = read_first_record(path, start, line, reader)
        form, repaired = Form(reader, matched.names, header.raw), repaired + Counter(header.repaired)
        start, line = start + len(header.text + header.end), line + header.lines
    yield Batch(no_rows(source), repaired=+repaired)
    position, trailer, repeated_hour = 0, TrailerCheck(path.name, reader), RepeatedHour()
    for part in prefetched(_read_parts(path, start, line, form)):
        found = validate(_texts(part, source, form, position), source, bounds, repeated_hour)
        rejects = part.rejects + rejects_of(part.records, found.rejected, position)
        repaired = Counter(part.repaired) + Counter(found.repaired)
        yield Batch(found.accepted, in_order(rejects), part.delivered, repaired)
        position += part.records.height
        trailer.add(part)
    trailer.require()


def _read_parts(path: Path, start: int, line: int, form: Form) -> Iterator[Part]:
    """A file from a place on, in parts, each read in the quickest way that it allows.

    Where a large part cannot be read quickly, smaller ones are tried: few lines may be to blame.
    """
    size = _LARGEST_PART
    with path.open("rb") as file:
        while content := _read_lines(file, start, size):
            try:
                part = parse_lines(content, line, form)
                size = min(4 * size, _LARGEST_PART)
            except NotPlainError:
                if size > _SMALLEST_PART:
                    size = _SMALLEST_PART
                    continue
                part = parse_records(path, start, len(content), line, form)
            yield part
            start, line = start + part.size, line + part.lines


def _read_lines(file: BinaryIO, start: int, size: int) -> bytes:
    """The bytes of some lines; the last one is not whole where it is too long, which both ways of reading notice."""
    file.seek(start + size)
    file.readline(LONGEST_RECORD + len("\r\n") + 1)
    end = file.tell()
    file.seek(start)
    return next(cut_lines(file.read(end - start)))


def _texts(part: Part, source: Source, form: Form, position: int) -> pl.DataFrame:
    """The values of a part as `validate` wants them, with a mark at those that go over lines."""
    texts = texts_of(part.values, source, position)
    if part.over_lines is not None:
        texts = texts.with_columns(part.over_lines.alias(f"{REPAIRED}line_in_quotes"))
    texts = _strip(texts, source.schema.column_names()) if form.reader.strip else texts
    return as_declared(texts, source, form.reader)


def _strip(texts: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """The values without blanks around them; what is empty then is null."""
    stripped = pl.col(columns).str.strip_chars(_BLANKS)
    return texts.with_columns(
        pl.when(stripped != "").then(stripped),
        pl.sum_horizontal(stripped != pl.col(columns)).alias(f"{REPAIRED}spaces"),
    )
