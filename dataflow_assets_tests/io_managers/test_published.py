"""The portable file: readers and writers of one DuckDB file at once, and writes that fail."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from dataflow_assets.io_managers import PublishedIOManager
from dataflow_assets.runtime.tags import range_tags

DAYS = ("2021-12-01", "2021-12-02", "2021-12-03")
Make = Callable[[], pl.DataFrame]
_NOTEBOOK = """
import sys, duckdb
notebook = duckdb.connect(sys.argv[1], read_only=True)
for _ in sys.stdin:
    print(notebook.execute("SELECT sum(value) FROM published.answer").fetchone()[0], flush=True)
"""


def rows(*values: tuple[str, int]) -> pl.DataFrame:
    """Values, each of a day."""
    frame = pl.DataFrame(list(values), schema={"day": pl.String, "value": pl.Int64}, orient="row")
    return frame.with_columns(pl.col("day").str.to_date())


def publish(file: Path, frame: pl.DataFrame, first: str = DAYS[0], last: str = DAYS[-1], name: str = "answer") -> bool:
    """Store an answer's rows of some days, in a run of its own; whether it succeeded."""

    @dg.asset(
        name=name,
        key_prefix="published",
        partitions_def=dg.DailyPartitionsDefinition("2021-12-01", end_date="2022-01-01"),
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata={"partition_expr": "day"},
    )
    def answer() -> pl.DataFrame:
        return frame

    manager = PublishedIOManager(database=str(file))
    job = dg.Definitions([answer], resources={"io_manager": manager}).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, tags=range_tags(first, last), raise_on_error=False).success


def query(file: Path, statement: str = "FROM published.answer ORDER BY ALL") -> list[tuple[Any, ...]]:
    with duckdb.connect(file, read_only=True) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "analytics.duckdb"


def test_the_days_of_a_run_are_replaced_and_no_others(file: Path) -> None:
    assert publish(file, rows(*((day, 1) for day in DAYS)))
    assert publish(file, rows((DAYS[1], 2), (DAYS[1], 3)), DAYS[1], DAYS[1])
    days = [date.fromisoformat(day) for day in DAYS]
    assert query(file) == [(days[0], 1), (days[1], 2), (days[1], 3), (days[2], 1)]


def test_an_empty_answer_is_an_empty_table(file: Path) -> None:
    assert publish(file, rows())
    assert query(file) == []
    assert query(file, "SELECT column_name, data_type FROM information_schema.columns ORDER BY ALL") == [
        ("day", "DATE"),
        ("value", "BIGINT"),
    ]


def test_days_without_rows_lose_those_they_had(file: Path) -> None:
    assert publish(file, rows(*((day, 1) for day in DAYS)))
    assert publish(file, rows(), DAYS[0], DAYS[1])
    assert query(file) == [(date.fromisoformat(DAYS[2]), 1)]


def test_columns_are_matched_by_name(file: Path) -> None:
    assert publish(file, rows((DAYS[0], 1)))
    assert publish(file, rows((DAYS[1], 2)).select("value", "day"), DAYS[1])
    assert query(file, "SELECT day, value FROM published.answer ORDER BY day")[1] == (date.fromisoformat(DAYS[1]), 2)


@contextmanager
def notebook(file: Path) -> Iterator[Callable[[], str]]:
    """A process that keeps the file open; each call gives the sum that it reads then."""
    process = subprocess.Popen(
        [sys.executable, "-c", _NOTEBOOK, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    said, ask = process.stdout, process.stdin

    def read() -> str:
        ask.write("\n")
        ask.flush()
        return said.readline().strip()

    try:
        yield read
    finally:
        process.communicate(timeout=300)


def test_an_open_notebook_neither_blocks_a_writer_nor_sees_it(file: Path) -> None:
    assert publish(file, rows((DAYS[0], 1)))
    with notebook(file) as read:
        assert read() == "1"
        assert publish(file, rows((DAYS[0], 5)))
        assert query(file, "SELECT value FROM published.answer") == [(5,)]
        assert read() == "1"


def test_a_write_that_fails_leaves_the_file_and_nothing_else(file: Path) -> None:
    assert publish(file, rows((DAYS[0], 1)))
    before = file.read_bytes()
    assert not publish(file, rows((DAYS[0], 2)).with_columns(unknown=1))
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["analytics.duckdb", "analytics.lock"]
    assert publish(file, rows((DAYS[0], 3)))
    assert query(file, "SELECT value FROM published.answer") == [(3,)]


def test_a_first_write_that_fails_leaves_no_file(file: Path) -> None:
    assert not publish(file, rows((DAYS[0], 2)).drop("day"))
    assert [path.name for path in file.parent.iterdir()] == ["analytics.lock"]


def test_what_a_killed_writer_left_is_removed(file: Path) -> None:
    for name in ("analytics.draft-1", "analytics.draft-1.wal"):
        (file.parent / name).write_bytes(b"half")
    assert publish(file, rows((DAYS[0], 1)))
    assert sorted(path.name for path in file.parent.iterdir()) == ["analytics.duckdb", "analytics.lock"]


def test_writers_at_once_lose_nothing(file: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        writes = [
            pool.submit(publish, file, rows((day, number)), day, day, f"answer_{number}")
            for day in DAYS
            for number in range(2)
        ]
        assert all(write.result() for write in writes)
    days = [date.fromisoformat(day) for day in DAYS]
    for number in range(2):
        assert query(file, f"FROM published.answer_{number} ORDER BY day") == [(day, number) for day in days]
