"""What a format is, and what several of them need.

Here: that, and rows in their declared types. Not here: any format.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from dataflow_assets.core.json_columns import decoded
from dataflow_assets.serving.reading.relations import Column

Encode = Callable[[Sequence[Column], Iterable[pa.RecordBatch]], Iterator[bytes]]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A way of writing rows.

    `encode` makes bytes of batches (see `reading.rows`), some for each, and never knows whether more will come. `cut`
    says how a reader notices that the bytes end too early; None: only by the connection.
    """

    name: str
    media_type: str
    encode: Encode
    cut: str | None


class Outbox(io.RawIOBase):
    """A file that holds what is written to it until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:  # noqa: D102
        return True

    def write(self, data: object) -> int:  # noqa: D102
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def tell(self) -> int:  # noqa: D102
        return self._written

    def take(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def frame(batch: pa.RecordBatch) -> pl.DataFrame:
    """A batch as a frame."""
    found = pl.from_arrow(batch)
    assert isinstance(found, pl.DataFrame)
    return found


def declared_schema(columns: Sequence[Column]) -> pa.Schema:
    """The columns in their declared types; JSON of no declared shape is text."""
    return pa.schema([pa.field(column.name, _arrow_type(column), column.is_nullable) for column in columns])


def as_declared(batch: pa.RecordBatch, columns: Sequence[Column], schema: pa.Schema) -> pa.RecordBatch:
    """A batch in the types of `declared_schema`."""
    pairs = zip(columns, batch.columns, schema, strict=True)
    return pa.RecordBatch.from_arrays(
        [_typed(column, values, field.type) for column, values, field in pairs], schema=schema
    )


def _typed(column: Column, values: pa.Array, wanted: pa.DataType) -> pa.Array:
    if column.dtype is not None and column.dtype.is_nested():
        texts = pl.Series(column.name, values)
        return decoded(texts, column.dtype).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(wanted)
    return values if values.type == wanted else values.cast(wanted)


def _arrow_type(column: Column) -> pa.DataType:
    dtype = column.dtype
    if dtype is None or isinstance(dtype, pl.String | pl.Enum | pl.Categorical):
        return pa.string()
    return pl.Series(dtype=dtype).to_arrow(compat_level=pl.CompatLevel.oldest()).type
