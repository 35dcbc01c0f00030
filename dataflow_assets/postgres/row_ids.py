"""The `id` of a row: one 128-bit hash of the key that its source declares.

Here: how the key's parts become one number, and that number a PostgreSQL `uuid`, beside the columns in their declared
types. Not here: which rows share a key, and what then, and the other values (see `values`).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
import polars_hash as plh
import pyarrow as pa

from dataflow_assets.sources.base import Source

ID = "id"


def row_id(schema: pl.Schema, key: Sequence[str]) -> pl.Expr:
    """XXH3-128 (UInt128) over the key's parts, put together so that no two keys give the same text.

    A text is preceded by its length, and a number, which holds no colon, ends at one; instants count as microseconds.
    Parts are never null and never floats (a declaration refuses both).
    """
    parts = (part for name in key for part in _encoded(name, schema[name]))
    hashed: pl.Expr = plh.concat_str(*parts).nchash.xxh3_128()
    return hashed.alias(ID)


def _encoded(name: str, dtype: pl.DataType) -> list[pl.Expr]:
    if isinstance(dtype, pl.Datetime):
        return [pl.col(name).dt.epoch("us").cast(pl.String), pl.lit(":")]
    text = pl.col(name).cast(pl.String)
    if dtype.is_integer():
        return [text, pl.lit(":")]
    return [text.str.len_bytes().cast(pl.String), pl.lit(":"), text]


def typed_columns(source: Source) -> list[pl.Expr]:
    """The source's columns in their declared types: PostgreSQL would take the bytes of another type as they are."""
    return [pl.col(name).cast(column.dtype) for name, column in source.schema.columns().items()]


def uuids(ids: pl.Series) -> pa.FixedSizeBinaryArray:
    """Ids (UInt128) as the sixteen bytes that PostgreSQL takes for a `uuid`, in the same order as the numbers."""
    half = 1 << 64
    halves = ids.to_frame(ID).select(high=pl.col(ID) // half, low=pl.col(ID) % half).cast(pl.UInt64)
    numbers = np.empty((len(ids), 2), ">u8")
    numbers[:, 0], numbers[:, 1] = halves["high"], halves["low"]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(ids), [None, pa.py_buffer(numbers)])
