"""Events whose key happens once: which rows of a day a later row of another day supersedes.

Here: that alone, as a pure function of frames. Not here: rows of one day with equal keys (see `events`), and which days
a delivery makes stale (see `lake.ingest`).
"""

from collections.abc import Sequence

import polars as pl

ORDER = ("delivery_day", "object", "position")  # of equal keys the last one counts
_IS_OWN = "is_own|"  # no source has such a column


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
    together = pl.concat([_marked(own, is_own=True), _marked(rivals, is_own=False)])
    latest = together.sort(ORDER).unique(key, keep="last", maintain_order=True)
    return latest.filter(~pl.col(_IS_OWN)).select(key)


def _marked(rows: pl.DataFrame, *, is_own: bool) -> pl.DataFrame:
    return rows.with_columns(pl.lit(is_own).alias(_IS_OWN))


def _with_keys(rows: pl.LazyFrame, keys: pl.LazyFrame, key: Sequence[str]) -> pl.DataFrame:
    return rows.join(keys.select(key).unique(), on=list(key), how="semi").collect(engine="streaming")
