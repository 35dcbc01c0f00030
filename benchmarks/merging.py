"""The six answers of a day from pieces of it: which of them merge exactly, and what the pieces have to hand on.

    python -m benchmarks.merging --rows 1000000 --pieces 8

A day is cut into pieces by its users, as machines would share it. Of each piece something small is made, and of all of
these the answer, which must be equal to that of the whole day, bit by bit. Told of each answer: the bytes that the
pieces hand on, as Arrow has them, and the processor seconds of the whole and of the pieces together.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from polars.testing import assert_frame_equal

from benchmarks.answers import write_tables
from benchmarks.data import DAY
from dataflow_assets.analytics import Answer, all_answers
from dataflow_assets.analytics.sessions import duration, starts_in
from dataflow_assets.core.time_windows import Window

_Tables = dict[str, pl.LazyFrame]


class Merging(NamedTuple):
    """How an answer is made from pieces: what each hands on, and the answer of all of it together."""

    part: Callable[[Answer, _Tables, Window], pl.LazyFrame]
    merge: Callable[[Answer, pl.LazyFrame, _Tables, Window], pl.LazyFrame]


def _answer(answer: Answer, tables: _Tables, window: Window) -> pl.LazyFrame:
    assert answer.compute
    return answer.compute(**tables, window=window)


def _a_session_of_each_movie(_: Answer, tables: _Tables, window: Window) -> pl.LazyFrame:
    return tables["streams"].filter(starts_in(window)).unique("movie_title").select("movie_title", "start_at")


def _from_sessions(answer: Answer, parts: pl.LazyFrame, tables: _Tables, window: Window) -> pl.LazyFrame:
    return _answer(answer, {**tables, "streams": parts}, window)


def _sums(_: Answer, tables: _Tables, window: Window) -> pl.LazyFrame:
    length = duration().dt.total_microseconds().cast(pl.Int128).sum()
    return tables["streams"].filter(starts_in(window)).select(sessions=pl.len().cast(pl.Int64), microseconds=length)


def _mean(_: Answer, parts: pl.LazyFrame, __: _Tables, ___: Window) -> pl.LazyFrame:
    mean = pl.col("microseconds").cast(pl.Float64) / (pl.col("sessions") * 1e6)
    return parts.sum().select("sessions", average_session_seconds=mean)


def _histogram(_: Answer, tables: _Tables, window: Window) -> pl.LazyFrame:
    return tables["streams"].filter(starts_in(window)).group_by("size_mb").agg(count=pl.len())


def _median(_: Answer, parts: pl.LazyFrame, __: _Tables, ___: Window) -> pl.LazyFrame:
    sizes = parts.group_by("size_mb").sum().sort("size_mb").with_columns(reached=pl.col("count").cum_sum())
    count, size = pl.col("count").sum(), pl.col("size_mb")
    lower = size.filter(pl.col("reached") >= (count + 1) // 2).first()
    upper = size.filter(pl.col("reached") >= count // 2 + 1).first()
    return sizes.select(sessions=count.cast(pl.Int64), median_session_gigabytes=(lower + upper) / 2 / 1000)


def _sum_of(*keys: str) -> Callable[[Answer, pl.LazyFrame, _Tables, Window], pl.LazyFrame]:
    def merge(_: Answer, parts: pl.LazyFrame, __: _Tables, ___: Window) -> pl.LazyFrame:
        return parts.group_by(*keys).sum().sort(*keys) if keys else parts.sum()

    return merge


_MERGINGS = {
    "average_session": Merging(_sums, _mean),
    "book_based_share": Merging(_a_session_of_each_movie, _from_sessions),
    "engaged_users": Merging(_answer, _sum_of()),
    "median_session_size": Merging(_histogram, _median),
    "movies_by_author_nationality": Merging(_a_session_of_each_movie, _from_sessions),
    "sessions_in_progress": Merging(_answer, _sum_of("hour", "movie_title")),
}


def main() -> None:
    """Make each answer both ways and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pieces", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = write_tables(Path(folder), arguments.rows)
        pieces = _cut(files["streams"], arguments.pieces)
        found = {answer.name: _compare(answer, files, pieces) for answer in all_answers()}
    print(json.dumps({**vars(arguments), "answers": found}, indent=2))  # noqa: T201


def _cut(file: Path, count: int) -> list[Path]:
    pieces = [file.with_name(f"piece-{number}.parquet") for number in range(count)]
    for number, piece in enumerate(pieces):
        pl.scan_parquet(file).filter(pl.col("user_email").hash(1) % count == number).sink_parquet(piece)
    return pieces


def _compare(answer: Answer, files: dict[str, Path], pieces: Sequence[Path]) -> dict[str, Any]:
    """The figures of one answer.

    Raises:
        AssertionError: from the pieces it is another one.
    """
    window = answer.window(DAY if answer.grain == "day" else DAY.replace(day=1), "UTC")
    tables = {name: pl.scan_parquet(files[name]) for name in answer.reads}
    merging = _MERGINGS[answer.name]
    whole, whole_s = _timed(lambda: _answer(answer, tables, window))
    parts, parts_s = list[pl.DataFrame](), 0.0
    for piece in pieces:
        given = tables | {"streams": pl.scan_parquet(piece)}
        part, used = _timed(partial(merging.part, answer, given, window))
        parts, parts_s = [*parts, part], parts_s + used
    merged, merge_s = _timed(lambda: merging.merge(answer, pl.concat(parts).lazy(), tables, window))
    assert_frame_equal(merged, whole, check_exact=True, check_row_order=False)
    return {
        "whole_cpu_s": round(whole_s, 2),
        "pieces_cpu_s": round(parts_s, 2),
        "merge_cpu_s": round(merge_s, 2),
        "bytes_handed_on": sum(int(part.estimated_size()) for part in parts),
    }


def _timed(make: Callable[[], pl.LazyFrame]) -> tuple[pl.DataFrame, float]:
    start = time.process_time()
    return make().collect(engine="streaming"), time.process_time() - start


if __name__ == "__main__":
    main()
