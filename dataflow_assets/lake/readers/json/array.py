"""JSON files, each one array of objects, to batches of typed rows and rejects.

Here: where each object begins and ends, by brackets alone, and the two ways of reading them: a quick one for a file in
which all are valid JSON, and a thorough one for the rest of a file in which one is not. Not here: what is in an object
(see `records`).
"""

import json
import mmap
import re
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from pathlib import Path

import polars as pl

from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.base import (
    BATCH_BYTES,
    BATCH_ROWS,
    Batch,
    Content,
    escaped_path,
    no_rows,
    open_parser,
    run_in_batches,
)
from dataflow_assets.lake.readers.beginnings import describe_beginning
from dataflow_assets.lake.readers.json.names import Names
from dataflow_assets.lake.readers.json.nesting import Opened
from dataflow_assets.lake.readers.json.records import (
    ENCODING,
    LONGEST_RECORD,
    RECORDS,
    TOO_LONG,
    columns_at_paths,
    parameters,
    read_again_if_alike,
    read_records,
)
from dataflow_assets.lake.validation.validate import POSITION
from dataflow_assets.sources.base import Source

_BLOCK_BYTES = 2 << 20
_VECTOR_ROWS = 2048  # that DuckDB reads at once
# Objects of so many bytes, and so many bytes of them at once, may be deep: DuckDB takes thirty times as much for such.
_LONG, _MANY_LONG = 64 << 10, 4 << 20
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
# What stands before a bracket, and the bracket; or before the end, or a quote that nothing closes.
_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([{}\[\]]|"|\Z)', re.DOTALL)
_STEPS = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_LONGEST_SHOWN = 1 << 20  # bytes of an object that is too long
_SHOWN_BYTES = 4096  # of a file that is no array
_OWN_BEGINNINGS = ((r"\s*\{", "an object or several: declare lines=True, or records=... for an array inside one"),)
Keys = Sequence[str | None]


def read_array(path: Path, source: Source, bounds: Window | None) -> Content:
    """Read a JSON file that is not empty.

    Raises:
        FormatError: the file is not one whole array of objects.
    """
    names = Names(source)
    return Content(_read_batches(path, names, bounds), names.undeclared, names.missing)


def count_objects(path: Path, keys: Keys = ()) -> int:
    """Count the objects of a JSON array by its brackets alone; the array is under these keys.

    Raises:
        FormatError: the file is not one array of objects, closed and with nothing but commas between them.
    """
    return _measure(path, keys)[0]


def _measure(path: Path, keys: Keys) -> tuple[int, int, int]:
    """How many objects an array has, the most bytes of as many as DuckDB reads at once, and of one."""
    largest = longest = size = count = 0
    for count, (_, content) in enumerate(_find_objects(path, keys), 1):
        size = len(content) + (0 if count % _VECTOR_ROWS == 1 else size)
        largest, longest = max(largest, size), max(longest, len(content))
    return count, largest, longest


def _read_batches(path: Path, names: Names, bounds: Window | None) -> Iterator[Batch]:
    """What the quick way gives, and, where it fails, what the thorough one gives beyond that.

    The first batch tells how many rows there are, the last what was repaired of the names.
    """
    keys = names.reader.records_keys
    count, largest, longest = _measure(path, keys)
    yield Batch(no_rows(names.source), delivered=count)
    known = 0
    try:
        if keys or largest > BATCH_BYTES or (longest > _LONG and largest > _MANY_LONG):
            raise FormatError(f"{path.name} cannot be read the quick way: too deep, or too large.")
        rows = min(BATCH_ROWS, _VECTOR_ROWS * (BATCH_BYTES // max(largest, 1)))
        for batch in _read_quickly(path, names, bounds, rows):
            yield batch
            known += batch.rows.height + len(batch.rejects)
    except FormatError:
        yield from _read_thoroughly(path, names, known, bounds)
    if repaired := names.finish():
        yield Batch(no_rows(names.source), repaired=repaired)


def _read_quickly(path: Path, names: Names, bounds: Window | None, rows: int) -> Iterator[Batch]:
    """All objects, in order.

    Raises:
        FormatError: at some point before the first that is not valid JSON.
    """
    statement = f"""
        SELECT row_number() OVER () - 1 AS {POSITION}, NULL::BIGINT AS line, json::VARCHAR AS raw,
            {columns_at_paths(names)}
        FROM read_json_objects($path, format = 'array', compression = 'uncompressed', hive_partitioning = false)"""  # noqa: S608
    with open_parser(path) as connection, open_parser(path) as beside:
        for text in run_in_batches(connection, statement, {"path": escaped_path(path), **parameters(names)}, rows):
            yield read_again_if_alike(beside, text, names, bounds)


def _read_thoroughly(path: Path, names: Names, known: int, bounds: Window | None) -> Iterator[Batch]:
    """The objects after the first ones, which are known, each by itself."""
    with open_parser(path) as connection:
        for records in _cut_records(path, known, names.reader.records_keys):
            yield read_records(connection, records, names, bounds)


def _cut_records(path: Path, known: int, keys: Keys) -> Iterator[pl.DataFrame]:
    """The objects after the first ones as records, some megabytes at a time."""
    rows: list[tuple[int, int | None, str, str | None]] = []
    size = 0
    for position, (start, content) in islice(enumerate(_find_objects(path, keys)), known, None):
        if len(content) > LONGEST_RECORD:
            line = _line_at(path, start)
            rows.append((position, line, content[:_LONGEST_SHOWN].decode(errors="replace"), TOO_LONG))
            continue
        raw = content.decode(errors="replace")
        rows.append((position, None, raw, None if raw.encode() == content else ENCODING))
        size += len(content)
        if size > _BLOCK_BYTES or len(rows) == BATCH_ROWS:
            yield pl.DataFrame(rows, RECORDS, orient="row")
            rows, size = [], 0
    yield pl.DataFrame(rows, RECORDS, orient="row")


def _line_at(path: Path, place: int) -> int:
    """The number of the line on which a place is."""
    line = 1
    with path.open("rb") as file:
        while block := file.read(min(_BLOCK_BYTES, place)):
            line += block.count(b"\n")
            place -= len(block)
    return line


def _find_objects(path: Path, keys: Keys) -> Iterator[tuple[int, bytes]]:
    """Where each object of the array under some keys begins, and its text.

    Raises:
        FormatError: the file is not one array of objects, closed and with nothing but commas between them; or, with
            keys, not one object with one such array.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        begin, around = len(_BOM) if content[: len(_BOM)] == _BOM else 0, Opened(keys)
        start = around.find_array(content, begin) if keys else begin
        end, is_closed = (begin, False) if start is None else (yield from _objects_from(content, start))
        if is_closed and around.ends_after(content, end):
            return
        problem = _describe_break(path, content, end) if end > begin else _describe_beginning(content, keys)
    where = f" at ${''.join(f'[{json.dumps(key)}]' for key in keys)} of an object" if keys else ""
    raise FormatError(f"{path.name} is not a JSON file that holds one whole array of objects{where}. {problem}")


def _describe_beginning(content: mmap.mmap, keys: Keys) -> str:
    return describe_beginning(content[:_SHOWN_BYTES], own=() if keys else _OWN_BEGINNINGS)


def _describe_break(path: Path, content: mmap.mmap, place: int) -> str:
    """A sentence that says up to where a file is an array of objects."""
    rest = content[place : place + _SHOWN_BYTES].strip(_BLANK)
    if rest in (b"", b","):
        return f"It ends on line {_line_at(path, place)}, before the array does: it may be cut short."
    return f"It is none from line {_line_at(path, place)} on, where it says {rest[:80].decode(errors='replace')!r}."


def cut_objects(content: bytes) -> list[bytes]:
    """The objects that stand one behind the other in a text; where anything else does, the text."""
    found, depth, start = list[bytes](), 0, 0
    for token in _BRACKET.finditer(content):
        bracket, place = token[1], token.start(1)
        if depth == 0 and (content[start:place].strip(_BLANK) or bracket != b"{"):
            return [content] if bracket or content[start:].strip(_BLANK) else found
        if bracket not in _STEPS:
            return [content]
        start = start if depth else place
        depth += _STEPS[bracket]
        if depth == 0:
            found.append(content[start : place + 1])
            start = place + 1
    return found


def _objects_from(content: mmap.mmap, end: int) -> Generator[tuple[int, bytes], None, tuple[int, bool]]:
    """Where each object of the array that begins at a place begins, and its text.

    At last up to where the file is such an array, and whether it is closed there.
    """
    depth = start = objects = freed = 0
    for found in _BRACKET.finditer(content, end):
        bracket, place = found[1], found.start(1)
        if depth > 1 and bracket in _STEPS:
            depth += _STEPS[bracket]
            if depth == 1:
                end = place + 1
                yield start, content[start:end]
                freed = _free(content, freed, end)
            continue
        before = content[end:place].strip(_BLANK)
        if (depth, bracket, before) == (0, b"[", b""):
            depth, end = 1, place + 1
        elif (depth, bracket, before) == (1, b"{", b"," if objects else b""):
            depth, start, objects = 2, place, objects + 1
        elif (depth, bracket, before) == (1, b"]", b""):
            return place + 1, True
        else:
            break
    return end, False


def _free(content: mmap.mmap, freed: int, end: int) -> int:
    """Let the system forget what was read of a file, some megabytes at a time; up to where it did."""
    if end - freed < _BLOCK_BYTES:
        return freed
    place = end - end % mmap.PAGESIZE
    content.madvise(mmap.MADV_DONTNEED, freed, place - freed)
    return place
