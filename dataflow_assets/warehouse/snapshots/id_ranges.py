"""Keys in ranges of their ids, so that no more rows are held at once than those of some keys.

Ids are hashes, so that ranges of one width have about as many rows each. Each range reads all files of the lake.

Here: the ranges, in frames and in SQL. Not here: what is made of their rows.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from dataflow_assets.postgres.row_ids import ID, row_id
from dataflow_assets.postgres.sql import literal

_IDS = 1 << 128


@dataclass(frozen=True)
class IdRange:
    """The ids from the first to the last, both of them included."""

    first: int
    last: int

    @property
    def is_within(self) -> pl.Expr:
        """Whether a row's `id` (UInt128) is one of them."""
        return pl.col(ID).is_between(pl.lit(self.first, pl.UInt128), pl.lit(self.last, pl.UInt128))

    @property
    def scope(self) -> str:
        """Whether a row of the table `old` is of one of them, in SQL."""
        bounds = (literal(str(uuid.UUID(int=bound))) for bound in (self.first, self.last))
        return "old.id BETWEEN {}::uuid AND {}::uuid".format(*bounds)

    def cut(self, lake: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
        """The rows of the lake whose key has one of them, with their `id`."""
        return lake.with_columns(row_id(lake.collect_schema(), key)).filter(self.is_within)


def split_ids(count: int) -> Iterator[IdRange]:
    """All ids in so many ranges, in order."""
    for number in range(count):
        yield IdRange(_IDS * number // count, _IDS * (number + 1) // count - 1)
