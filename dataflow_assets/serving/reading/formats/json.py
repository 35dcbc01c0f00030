"""Rows as one JSON array of objects, a line each; values are as in NDJSON."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from dataflow_assets.serving.reading.formats.base import Format
from dataflow_assets.serving.reading.formats.ndjson import encode_lines
from dataflow_assets.serving.reading.relations import Column


def _encode(columns: Sequence[Column], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    lines = filter(None, encode_lines(columns, batches))
    yield b"[" + _separated(next(lines, b""))
    yield from map(_following, lines)
    yield b"]"


def _separated(lines: bytes) -> bytes:
    # A text within JSON holds no line feed, so that each one is the end of a row.
    return lines[:-1].replace(b"\n", b",\n")


def _following(lines: bytes) -> bytes:
    return b",\n" + _separated(lines)


FORMAT = Format(name="json", media_type="application/json", encode=_encode, cut="the array is not closed")
