"""Rows as CSV with a header: commas, line feeds, times in ISO 8601, nothing for null and `""` for an empty text."""

import io
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import polars as pl
import pyarrow as pa

from dataflow_assets.serving.reading.formats.base import Format, frame
from dataflow_assets.serving.reading.relations import Column


def _encode(columns: Sequence[Column], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    yield pl.DataFrame({column.name: [] for column in columns}).write_csv().encode()
    times = [
        pl.col(column.name).dt.to_string("iso:strict") for column in columns if isinstance(column.dtype, pl.Datetime)
    ]
    yield from map(partial(_lines, times), batches)


def _lines(times: list[pl.Expr], batch: pa.RecordBatch) -> bytes:
    buffer = io.BytesIO()
    frame(batch).with_columns(times).write_csv(buffer, include_header=False)
    return buffer.getvalue()


FORMAT = Format(name="csv", media_type="text/csv; charset=utf-8", encode=_encode, cut=None)
