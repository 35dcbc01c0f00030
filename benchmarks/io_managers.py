"""The same asset, thirty days in one run, stored by our IO managers and by others of Dagster's.

    python -m benchmarks.io_managers --rows 100000 --rounds 3

Contestants take turns, each in a process of its own with storage of its own: a first load, then the same days again.
dagster-deltalake-polars takes no range, so it has a run for each day; beside it ours are run so too.
Processor seconds are those of the process and, over PostgreSQL, of the whole server; memory is the process's peak.
PostgreSQL and DuckDB make what they commit durable; Delta tables are written to a local folder, by nobody with fsync.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from benchmarks import common, processor
from benchmarks.memory import peak_rss_mib
from dataflow_assets.io_managers import PostgresIOManager

_DAYS = [date(2024, 1, 1) + timedelta(days=day) for day in range(30)]
_PARTITIONS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-31")


def main() -> None:
    """Run the contestants in turn and print the medians as a table of JSON, or run one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000, help="of a day")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestants", default=",".join(_CONTESTANTS))
    parser.add_argument("--one", choices=_CONTESTANTS, help="run this one here, over the storage that --at says")
    parser.add_argument("--at", help="the URL of a server, or a folder")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_run(arguments.one, arguments.at, arguments.rows)))  # noqa: T201
        return
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.contestants.split(",")}
    for _ in range(arguments.rounds):
        for name, results in found.items():
            with common.server() as (home, url):
                results.append(_in_own_process(name, url if name.startswith("postgres") else str(home), arguments.rows))
    rows = len(_DAYS) * arguments.rows
    print(json.dumps({"rows": rows, **{name: _medians(results, rows) for name, results in found.items()}}, indent=2))  # noqa: T201


def _medians(results: list[dict[str, Any]], rows: int) -> dict[str, Any]:
    figures = {name: round(statistics.median(result[name] for result in results), 2) for name in results[0]}
    per_core = {f"{load}_rows_per_core_second": round(rows / figures[f"{load}_cpu_s"]) for load in ("first", "again")}
    return {**figures, **per_core}


def _in_own_process(name: str, at: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.io_managers", "--one", name, "--at", at, "--rows", str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(result, dict)
    return result


def _run(name: str, at: str, rows: int) -> dict[str, Any]:
    """Load the days twice; the seconds and the memory that it took."""
    contestant = _CONTESTANTS[name]
    asset = _asset(rows, is_lazy=contestant.is_lazy, metadata=contestant.metadata)
    job = dg.Definitions(
        [asset], resources={"io_manager": contestant.io_manager(at)}
    ).resolve_implicit_global_asset_job_def()
    server = processor.server_process(at) if name.startswith("postgres") else None
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="instance-") as folder, dg.DagsterInstance.local_temp(folder) as instance:
        for load in ("first", "again"):
            before = _processor_seconds(server)
            seconds = common.timed(lambda: _materialize(job, instance, is_by_day=contestant.is_by_day))
            result |= {f"{load}_s": seconds, f"{load}_cpu_s": _processor_seconds(server) - before}
    return {**result, "peak_rss_mib": peak_rss_mib()}


def _materialize(job: dg.JobDefinition, instance: dg.DagsterInstance, *, is_by_day: bool) -> None:
    for first, last in zip(_DAYS, _DAYS, strict=True) if is_by_day else [(_DAYS[0], _DAYS[-1])]:
        common.materialize(job, instance, [["mart", "events"]], first, last)


def _asset(rows: int, *, is_lazy: bool, metadata: Mapping[str, Any]) -> dg.AssetsDefinition:
    n = pl.int_range(pl.lit(0, pl.Int64), rows)
    at = pl.col("day").cast(pl.Datetime("us")) + pl.duration(seconds=pl.col("n") % 86_400)

    def day_of(day: date) -> pl.LazyFrame:
        frame = pl.LazyFrame().select(n=n, day=pl.lit(day))
        return frame.with_columns(user=pl.format("user {}", pl.col("n") % 5000), amount=pl.col("n") * 0.25, at=at)

    def events(context: dg.AssetExecutionContext) -> Any:
        frame = pl.concat([day_of(date.fromisoformat(key)) for key in context.partition_keys])
        return frame if is_lazy else frame.collect()

    return dg.asset(
        events,
        key=["mart", "events"],
        partitions_def=_PARTITIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata={"partition_expr": "day", **metadata},
    )


def _postgres(url: str) -> Any:
    return PostgresIOManager(url=url)


def _delta(folder: str) -> Any:
    from dataflow_assets.io_managers import DeltaIOManager  # noqa: PLC0415

    return DeltaIOManager(root=folder)


def _duckdb(folder: str) -> Any:
    from dagster_duckdb_polars import DuckDBPolarsIOManager  # noqa: PLC0415

    return DuckDBPolarsIOManager(database=str(Path(folder) / "bench.duckdb"))


def _deltalake(folder: str) -> Any:
    from dagster_deltalake import LocalConfig, WriteMode  # noqa: PLC0415
    from dagster_deltalake_polars import DeltaLakePolarsIOManager  # noqa: PLC0415

    return DeltaLakePolarsIOManager(root_uri=folder, storage_options=LocalConfig(), mode=WriteMode.overwrite)


@dataclass(frozen=True)
class _Contestant:
    """An IO manager over a URL or folder, and how its asset is run: with `is_by_day`, one run for each day."""

    io_manager: Callable[[str], Any]
    is_lazy: bool = False
    is_by_day: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


_CONTESTANTS: dict[str, _Contestant] = {
    "postgres": _Contestant(_postgres),
    "postgres_lazy": _Contestant(_postgres, is_lazy=True),
    "postgres_keyed": _Contestant(_postgres, is_lazy=True, metadata={"key": ["n"]}),
    "postgres_by_day": _Contestant(_postgres, is_by_day=True),
    "delta": _Contestant(_delta),
    "delta_lazy": _Contestant(_delta, is_lazy=True),
    "delta_by_day": _Contestant(_delta, is_by_day=True),
    "duckdb": _Contestant(_duckdb),
    "deltalake_by_day": _Contestant(_deltalake, is_by_day=True),  # it refuses a range, as rows of other days
}


def _processor_seconds(server: int | None) -> float:
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return own if server is None else own + processor.server_seconds(server)


if __name__ == "__main__":
    main()
