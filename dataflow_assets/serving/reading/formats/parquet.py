"""Rows as a Parquet file, in their declared types: a row group for each batch, compressed by zstd."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow_assets.serving.reading.formats.base import Format, Outbox, as_declared, declared_schema
from dataflow_assets.serving.reading.relations import Column


def _encode(columns: Sequence[Column], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    outbox, schema = Outbox(), declared_schema(columns)
    writer = pq.ParquetWriter(outbox, schema, compression="zstd")
    for batch in batches:
        writer.write_batch(as_declared(batch, columns, schema))
        yield outbox.take()
    writer.close()  # not where a batch failed: it would complete the file
    yield outbox.take()


FORMAT = Format(
    name="parquet",
    media_type="application/vnd.apache.parquet",
    encode=_encode,
    cut="it lacks the footer",
)
