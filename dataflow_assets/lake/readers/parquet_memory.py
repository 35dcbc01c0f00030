"""How much of a Parquet file is unpacked at once: a text that is stored once may stand in every row.

Here: batches of a file, each of which takes a bounded number of bytes. Not here: what is in them (see `parquet`).
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow_assets.errors import FormatError
from dataflow_assets.lake.readers.base import BATCH_BYTES, BATCH_ROWS

_MOST_TIMES = 200  # a file's own size that it may unpack to, as an archive may
_HARMLESS_BYTES = 64 << 20  # that it may unpack to in any case
_WIDTH = 8  # bytes of a value at least


def open_bounded(path: Path) -> pq.ParquetFile:
    """A Parquet file that gives its texts as they are stored, each once, and instants of INT96 in microseconds.

    Raises:
        FormatError: it says of itself that it unpacks to too much.
    """
    with pq.ParquetFile(path) as file:
        names = [file.schema.column(number).path for number in range(len(file.schema.names)) if _is_text(file, number)]
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > _most_bytes(path):
        raise _too_much(path)
    return pq.ParquetFile(path, read_dictionary=names, coerce_int96_timestamp_unit="us")


def bounded_batches(file: pq.ParquetFile, path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file that `open_bounded` gave, in order, in batches of its plain types.

    Raises:
        FormatError: one row is larger than a batch may be, or all of them are larger than the file's size warrants.
    """
    left = max(_most_bytes(path), file.metadata.num_rows * len(file.schema.names) * _WIDTH)
    for number in range(file.metadata.num_row_groups):
        for batch in file.iter_batches(_rows_at_once(file.metadata.row_group(number), path), row_groups=[number]):
            for part, size in _parts(batch, path):
                left -= size
                if left < 0:
                    raise _too_much(path)
                plain = [column.cast(_plain_type(column.type)) for column in part.columns]
                yield pa.RecordBatch.from_arrays(plain, names=part.schema.names)


def _plain_type(found: pa.DataType) -> pa.DataType:
    """A type with each text as often as it stands there."""
    if pa.types.is_dictionary(found):
        return found.value_type
    if pa.types.is_struct(found):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in found])
    if pa.types.is_list(found):
        return pa.list_(found.value_field.with_type(_plain_type(found.value_type)))
    if pa.types.is_large_list(found):
        return pa.large_list(found.value_field.with_type(_plain_type(found.value_type)))
    return found


def _is_text(file: pq.ParquetFile, number: int) -> bool:
    """Whether a column holds texts; those in a map, which no source declares, stay as they are."""
    column = file.schema.column(number)
    return column.physical_type == "BYTE_ARRAY" and ".key_value." not in column.path


def _rows_at_once(group: pq.RowGroupMetaData, path: Path) -> int:
    """How many rows of a group are unpacked at once, by what the file says of it."""
    chunks = [group.column(number) for number in range(group.num_columns)]
    size = sum(max(chunk.total_uncompressed_size, chunk.num_values * _WIDTH) for chunk in chunks)
    rows = BATCH_BYTES * group.num_rows // max(size, 1)
    if group.num_rows and not rows:
        raise _too_large(path)
    return min(rows, BATCH_ROWS) or 1


def _parts(batch: pa.RecordBatch, path: Path) -> Iterator[tuple[pa.RecordBatch, int]]:
    """A batch in halves of halves, until none is larger than a batch may be; and what each takes."""
    size = sum(map(_text_bytes, batch.columns))
    if size <= BATCH_BYTES:
        yield batch, size
    elif batch.num_rows == 1:
        raise _too_large(path)
    else:
        half = batch.num_rows // 2
        yield from _parts(batch.slice(0, half), path)
        yield from _parts(batch.slice(half), path)


def _text_bytes(values: pa.Array) -> int:
    """The bytes that the texts of some values take where each is stored as often as it stands there."""
    import pyarrow.compute as pc  # noqa: PLC0415, slow, and not needed for other formats

    if pa.types.is_dictionary(values.type):
        lengths = pc.binary_length(values.dictionary).cast(pa.int64())
        return int(pc.sum(lengths.take(values.indices)).as_py() or 0)
    if pa.types.is_struct(values.type):
        return sum(map(_text_bytes, values.flatten()))
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return _text_bytes(pc.list_flatten(values))
    return 0


def _most_bytes(path: Path) -> int:
    return max(_HARMLESS_BYTES, path.stat().st_size * _MOST_TIMES)


def _too_much(path: Path) -> FormatError:
    return FormatError(f"{path.name} is refused: it unpacks to more than {_MOST_TIMES} times its size.")


def _too_large(path: Path) -> FormatError:
    return FormatError(f"{path.name} is refused: one of its rows unpacks to more than {BATCH_BYTES >> 20} MiB.")
