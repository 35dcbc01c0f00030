"""The hour that the clocks of a zone repeat in autumn: which of two equal local readings of a file is the second.

Here: telling them apart by their order. Not here: reading times (see `timestamps`).
"""

import polars as pl


class RepeatedHour:
    """The readings of repeated hours that a file gave so far; eight bytes of each are held."""

    def __init__(self) -> None:
        self._seen = pl.Series(dtype=pl.UInt64)

    def find_second(self, readings: pl.DataFrame) -> pl.Series:
        """Which of some readings, in the order of their file, equal one before them.

        Args:
            readings: what tells them apart, the local time among it.
        """
        marks = readings.hash_rows()
        is_second = marks.is_in(self._seen.implode()) | ~marks.is_first_distinct()
        self._seen = pl.concat([self._seen, marks.filter(~is_second)])
        return is_second
