"""Instants of INT96 below the microsecond, as Spark, Hive and Impala may write them.

Here: the nanoseconds that such an instant has beside its microseconds. Not here: these (see `parquet`): as nanoseconds
alone the years from 2262 on go round.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow_assets.lake.readers.base import BATCH_ROWS

BESIDE = "|nanoseconds"  # ends the name of the column beside that of the instants


class Int96:
    """The columns of INT96 of a file, read beside its batches from first to last."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        """Open a file, whose columns are given by the names that they have there and are to have."""
        self._columns = columns
        self._file = pq.ParquetFile(path, coerce_int96_timestamp_unit="ns")
        self._batches = self._file.iter_batches(BATCH_ROWS, columns=list(columns)) if columns else iter(())
        self._ahead: pa.RecordBatch | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add_nanoseconds(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The next rows of the file, whose instants are in microseconds, with what each has beside them: 0 to 999."""
        if not self._columns or frame.is_empty():
            return frame
        rows = pa.Table.from_batches(list(self._take(frame.height)))
        beside = []
        for given, name in self._columns.items():
            nanoseconds = rows[given].cast(pa.int64()).fill_null(0).to_numpy()
            microseconds = frame[name].to_physical().fill_null(0).to_numpy()
            left = nanoseconds - microseconds * np.int64(1000)  # both go round alike
            beside.append(pl.Series(name + BESIDE, left, pl.Int64))
        return frame.with_columns(beside)

    def _take(self, count: int) -> Iterator[pa.RecordBatch]:
        while count:
            batch = next(self._batches) if self._ahead is None else self._ahead
            self._ahead = batch.slice(count) if batch.num_rows > count else None
            batch = batch.slice(0, count)
            count -= batch.num_rows
            yield batch
