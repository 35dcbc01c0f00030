"""Rows as a stream of Arrow's IPC format, in their declared types."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from dataflow_assets.serving.reading.formats.base import Format, Outbox, as_declared, declared_schema
from dataflow_assets.serving.reading.relations import Column


def _encode(columns: Sequence[Column], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    outbox, schema = Outbox(), declared_schema(columns)
    with pa.ipc.new_stream(outbox, schema) as writer:
        for batch in batches:
            writer.write_batch(as_declared(batch, columns, schema))
            yield outbox.take()
    yield outbox.take()


FORMAT = Format(
    name="arrow",
    media_type="application/vnd.apache.arrow.stream",
    encode=_encode,
    cut="its last message is not whole",
)
