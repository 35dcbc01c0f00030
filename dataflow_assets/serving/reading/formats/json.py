"""Rows as one JSON array of objects, a line each; values are as in NDJSON."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from dataflow_assets.serving.reading.formats.base import Format
from dataflow_assets.serving.reading.formats.ndjson import encode_lines
from dataflow_assets.serving.reading.relations import Column


def _encode(columns: Sequence[Column], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    before = b"["
    for lines in filter(None, encode_lines(columns, batches)):
        # A text within JSON holds no line feed, so that each one is the end of a row.
        yield before + lines.rstrip(b"\n").replace(b"\n", b",\n")
        before = b",\n"
    yield b"[]" if before == b"[" else b"]"


FORMAT = Format(name="json", media_type="application/json", encode=_encode, cut="the array is not closed")
