"""Files of JSON lines, each line one object, to batches of typed rows and rejects.

Here: telling whether a file is one, and its lines as text. Not here: what is in an object (see `records`).
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import polars as pl

from dataflow_assets.core.iteration import prefetched
from dataflow_assets.core.time_windows import Window
from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.base import LONGEST_KEPT, Batch, Content, cut_lines, no_rows, open_parser, split_lines
from dataflow_assets.lake.readers.beginnings import describe_beginning
from dataflow_assets.lake.readers.json.array import cut_objects
from dataflow_assets.lake.readers.json.names import Names
from dataflow_assets.lake.readers.json.records import ENCODING, FAULT, LONGEST_RECORD, TOO_LONG, read_records
from dataflow_assets.lake.validation.validate import POSITION
from dataflow_assets.sources.base import Source

_BLOCK_BYTES = 2 << 20
_BEGINNING_BYTES = 1 << 20
_MARK = "\ufeff"
_BOM = _MARK.encode()
_ARRAY = re.compile(rb"\s*\[")
_RAW = pl.col("raw")
_SEVERAL = r"\}[ \t]*\{"  # objects on one line, unless it is in a text
_OWN_BEGINNINGS = (
    (r"\s*\[", "one array: declare it without lines=True"),
    (r"\s*\{\s*[\r\n]", "an object over several lines, which is not read"),
)
_OBJECT = re.compile(rb"(?:^|[\r\n])[ \t]*\{[ \t]*[\"}]")


def read_lines(path: Path, source: Source, bounds: Window | None) -> Content:
    """Read a file of JSON lines.

    Raises:
        FormatError: no line at its beginning is like an object.
    """
    check_lines(path)
    names = Names(source)
    return Content(_read_batches(path, names, bounds), names.undeclared, names.missing)


def check_lines(path: Path) -> None:
    """Look whether a file begins like JSON lines: its first lines may be damaged, but not all of them.

    Raises:
        FormatError: it does not.
    """
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES).removeprefix(_BOM)
    if beginning.strip() and (_ARRAY.match(beginning) or not _OBJECT.search(beginning)):
        raise FormatError(
            f"{path.name} is not a file of JSON lines: none of its first lines is an object. "
            f"{describe_beginning(beginning, own=_OWN_BEGINNINGS)}"
        )


def _read_batches(path: Path, names: Names, bounds: Window | None) -> Iterator[Batch]:
    with open_parser(path) as connection:
        for records, repaired in prefetched(_cut_records(path)):
            batch = read_records(connection, records, names, bounds)
            yield replace(batch, delivered=records.height, repaired=+(repaired + Counter(batch.repaired)))
    if of_names := names.finish():
        yield Batch(no_rows(names.source), repaired=of_names)


def _cut_records(path: Path) -> Iterator[tuple[pl.DataFrame, Counter[str]]]:
    """The lines that are not blank as records, some megabytes at a time, and what was repaired of them."""
    line, position = 1, 0
    for content in chain.from_iterable(map(cut_lines, _read_blocks(path))):
        lines, repaired = _split_lines(content, line)
        next_line = line + lines.height
        lines, repaired["objects_on_a_line"] = _cut_objects(lines)
        is_too_long = _RAW.str.len_bytes() > LONGEST_RECORD
        records = lines.filter(_RAW.str.strip_chars(" \t") != "").select(
            pl.int_range(position, position + pl.len()).alias(POSITION),
            *("line", "raw"),
            pl.when(is_too_long).then(pl.lit(TOO_LONG)).otherwise(FAULT).alias(FAULT),
        )
        line, position = next_line, position + records.height
        yield records, repaired


def _cut_objects(lines: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The lines, with a row for each object of those that hold several, and how many these are."""
    several = lines.filter(_RAW.str.contains(_SEVERAL) & pl.col(FAULT).is_null())
    cut = {line: cut_objects(raw.encode()) for line, raw in several.select("line", "raw").iter_rows()}
    objects = [(line, one.decode(), None) for line, found in cut.items() if len(found) > 1 for one in found]
    if not objects:
        return lines, 0
    others = pl.DataFrame(objects, lines.schema, orient="row")
    whole = lines.filter(~pl.col("line").is_in(others["line"].implode()))
    return pl.concat([whole, others]).sort("line", maintain_order=True), others["line"].n_unique()


def _split_lines(content: bytes, first_line: int) -> tuple[pl.DataFrame, Counter[str]]:
    """The text of each line with its number, the code of what is wrong with it as a text, and what was repaired."""
    lines, repaired = split_lines(content), Counter[str]()
    if lines is None:
        texts = [(line.decode(errors="replace"), line) for line in content.removesuffix(b"\n").split(b"\n")]
        found = [(text, None if text.encode() == line else ENCODING) for text, line in texts]
        lines = pl.DataFrame(found, {"raw": pl.String, FAULT: pl.String}, orient="row")
    else:
        lines = lines.with_columns(pl.lit(None, pl.String).alias(FAULT))
    if _BOM in content:
        repaired["byte_order_mark"] = lines.select(_RAW.str.starts_with(_MARK).sum()).item()
        lines = lines.with_columns(_RAW.str.strip_prefix(_MARK))
    lines = lines.with_row_index("line", first_line).select(pl.col("line").cast(pl.Int64), "raw", FAULT)
    return lines, repaired


def _read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file in blocks of whole lines, each of which ends in LF, whether it did in CRLF, CR or LF.

    Raises:
        FormatError: a line is so long that the file can hardly be one of lines.
    """
    with path.open("rb") as file:
        rest, line = b"", 1
        while chunk := file.read(_BLOCK_BYTES):
            end = max(rest.rfind(b"\n"), rest.rfind(b"\r", 0, -1)) + 1  # a CR at the end may be half of a CRLF
            if end:
                block = _with_lf(rest[:end])
                line += block.count(b"\n")
                yield block
            elif len(rest) > LONGEST_KEPT:
                raise FormatError(f"{path.name} is not a file of JSON lines: the one at line {line} has no end.")
            rest = rest[end:] + chunk
        yield _with_lf(rest)


def _with_lf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content
