"""A snapshot's history: dumps with 1 % of the rows changed and 1 % dropped, against dlt's `scd2` strategy.

    python -m benchmarks.history --rows 1000000

The third dump repeats the second. dlt gets `--limit` seconds for its second dump.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import common

_OURS = "benchmarks.our_history"
_DAYS = (date(2021, 12, 1), date(2021, 12, 2), date(2021, 12, 3))


def main() -> None:
    """Run both and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--limit", type=int, default=120, help="seconds that dlt gets for its second dump; 0: leave it out"
    )
    arguments = parser.parse_args()
    with common.server() as (home, url):
        dumps = [_write(home / f"users-{number}.csv", arguments.rows, number > 0) for number in range(3)]
        files = list(zip(_DAYS, dumps, strict=True))
        found = [common.ours(_OURS, home, url, "users", files) for _ in range(arguments.rounds)]
        steps = zip(*(run["dumps"] for run in found), strict=True)
        medians = [common.median([dump["seconds"] for dump in step]) for step in steps]
        result = {
            "rows": arguments.rows,
            **dict(zip(("first_s", "second_s", "repeated_s"), medians, strict=True)),
            "peak_rss_mib": max(run["peak_rss_mib"] for run in found),
            "dlt_scd2": _dlt_within(url, dumps[:2], arguments.limit) if arguments.limit else None,
            "details": found,
            **common.conditions(url),
        }
    print(json.dumps(result, indent=2))  # noqa: T201


def _write(path: Path, rows: int, is_changed: bool) -> Path:
    number = pl.int_range(rows, eager=True).alias("n")
    frame = pl.DataFrame({"n": number}).select(
        "n",
        first_name=pl.format("First {}", pl.col("n") % 5_000),
        last_name=pl.format("Last {}", pl.col("n") % 90_000),
        email=pl.format("user.{}@streaming-example.org", "n"),
    )
    if is_changed:
        renamed = pl.when(pl.col("n") % 100 == 7).then(pl.lit("Renamed")).otherwise("first_name").alias("first_name")
        frame = frame.filter(pl.col("n") % 100 != 3).with_columns(renamed)
    frame.drop("n").write_csv(path)
    return path


def _dlt_within(url: str, dumps: list[Path], limit: int) -> dict[str, float | None]:
    """dlt's seconds for each dump; None where it did not end in time."""
    common.sql(url, "DROP SCHEMA IF EXISTS rival CASCADE", "DROP SCHEMA IF EXISTS rival_staging CASCADE")
    with tempfile.TemporaryDirectory(prefix="dlt-") as folder:
        times = multiprocessing.get_context("spawn").Manager().list()
        process = multiprocessing.get_context("spawn").Process(target=_dlt, args=(url, dumps, folder, times))
        process.start()
        process.join(limit * len(dumps))
        process.kill()
        process.join()
        done = [*times, None, None]
    return {"first_s": done[0], "second_s": done[1]}


def _dlt(url: str, dumps: list[Path], folder: str, times: Any) -> None:
    import dlt  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    pipeline = dlt.pipeline(
        "bench", pipelines_dir=folder, dataset_name="rival", destination=dlt.destinations.postgres(url)
    )
    for path in dumps:

        @dlt.resource(name="users", write_disposition={"disposition": "merge", "strategy": "scd2"}, merge_key=None)
        def users(path: Path = path) -> Iterator[Any]:
            table = pl.from_arrow(csv.read_csv(path))
            assert isinstance(table, pl.DataFrame)
            row = pl.concat_str("email", "first_name", "last_name", separator="\x1f").hash().cast(pl.String)
            yield table.with_columns(row.alias("_dlt_id")).to_arrow()

        with contextlib.redirect_stdout(io.StringIO()):
            times.append(round(common.timed(lambda: pipeline.run(users(), loader_file_format="csv")), 3))


if __name__ == "__main__":
    main()
