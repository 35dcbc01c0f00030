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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg2

from dataflow_assets.warehouse import embedded
from dataflow_assets.warehouse.embedded.lease import _programs

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
    subprocess.run([_programs() / "psql", url, "-qX", "-v", "ON_ERROR_STOP=1", "-c", command], check=True)


def ours(module: str, arguments: Mapping[str, object], home: Path) -> dict[str, Any]:
    """Run one of our own contestants as a process of its own, so that its memory is its own; what it printed."""
    environment = os.environ | {"DATAFLOW_HOME": str(home)}
    flags = [f"--{name}={value}" for name, value in arguments.items()]
    done = subprocess.run(
        [sys.executable, "-m", module, *flags], env=environment, check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


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
