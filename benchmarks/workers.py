"""A backfill of many small days by Celery workers: what it takes with one, two and four processes, and without.

    python -m benchmarks.workers --days 120 --workers 1 2 4

Timed: `dataflow backfill` of `warehouse/streams` over all days, again and again on the same lake, by one worker with
so many processes, which has made a run already; "here" is the same command without Redis, and of one process it makes
no use either. "A quarter" is that for a quarter of the days: what it takes less is what the other days cost. "Two
commands" know nothing of each other and run at once, each for half of the days: what they gain is what this machine
has to give to two processes. Shown are seconds of the clock and of the processor, of Python and of PostgreSQL, and how
many cores were idle meanwhile: on a busy machine the clock says little. With `--present 3650` other days are there
before, with few rows and as a night's housekeeping leaves them, so that two runs of this program show whether a day
costs more among many; with `--no-housekeeping` each keeps a table of its own.

Here: the contestants. Not here: what Dagster adds to the work (see `backfill`).
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from benchmarks.backfill import write_sessions
from benchmarks.common import sql
from benchmarks.latency import used
from dataflow_assets.core.ports import free_port
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.resources import open_stores
from dataflow_assets.postgres import embedded
from dataflow_assets.runtime.celery.signs import connect, read_workers
from dataflow_assets.settings import load_settings, variable_names
from dataflow_assets.sources import find_source
from dataflow_assets_tests.processes import kill
from dataflow_assets_tests.redis_server import redis

_FIRST = date(2022, 1, 1)
_ROWS_OF_OTHERS = 10
_SCRIPT = Path(sysconfig.get_path("scripts")) / "dataflow"


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--rows", type=int, default=20_000, help="of one day")
    parser.add_argument("--present", type=int, default=0, help="days that have a table before; at least --days")
    parser.add_argument("--no-housekeeping", action="store_true", help="those days keep tables of their own")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4], help="processes")
    arguments = parser.parse_args()
    for name in variable_names():
        os.environ.pop(name, None)
    days = [_FIRST + timedelta(days=number) for number in range(arguments.days)]
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
        home = Path(folder) / "home"
        home.parent.chmod(0o755)
        os.environ["DATAFLOW_HOME"] = str(home)
        others = [_FIRST - timedelta(days=number) for number in range(arguments.present - len(days), 0, -1)]
        os.environ["DATAFLOW_FIRST_DAY"] = str([*others, _FIRST][0])
        with embedded.acquire(home):
            _fill_lake(days, arguments.rows)
            if others:
                _fill_lake(others, _ROWS_OF_OTHERS)
                _backfill(others)
                if not arguments.no_housekeeping:
                    subprocess.run([_SCRIPT, "housekeeping"], check=True, capture_output=True)
                    sql(embedded.url(home), "VACUUM")  # as the server does by itself, at a time of its own
            _backfill(days)
            middle = len(days) // 2
            figures = {
                "here": _timed(home, days),
                "here, a quarter": _timed(home, days[: len(days) // 4]),
                "here, two commands": _timed(home, days[:middle], days[middle:]),
            }
            for contestant, of_it in figures.items():
                _show(contestant, of_it)
            for processes in arguments.workers:
                with _working(home, processes):
                    _backfill(days[: 16 * processes])  # every process has made a run
                    figures[f"{processes} processes"] = _timed(home, days)
                    _show(f"{processes} processes", figures[f"{processes} processes"])
            embedded.release(home)
    print(json.dumps({**vars(arguments), **figures}, indent=2))  # noqa: T201


def _fill_lake(days: list[date], rows: int) -> None:
    """Take a file of all days into the lake."""
    settings, source = load_settings(), find_source("streams")
    open_stores(settings)
    path = settings.home / "sessions.csv"
    write_sessions(path, days, rows)
    storage = open_storage(settings)
    key = Landing(storage).put("streams", max(days), path).object
    assert ingest(storage, source, key, settings.timezone, first_day=settings.first_day)


@contextmanager
def _working(home: Path, processes: int) -> Iterator[None]:
    """Redis and a worker, to which commands of this process send their runs meanwhile."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with redis(port), (home.parent / "worker").open("a") as log:
        os.environ["REDIS_URL"] = url
        worker = subprocess.Popen([_SCRIPT, "worker", "--concurrency", str(processes)], stderr=log)
        try:
            while not read_workers(connect(url)):
                assert worker.poll() is None, (home.parent / "worker").read_text()[-2000:]
                time.sleep(0.1)
            yield
        finally:
            kill(worker.pid)
            worker.wait()
            del os.environ["REDIS_URL"]


def _timed(home: Path, *requests: list[date]) -> dict[str, float]:
    """What it takes to make days again, by a command for each of the requests, all at once."""
    # Else every day is left as it is.
    sql(embedded.url(home), f"DELETE FROM ledger.event_days WHERE event_day >= '{_FIRST}'")
    before, start, idle = used(home), time.perf_counter(), _idle_seconds()
    commands = _backfill(*requests)
    took, after = time.perf_counter() - start, used(home)
    return {
        "seconds": round(took, 1),
        "python_seconds": round(after.python - before.python + commands, 2),
        "postgres_seconds": round(after.postgres - before.postgres, 2),
        "idle_cores": round((_idle_seconds() - idle) / took, 2),
        "memory_mib": round(after.python_memory),
    }


def _backfill(*requests: list[date]) -> float:
    """Make days again, by a command for each of the requests; the processor seconds of the commands themselves."""
    before = os.times()
    with ThreadPoolExecutor(len(requests)) as at_once:
        for done in at_once.map(_run_backfill, requests):
            assert done.returncode == 0, done.stderr[-2000:]
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _run_backfill(days: list[date]) -> subprocess.CompletedProcess[str]:
    command = [str(_SCRIPT), "backfill", "--asset", "warehouse/streams", "--from", str(days[0]), "--to", str(days[-1])]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _show(contestant: str, figures: dict[str, float]) -> None:
    sys.stderr.write(f"{contestant}: {figures}\n")


def _idle_seconds() -> float:
    """How long the cores had nothing to do since the machine started, all of them together."""
    return float(Path("/proc/uptime").read_text().split()[1])


if __name__ == "__main__":
    main()
