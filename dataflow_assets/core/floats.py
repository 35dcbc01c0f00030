"""Floats as people wrote them.

Here: a Float32 that Python takes for a float of its own. Not here: how values are shown (see `formatting`).
"""

import polars as pl


def with_own_digits(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with each Float32 as the Float64 of its shortest text, as Python has no Float32.

    >>> import polars as pl
    >>> from dataflow_assets.core.floats import with_own_digits
    >>> frame = pl.DataFrame({"share": [0.1]}, schema={"share": pl.Float32})
    >>> frame.rows(), with_own_digits(frame).rows()
    ([(0.10000000149011612,)], [(0.1,)])
    """
    return frame.with_columns(pl.col(pl.Float32).cast(pl.String).cast(pl.Float64))
