"""Rows as JSON, one object a line.

Times are in ISO 8601. Decimal numbers have all of their digits, and so has JSON that the database holds: its text is
put into the line as it is. A float that JSON does not have (NaN, infinity) is null.
"""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby

import polars as pl
import pyarrow as pa

from dataflow_assets.serving.reading.formats.base import Format, frame
from dataflow_assets.serving.reading.relations import Column


def encode_lines(columns: Sequence[Column], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The rows as lines; nothing for none."""
    return map(partial(_lines, _line(columns)), batches)


def _lines(line: pl.Expr | None, batch: pa.RecordBatch) -> bytes:
    rows = frame(batch)
    if line is None:
        buffer = io.BytesIO()
        rows.write_ndjson(buffer)
        return buffer.getvalue()
    [text] = rows.select(line.str.join("\n")).to_series()
    return f"{text}\n".encode() if rows.height else b""


def _line(columns: Sequence[Column]) -> pl.Expr | None:
    """A row as a text, where some of its values are texts that stand in JSON as they are; None where none are."""
    if not any(_is_raw(column) for column in columns):
        return None
    parts: list[pl.Expr] = []
    for is_raw, group in groupby(columns, _is_raw):
        if is_raw:
            parts += [_raw(column) for column in group]
        else:
            together = pl.struct([column.name for column in group]).struct.json_encode()
            parts.append(together.str.strip_prefix("{").str.strip_suffix("}"))
    return pl.concat_str(pl.lit("{"), pl.concat_str(parts, separator=","), pl.lit("}"))


def _raw(column: Column) -> pl.Expr:
    name = json.dumps(column.name, ensure_ascii=False)
    return pl.concat_str(pl.lit(f"{name}:"), pl.col(column.name).fill_null("null"))


def _is_raw(column: Column) -> bool:
    return column.is_json or column.is_decimal


FORMAT = Format(name="ndjson", media_type="application/x-ndjson", encode=encode_lines, cut="its last line is not whole")
