"""Events whose key happens once: which rows of a day a later row of another day supersedes.

Here: that alone, as a pure function of frames. Not here: rows of one day with equal keys (see `events`), and which days
a delivery makes stale (see `lake.ingest`).
"""

from collections.abc import Sequence

import polars as pl

ORDER = ("delivery_day", "object", "position")  # of equal keys the last one counts


def find_moved_keys(rows: pl.LazyFrame, others: pl.LazyFrame, key: Sequence[str]) -> pl.DataFrame:
    """The keys of which the latest row is on another day: the columns of the key.

    The day's keys are held in memory, and the rows of those that have one on another day.

    Args:
        rows: of the lake, of one day: the columns of the key, `delivery_day`, `object` and `position`.
        others: the same of the other days.
        key: its columns, never null.
    """
    columns = [*key, *ORDER]
    rivals = _with_keys(others.select(columns), rows, key)
    own = _with_keys(rows.select(columns), rivals.lazy(), key)
    together = pl.concat([own.with_columns(is_own=True), rivals.with_columns(is_own=False)])
    latest = together.sort(ORDER).unique(key, keep="last", maintain_order=True)
    return latest.filter(~pl.col("is_own")).select(key)


def _with_keys(rows: pl.LazyFrame, keys: pl.LazyFrame, key: Sequence[str]) -> pl.DataFrame:
    return rows.join(keys.select(key).unique(), on=list(key), how="semi").collect(engine="streaming")
