"""The four kinds of frame that an asset may return and take: how each is streamed, split and made.

Here: from a frame to a stream of batches, from one frame to the rows of each slice, and from a lazy frame to the kind
that an annotation asks for. Not here: which rows a slice is (see `slices`), and any storage.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from dataflow_assets.errors import SchemaMismatchError

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame | pa.Table | pa.RecordBatchReader
KINDS: tuple[type, ...] = (pl.DataFrame, pl.LazyFrame, pa.Table, pa.RecordBatchReader)
BATCH_ROWS = 50_000
_NUMBER = "number of the slice"


def to_polars(frame: object) -> pl.DataFrame | pl.LazyFrame:
    """Any of the four kinds as a frame of Polars, lazy where it is a stream; a RecordBatchReader can be collected once.

    Raises:
        TypeError: it is of no such kind.
    """
    match frame:
        case pl.DataFrame() | pl.LazyFrame():
            return frame
        case pa.Table():
            return _from_arrow(frame)
        case pa.RecordBatchReader():
            return _scan_reader(frame)
    raise TypeError(f"cannot store a value of type {type(frame).__name__}; return one of {_names()}")


def to_lazy(frame: object) -> pl.LazyFrame:
    """Any of the four kinds as a lazy frame (see `to_polars`)."""
    return to_polars(frame).lazy()


def _from_arrow(table: pa.Table) -> pl.DataFrame:
    return cast("pl.DataFrame", pl.from_arrow(table))


def _scan_reader(reader: pa.RecordBatchReader) -> pl.LazyFrame:
    schema = _from_arrow(reader.schema.empty_table()).schema

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        for batch in reader:
            rows = _from_arrow(pa.Table.from_batches([batch]))
            rows = rows if limit is None else rows.head(limit)
            limit = None if limit is None else limit - rows.height
            rows = rows if predicate is None else rows.filter(predicate)
            yield rows if columns is None else rows.select(columns)
            if limit == 0:
                return

    return register_io_source(batches, schema=schema)


def iter_batches(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The rows of a lazy frame in their order, some at a time: memory follows the batch."""
    return iter(rows.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True))


def give(rows: pl.LazyFrame, kind: Any) -> Frame:
    """The rows as the kind of frame that an input is annotated with; a DataFrame where it has no annotation.

    Raises:
        TypeError: the annotation is of no such kind.
    """
    if kind is pl.LazyFrame:
        return rows
    if kind is pl.DataFrame or kind is Any:
        return rows.collect(engine="streaming")
    if kind is pa.Table:
        return rows.collect(engine="streaming").to_arrow()
    if kind is pa.RecordBatchReader:
        schema = pl.DataFrame(schema=rows.collect_schema()).to_arrow().schema
        batches = (batch for frame in iter_batches(rows) for batch in frame.to_arrow().cast(schema).to_batches())
        return pa.RecordBatchReader.from_batches(schema, batches)
    raise TypeError(f"cannot load a value of type {getattr(kind, '__name__', kind)}; annotate the input as {_names()}")


def _names() -> str:
    return "polars.DataFrame, polars.LazyFrame, pyarrow.Table or pyarrow.RecordBatchReader"


@contextmanager
def split(frame: object, number: pl.Expr, count: int) -> Iterator[Sequence[pl.LazyFrame]]:
    """The rows of each of several slices, from one pass over the frame.

    A frame in memory is filtered. A stream is written to temporary files on the way, one folder for each slice, as
    it can be read once: memory follows the batch.

    Args:
        frame: any of the four kinds.
        number: of each row: the number of its slice (UInt32), or null where it belongs to none.
        count: how many slices there are.

    Raises:
        SchemaMismatchError: rows belong to no slice; nothing is given then.
    """
    numbered = to_lazy(frame).with_columns(number.alias(_NUMBER))
    if isinstance(frame, pl.DataFrame | pa.Table):
        rows = numbered.collect()
        _refuse_strays(int(rows[_NUMBER].null_count()))
        yield [rows.lazy().filter(pl.col(_NUMBER) == index).drop(_NUMBER) for index in range(count)]
        return
    with tempfile.TemporaryDirectory(prefix="slices-") as folder:
        schema = numbered.collect_schema()
        numbered.sink_ipc(_by_number(Path(folder)), compression="lz4", mkdir=True)
        _refuse_strays(_height(Path(folder) / "none"))
        empty = pl.LazyFrame(schema=schema)
        parts = (Path(folder) / str(index) for index in range(count))
        yield [(pl.scan_ipc(part) if part.exists() else empty).drop(_NUMBER) for part in parts]


def _by_number(folder: Path) -> pl.PartitionBy:
    def path(target: Any) -> str:
        number = target.partition_keys.item()
        return f"{'none' if number is None else number}/{target.index_in_partition:08}.arrow"

    return pl.PartitionBy(folder, key=_NUMBER, file_path_provider=path, include_key=True)


def _height(folder: Path) -> int:
    return int(pl.scan_ipc(folder).select(pl.len()).collect().item()) if folder.exists() else 0


def _refuse_strays(rows: int) -> None:
    if rows:
        raise SchemaMismatchError(
            f"{rows:,} rows belong to none of the partitions of this run: their partition column is null or names "
            "another partition. Nothing was written: return the rows of the run's partitions alone."
        )
