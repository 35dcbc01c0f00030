"""Values as a COPY takes them, and values of the database in the types that a schema declares.

Here: both ways for a whole frame; lists and structs are `jsonb` in the database. Not here: the tables' types (see
`tables`), and what is copied or read.
"""

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from dataflow_assets.core.json_columns import decoded, encoded
from dataflow_assets.postgres.row_ids import uuids

BATCH_ROWS = 50_000  # few enough that the server copies one batch while the next is made


def in_batches(frame: pl.DataFrame) -> Iterator[pa.Table]:
    """The frame as Arrow, some rows at a time."""
    return map(to_arrow, frame.iter_slices(BATCH_ROWS))


def to_arrow(frame: pl.DataFrame) -> pa.Table:
    """The frame as Arrow: lists and structs as JSON, and an id (UInt128) as PostgreSQL takes a `uuid`."""
    return pa.table({name: _column(frame[name].rechunk()) for name in frame.columns})


def _column(values: pl.Series) -> pa.Array:
    if values.dtype.is_nested():
        # As texts that Arrow knows to be JSON: PostgreSQL takes no others for `jsonb`.
        texts = encoded(values).to_arrow()
        return pa.ExtensionArray.from_storage(pa.json_(texts.type), texts)
    return uuids(values) if values.dtype == pl.UInt128 else values.to_arrow()


def as_declared(rows: pl.DataFrame, types: pl.Schema) -> pl.DataFrame:
    """Rows as the database gives them, in declared types: of numbers of any precision, and of JSON, it gives texts."""
    nested = {name: dtype for name, dtype in types.items() if dtype.is_nested()}
    decoding = [decoded(rows[name], dtype) for name, dtype in nested.items()]
    return rows.with_columns(decoding).cast({name: dtype for name, dtype in types.items() if name not in nested})
