"""Each analytic answer for one day, against the same question in DuckDB over one Parquet file of the same rows.

    python -m benchmarks.answers --rows 4000000

Timed: the pure function over scans of the Parquet files, and DuckDB's statement over the same files, in turn. Both
are in this process and warm, and must give the same rows. Shown beside them: the answer's asset, from PostgreSQL to
PostgreSQL, Dagster's run included. Not timed: imports, opening DuckDB, Dagster's start.
"""

import argparse
import json
import os
import statistics
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
from polars.testing import assert_frame_equal

from benchmarks import common
from benchmarks.data import DAY, MOVIES, write_streams
from benchmarks.tables import load, snapshots
from dataflow_assets.analytics import Answer, all_answers, compute_partition
from dataflow_assets.definitions import build_definitions
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.settings import load_settings
from dataflow_assets.warehouse.bootstrap import open_warehouse

_ZONE = "UTC"

_STARTS_IN = "start_at >= $start AND start_at < $end"
_OVERLAPS = "start_at < $end AND end_at > $start"
_LASTS = "epoch_us(end_at) - epoch_us(start_at)"  # the difference of the times themselves takes seconds
_STREAMED = f"SELECT DISTINCT lower(movie_title) AS movie FROM streams WHERE {_STARTS_IN}"
# Each takes the bounds of the answer's window as $start and $end, and gives the answer's columns but the first.
_STATEMENTS = {
    "average_session": f"""
        SELECT count(*) AS sessions, avg({_LASTS}) / 1e6 AS average_session_seconds
        FROM streams WHERE {_STARTS_IN}""",
    "median_session_size": f"""
        SELECT count(*) AS sessions, median(size_mb) / 1000 AS median_session_gigabytes
        FROM streams WHERE {_STARTS_IN}""",
    "book_based_share": f"""
        WITH streamed AS ({_STREAMED}),
             tied AS (SELECT DISTINCT lower(movie_title) AS movie FROM reviews WHERE book_title <> '')
        SELECT count(*) AS streamed, count(tied.movie) AS based_on_books, count(tied.movie) / count(*) AS share
        FROM streamed LEFT JOIN tied USING (movie)""",
    "engaged_users": f"""
        SELECT count(DISTINCT user_email) AS users
        FROM streams JOIN movies ON lower(movie_title) = lower(title)
        WHERE {_OVERLAPS} AND ({_LASTS}) * 2 >= duration_mins * 60000000""",
    "movies_by_author_nationality": f"""
        WITH streamed AS ({_STREAMED})
        SELECT nationality, count(DISTINCT movie) AS movies
        FROM streamed
        JOIN reviews ON lower(movie_title) = movie
        JOIN books ON lower(title) = lower(book_title)
        JOIN authors ON lower(name) = lower(author)
        WHERE nationality IS NOT NULL
        GROUP BY nationality""",
    "sessions_in_progress": f"""
        WITH hours AS (
            SELECT movie_title, user_email, unnest(range(
                (greatest(epoch_us(start_at), epoch_us($start)) - epoch_us($start)) // 3600000000,
                (least(epoch_us(end_at), epoch_us($end)) - epoch_us($start) - 1) // 3600000000 + 1)) AS number
            FROM streams WHERE {_OVERLAPS})
        SELECT $start + to_hours(number) AS hour, movie_title, count(*) AS sessions,
               count(DISTINCT user_email) AS users
        FROM hours GROUP BY number, movie_title""",
}


def main() -> None:
    """Run both in turn and print the medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with common.server() as (home, url):
        os.environ["DATAFLOW_HOME"], os.environ["DATABASE_URL"] = str(home), url
        files = write_tables(home, arguments.rows)
        found = compare(files, arguments.rounds)
        result = {
            "rows": arguments.rows,
            "parquet_bytes": files["streams"].stat().st_size,
            **_summary(found),
            "answers": found,
            "from_postgresql_s": _from_postgresql(url, files, arguments.rounds),
            **common.conditions(url),
        }
    print(json.dumps(result, indent=2))  # noqa: T201


def _summary(found: dict[str, dict[str, Any]]) -> dict[str, float]:
    ours, theirs = (sum(figures[name] for figures in found.values()) for name in ("ours_s", "duckdb_s"))
    return {
        "worst_ratio": max(figures["ratio"] for figures in found.values()),
        "ratio_of_sums": round(ours / theirs, 2),
    }


def compare(files: dict[str, Path], rounds: int) -> dict[str, dict[str, Any]]:
    """The figures of each answer.

    Raises:
        AssertionError: an answer is not DuckDB's.
    """
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{_ZONE}'")
        for name, path in files.items():
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{path}')")
        return {answer.name: _compare(connection, answer, files, rounds) for answer in all_answers()}


def _compare(
    connection: duckdb.DuckDBPyConnection, answer: Answer, files: dict[str, Path], rounds: int
) -> dict[str, Any]:
    day = _partition(answer)
    window = answer.window(day, _ZONE)

    def ours() -> pl.DataFrame:
        frames = {name: pl.scan_parquet(files[name]) for name in answer.reads}
        return compute_partition(answer, frames, day, _ZONE).collect(engine="streaming")

    def theirs() -> pl.DataFrame:
        return connection.execute(_STATEMENTS[answer.name], {"start": window.start, "end": window.end}).pl()

    _require_equal(answer, ours(), theirs())  # and both are warm
    taken = [(common.timed(ours), common.timed(theirs)) for _ in range(rounds)]
    ours_s, duckdb_s = (statistics.median(seconds) for seconds in zip(*taken, strict=True))
    return {
        "ours_s": round(ours_s, 3),
        "duckdb_s": round(duckdb_s, 3),
        "ratio": round(ours_s / duckdb_s, 2),
        "rounds": [[round(seconds, 3) for seconds in pair] for pair in taken],
    }


def _partition(answer: Answer) -> date:
    return DAY.replace(day=1) if answer.grain == "month" else DAY


def _require_equal(answer: Answer, ours: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """Both must give the same rows, floats to a billionth."""
    assert ours.height, answer.name
    dated = theirs.with_columns(pl.lit(_partition(answer)).alias(answer.grain))
    same = dated.select(pl.col(name).cast(dtype) for name, dtype in ours.schema.items())
    assert_frame_equal(ours, same, check_row_order=False, rel_tol=1e-9)


def write_tables(home: Path, rows: int) -> dict[str, Path]:
    """A Parquet file for each source that an answer reads."""
    tables = snapshots(MOVIES)
    files = {name: home / f"{name}.parquet" for name in ("streams", *tables)}
    write_streams(home / "streams.csv", rows)
    times = pl.col("start_at", "end_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC")
    pl.scan_csv(home / "streams.csv").with_columns(times).sink_parquet(files["streams"])
    for name, table in tables.items():
        table.write_parquet(files[name])
    return files


def _from_postgresql(url: str, files: dict[str, Path], rounds: int) -> dict[str, float]:
    """Seconds of each answer's asset, from the warehouse's tables to its own."""
    settings = load_settings()
    upgrade(url)
    for name, path in files.items():
        load(open_warehouse(settings), name, pl.read_parquet(path), DAY, _ZONE)
    job = build_definitions(settings).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        runs = {answer.name: _run(job, instance, answer) for answer in all_answers()}
        for run in runs.values():
            run()
        return {name: common.median([common.timed(run) for _ in range(rounds)]) for name, run in runs.items()}


def _run(job: dg.JobDefinition, instance: dg.DagsterInstance, answer: Answer) -> Callable[[], object]:
    day = _partition(answer)
    return lambda: common.materialize(job, instance, [["analytics", answer.name]], day, day)


if __name__ == "__main__":
    main()
