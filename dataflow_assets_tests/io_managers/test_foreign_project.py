"""A project that imports nothing of ours but the IO managers, run as its owner would: `dagster asset materialize`."""

import ast
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from dataflow_assets_tests.warehouse.builders import ask

DEFINITIONS = Path(__file__).parent / "foreign_project" / "definitions.py"
# A day of the whole issue has 100,000 rows (FOREIGN_ROWS_PER_DAY=100000 runs that): 10,000 say the same in less time.
ROWS = int(os.environ.get("FOREIGN_ROWS_PER_DAY", "10000"))
TABLE = "postgres.measurements"


@pytest.fixture
def environment(empty_database_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "FOREIGN_DATABASE_URL": empty_database_url,
        "ROWS_PER_DAY": str(ROWS),
        "RUN": "1",
        "DAGSTER_HOME": str(tmp_path),
    }


def materialize(environment: dict[str, str], asset: str, *options: str) -> None:
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-f", str(DEFINITIONS), "--select", asset]
    done = subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_it_imports_nothing_of_ours_but_the_io_managers() -> None:
    imports = [node for node in ast.walk(ast.parse(DEFINITIONS.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [node.module for node in imports if (node.module or "").startswith("dataflow")]
    assert ours == ["dataflow_assets.io_managers"]


def test_thirty_days_in_one_run_and_one_of_them_again(environment: dict[str, str], empty_database_url: str) -> None:
    url = empty_database_url
    materialize(environment, "postgres/measurements", "--partition-range", "2024-01-01...2024-01-30")
    assert ask(url, f"SELECT day::text, count(*), min(run) FROM {TABLE} GROUP BY 1 ORDER BY 1") == [
        (f"2024-01-{day:02}", ROWS, 1) for day in range(1, 31)
    ]
    others = (
        f"SELECT md5(string_agg(ctid::text || xmin || n, ',' ORDER BY ctid)) FROM {TABLE} WHERE day <> '2024-01-15'"
    )
    before = ask(url, others)
    with reading(url) as seen:
        materialize({**environment, "RUN": "2"}, "postgres/measurements", "--partition", "2024-01-15")
    assert ask(url, others) == before
    assert set(seen) == {(ROWS, 1, 1), (ROWS, 2, 2)}
    materialize(environment, "postgres/totals")
    totals = "SELECT count(*), sum(rows), sum(rows) FILTER (WHERE run = 2) FROM postgres.totals"
    assert ask(url, totals) == [(30, 30 * ROWS, ROWS)]


@contextmanager
def reading(url: str) -> Iterator[list[tuple[int, int, int]]]:
    """What a reader sees of one day, from before the block until after it: rows, and of which runs."""
    seen: list[tuple[int, int, int]] = []
    is_over = threading.Event()
    statement = f"SELECT count(*), min(run), max(run) FROM {TABLE} WHERE day = '2024-01-15'"

    def read() -> None:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not is_over.is_set():
                cursor.execute(statement)
                seen.extend(cursor.fetchall())
            cursor.execute(statement)
            seen.extend(cursor.fetchall())
        connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield seen
    finally:
        is_over.set()
        reader.join(60)
