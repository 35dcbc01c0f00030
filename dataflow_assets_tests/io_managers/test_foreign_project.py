"""A project that imports nothing of ours but the IO managers, run as its owner would: `dagster asset materialize`."""

import ast
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from dataflow_assets_tests.warehouse.builders import ask
from dataflow_assets_tests.warm import run_module

DEFINITIONS = Path(__file__).parent / "foreign_project" / "definitions.py"
# A day of the whole issue has 100,000 rows (FOREIGN_ROWS_PER_DAY=100000 runs that): 10,000 say the same in less time.
ROWS = int(os.environ.get("FOREIGN_ROWS_PER_DAY", "10000"))
TABLE = "postgres.measurements"


@pytest.fixture
def environment(empty_database_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "FOREIGN_DATABASE_URL": empty_database_url,
        "FOREIGN_ROOT": str(tmp_path / "lake"),
        "ROWS_PER_DAY": str(ROWS),
        "RUN": "1",
        "DAGSTER_HOME": str(tmp_path),
    }


def materialize(environment: dict[str, str], asset: str, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", *selecting(asset), *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def materialize_next(environment: dict[str, str], asset: str, *options: str) -> None:
    """The same once a process of its own has shown that it can."""
    done = run_module("dagster", [*selecting(asset), *options], environment)
    assert done.returncode == 0, done.stderr[-4000:]


def selecting(asset: str) -> list[str]:
    return ["asset", "materialize", "-f", str(DEFINITIONS), "--select", asset]


def test_it_imports_nothing_of_ours_but_the_io_managers() -> None:
    imports = [node for node in ast.walk(ast.parse(DEFINITIONS.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [node.module for node in imports if (node.module or "").startswith("dataflow")]
    assert ours == ["dataflow_assets.io_managers"]


def test_thirty_days_in_postgresql_in_one_run_and_one_of_them_again(
    environment: dict[str, str], empty_database_url: str
) -> None:
    url = empty_database_url
    materialize(environment, "postgres/measurements", "--partition-range", "2024-01-01...2024-01-30")
    assert ask(url, f"SELECT day::text, count(*), min(run) FROM {TABLE} GROUP BY 1 ORDER BY 1") == [
        (f"2024-01-{day:02}", ROWS, 1) for day in range(1, 31)
    ]
    where_others_are = "md5(string_agg(ctid::text || xmin || n, ',' ORDER BY ctid))"
    others = f"SELECT {where_others_are} FROM {TABLE} WHERE day <> '2024-01-15'"
    before = ask(url, others)
    with reading(lambda: read_day_of_postgres(url)) as seen:
        materialize_next({**environment, "RUN": "2"}, "postgres/measurements", "--partition", "2024-01-15")
    assert ask(url, others) == before
    assert set(seen) == {(ROWS, 1, 1), (ROWS, 2, 2)}
    materialize_next(environment, "postgres/totals")
    totals = "SELECT count(*), sum(rows), sum(rows) FILTER (WHERE run = 2) FROM postgres.totals"
    assert ask(url, totals) == [(30, 30 * ROWS, ROWS)]


def test_thirty_days_in_a_delta_table_in_one_run_and_one_of_them_again(environment: dict[str, str]) -> None:
    table = Path(environment["FOREIGN_ROOT"]) / "delta" / "measurements"
    materialize(environment, "delta/measurements", "--partition-range", "2024-01-01...2024-01-30")
    days = pl.scan_delta(str(table)).group_by("day").agg(pl.len(), pl.min("run")).sort("day").collect()
    assert days.rows() == [(date(2024, 1, day), ROWS, 1) for day in range(1, 31)]
    before = files_of_others(table)
    with reading(lambda: read_day_of_delta(table)) as seen:
        materialize_next({**environment, "RUN": "2"}, "delta/measurements", "--partition", "2024-01-15")
    assert files_of_others(table) == before
    assert set(seen) == {(ROWS, 1, 1), (ROWS, 2, 2)}
    materialize_next(environment, "delta/totals")
    totals = pl.read_delta(str(table.with_name("totals")))
    assert (totals.height, totals["rows"].sum(), totals.filter(run=2)["rows"].sum()) == (30, 30 * ROWS, ROWS)


def read_day_of_postgres(url: str) -> tuple[int, int, int]:
    """Of one day the rows, and of which runs they are."""
    [found] = ask(url, f"SELECT count(*), min(run), max(run) FROM {TABLE} WHERE day = '2024-01-15'")
    return found[0], found[1], found[2]


def read_day_of_delta(table: Path) -> tuple[int, int, int]:
    """The same of a Delta table."""
    rows = pl.scan_delta(str(table)).filter(pl.col("day") == date(2024, 1, 15))
    rows_, first, last = rows.select(pl.len(), first=pl.min("run"), last=pl.max("run")).collect().row(0)
    return rows_, first, last


def files_of_others(table: Path) -> set[tuple[str, int]]:
    """The table's files that hold a row of another day, and when each was written."""
    files = [uri.removeprefix("file://") for uri in DeltaTable(str(table)).file_uris()]
    rows = pl.scan_parquet(files, include_file_paths="file", hive_partitioning=True)
    others = rows.filter(pl.col("day") != date(2024, 1, 15)).select(pl.col("file").unique()).collect()["file"]
    return {(file, Path(file).stat().st_mtime_ns) for file in others}


@contextmanager
def reading(read: Callable[[], tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
    """What a reader sees from before the block until after it."""
    seen: list[tuple[int, int, int]] = []
    failed: list[Exception] = []
    is_over = threading.Event()

    def read_on() -> None:
        try:
            while not is_over.is_set():
                seen.append(read())
            seen.append(read())
        except Exception as error:
            failed.append(error)

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        yield seen
    finally:
        is_over.set()
        reader.join(300)
    assert not failed
