"""What the benchmarks share: a server of their own, warm files, and medians.

Here: the conditions that are equal for all rivals. Not here: any rival.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2

from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.embedded.lease import find_programs
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.postgres.schema import SCHEMAS
from dataflow_assets.runtime.tags import range_tags
from dataflow_assets.settings import load_settings

_SHOWN = ("server_version", "fsync", "shared_buffers", "maintenance_work_mem", "max_wal_size", "wal_level")


@contextmanager
def server() -> Iterator[tuple[Path, str]]:
    """An empty home with a durable PostgreSQL server, and the server's URL."""
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        with embedded.acquire(home) as lease:
            yield home, lease.url


def sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements, each its own transaction; the rows of the last one."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def psql(url: str, command: str) -> None:
    """Run a command of psql, the program that came with the server."""
    subprocess.run([find_programs() / "psql", url, "-qX", "-v", "ON_ERROR_STOP=1", "-c", command], check=True)


def empty_warehouse(url: str) -> None:
    """Give a database the warehouse's tables, without rows."""
    sql(url, f"DROP SCHEMA IF EXISTS {', '.join(SCHEMAS)} CASCADE")
    upgrade(url)


def ours(module: str, home: Path, url: str, source: str, files: Iterable[tuple[date, Path]]) -> dict[str, Any]:
    """Land a source's files in a new lake and run one of our own contestants on them; what it printed.

    It is a process of its own, so that its memory is its own, and starts with an empty warehouse.
    """
    empty_warehouse(url)
    with tempfile.TemporaryDirectory(prefix="ours-", dir=home) as folder:
        os.environ["DATAFLOW_HOME"], os.environ["DATABASE_URL"] = folder, url
        landing = Landing(open_storage(load_settings()))
        keys = [landing.put(source, day, path).object for day, path in files]
        fair_start(url, *(Path(folder) / key for key in keys))
        command = [sys.executable, "-m", module, f"--keys={','.join(keys)}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def materialize(
    job: dg.JobDefinition, instance: dg.DagsterInstance, keys: Iterable[Sequence[str]], first: date, last: date
) -> None:
    """Materialize the partitions of some assets from one day to another in this process."""
    job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(key) for key in keys],
        tags=range_tags(first.isoformat(), last.isoformat()),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def timed(work: Callable[[], object]) -> float:
    """How long a piece of work takes, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fair_start(url: str, *files: Path) -> None:
    """Give each contestant the same start: a checkpoint behind it, its files in memory, disks at rest."""
    sql(url, "CHECKPOINT")
    os.sync()
    for file in files:
        with file.open("rb") as warm:
            while warm.read(8 << 20):
                pass


def median(figures: list[float]) -> float:
    """The median, to the millisecond."""
    return round(statistics.median(figures), 3)


def conditions(url: str) -> dict[str, Any]:
    """What the figures were measured on."""
    packages = ("dagster", "polars", "duckdb", "deltalake", "adbc-driver-postgresql", "dlt")
    return {
        "postgresql": {name: sql(url, f"SHOW {name}")[0][0] for name in _SHOWN},
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
