"""Stream files for benchmarks: one day of clean rows, any number of them.

Here: making CSV that every rival can load. Not here: the sample with broken rows (`landing.sample`).
"""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

DAY = date(2021, 12, 15)
_START = datetime(2021, 12, 15, tzinfo=UTC)
_CHUNK = 1_000_000
MOVIES = 1_000
_USERS = 200_000


def write_streams(path: Path, rows: int, *, first: int = 0, duplicates: float = 0.0) -> None:
    """Write sessions that all start on `DAY` in UTC; the same bytes for the same arguments.

    Args:
        path: the CSV file.
        rows: how many.
        first: the number of the first; files of different numbers hold different rows.
        duplicates: the share of rows that repeat the key of the row before, with another size.
    """
    with path.open("wb") as file:
        for start in range(first, first + rows, _CHUNK):
            numbers = pl.int_range(start, min(start + _CHUNK, first + rows), eager=True).alias("n").to_frame()
            _rows(numbers, duplicates).write_csv(file, include_header=start == first, float_precision=10)


def _rows(numbers: pl.DataFrame, duplicates: float) -> pl.DataFrame:
    every = round(1 / duplicates) if duplicates else 0
    key = (
        pl.when(pl.col("n") % every == every - 1).then(pl.col("n") - 1).otherwise(pl.col("n")) if every else pl.col("n")
    )
    drawn = numbers.with_columns(key=key).with_columns(
        a=pl.col("key").hash(1), b=pl.col("key").hash(2), c=pl.col("n").hash(3)
    )
    start = pl.lit(_START).dt.cast_time_unit("ms") + pl.duration(
        milliseconds=pl.col("key") * 4_400_000 // 100_000_000 + pl.col("a") % 82_000_000
    )
    end = start + pl.duration(milliseconds=pl.col("b") % 86_400_000 + 1000)
    form = "%Y-%m-%dT%H:%M:%S%.3f+0000"
    return drawn.select(
        movie_title=pl.format("The Remarkable Movie Number {}", pl.col("a") % MOVIES),
        user_email=pl.format("user.{}@streaming-example.org", pl.col("b") % _USERS),
        size_mb=(pl.col("c") % 2_000_000_000) / 1e6,
        start_at=start.dt.strftime(form),
        end_at=end.dt.strftime(form),
    )
