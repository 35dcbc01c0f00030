"""From a dropped file to its answers, under a running `dataflow up`; and what that costs while nothing is dropped.

    python -m benchmarks.latency --idle 60 --drops 3 --files 20

First the platform is left alone. Then small files of sessions are dropped one by one, each of a day of its own, the
next one when nothing is left to do. Last come many files at once, each of a day of its own again. Of each drop: the
seconds until its days are loaded, until every daily answer of them is there, and until nothing runs any more; the runs;
and the processor time of all of the platform's processes, PostgreSQL apart, until then. Prints figures as JSON.

Here: dropping, waiting and measuring. Not here: whether the answers are right (see `month`).
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2

from benchmarks.common import sql
from dataflow_assets.definitions import build_definitions
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.automation.jobs import UNFINISHED
from dataflow_assets.orchestration.runs.in_process import Materializer
from dataflow_assets.postgres import embedded
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import Settings, load_settings, variable_names
from dataflow_assets_tests.live_platform import up
from dataflow_assets_tests.orchestration.builders import Platform, session, streams_csv
from dataflow_assets_tests.processes import processes_of

_FIRST = date(2021, 12, 1)
_ROWS = 200  # of each file
_LOOK_SECONDS = 0.1
_QUIET_SECONDS = 15.0  # after which nothing more comes: a sensor looks every few seconds
_LIMIT_SECONDS = 900.0
_TICKS = os.sysconf("SC_CLK_TCK")
_ANSWERS = ("average_session", "median_session_size", "book_based_share", "sessions_in_progress", "engaged_users")
_KNOWN = {  # so that every answer has something to say
    "authors": {"metadata": {"name": "Ada"}, "nationalities": [{"slug": "danes"}]},
    "books": {"name": "Rust", "author": "Ada"},
    "reviews": {
        "content": {"text": "good"},
        "rating": {"rate": 5},
        "movies": [{"title": "Rust"}],
        "books": [{"metadata": {"title": "Rust"}}],
    },
}


@dataclass(frozen=True)
class Used:
    """What the processes of a platform have used: seconds of processor, and MiB, by Python and by PostgreSQL."""

    python: float
    postgres: float
    python_memory: float
    processes: int


def main() -> None:
    """Run and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--idle", type=float, default=60, help="seconds for which nothing happens")
    parser.add_argument("--drops", type=int, default=3)
    parser.add_argument("--files", type=int, default=20, help="at once; 0: none")
    arguments = parser.parse_args()
    with _platform() as platform:
        figures: dict[str, Any] = {"idle": _idle(platform, arguments.idle)} if arguments.idle else {}
        drops = [_drop(platform, [_FIRST + timedelta(days=10 * number)]) for number in range(arguments.drops)]
        figures["drops"] = drops
        if drops:
            names = [name for name, value in drops[0].items() if isinstance(value, float)]
            figures["median"] = {name: statistics.median(drop[name] for drop in drops) for name in names}
        if arguments.files:
            first = _FIRST + timedelta(days=100)
            days = [first + timedelta(days=number) for number in range(arguments.files)]
            figures[f"{arguments.files} files at once"] = _drop(platform, days)
    print(json.dumps(figures, indent=2))  # noqa: T201


@contextmanager
def _platform() -> Iterator[Platform]:
    """A running platform with an embedded server, which knows a movie and its book."""
    with (
        tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder,
        embedded_home(Path(folder)) as settings,
        open_instance(settings) as instance,
    ):
        platform = Platform(settings, build_definitions(settings), instance)
        known = [platform.land(name, "2021-11-30", json.dumps([row]), f"{name}.json") for name, row in _KNOWN.items()]
        Materializer(settings, lambda: platform.definitions, instance, lambda _: None).materialize(known)
        (Path(folder) / "up").mkdir()
        with up(Path(folder) / "up"):
            _wait_until(lambda: _is_quiet(platform))
            yield platform


@contextmanager
def embedded_home(folder: Path) -> Iterator[Settings]:
    """The settings of a new home whose embedded server runs, and no others."""
    for name in variable_names():
        os.environ.pop(name, None)
    folder.chmod(0o755)
    os.environ["DATAFLOW_HOME"] = str(folder / "home")
    with embedded.acquire(folder / "home"):
        yield load_settings()
        embedded.release(folder / "home")


def _idle(platform: Platform, seconds: float) -> dict[str, float]:
    time.sleep(seconds / 4)  # what starting left to do
    url, before, start = _url(platform), used(platform.settings.home), time.monotonic()
    connections = _connections(url)
    time.sleep(seconds)
    after, took = used(platform.settings.home), time.monotonic() - start
    return {
        "processor_seconds_a_second": round((after.python - before.python) / took, 3),
        "postgres_seconds_a_second": round((after.postgres - before.postgres) / took, 3),
        "new_connections_a_second": round((_connections(url) - connections - 1) / took, 2),
        "memory_mib": round(after.python_memory),
        "processes": after.processes,
    }


def _drop(platform: Platform, days: Sequence[date]) -> dict[str, Any]:
    """Drop a file of each of some event days, and what followed."""
    before, runs = used(platform.settings.home), len(platform.instance.get_runs())
    landing, start = Landing(open_storage(platform.settings)), time.monotonic()
    for day in days:
        path = platform.settings.home / "dropped"
        path.write_text(streams_csv(*(session(f"{day}T10:00", user=f"{row}@b.example") for row in range(_ROWS))))
        landing.put("streams", day + timedelta(days=1), path, "streams.csv")
    with psycopg2.connect(_url(platform)) as connection:
        connection.autocommit = True
        loaded = _wait_until(lambda: all(_are_there(connection, "warehouse.streams", "event_day", days)))
        tables = [f"analytics.{name}" for name in _ANSWERS]
        answered = _wait_until(lambda: all(all(_are_there(connection, table, "day", days)) for table in tables))
    connection.close()
    ended = _wait_until(lambda: not platform.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)))
    after = used(platform.settings.home)
    _wait_until(lambda: _is_quiet(platform))
    found = platform.instance.get_runs()[: len(platform.instance.get_runs()) - runs]
    return {
        "loaded_after": round(loaded - start, 2),
        "answered_after": round(answered - start, 2),
        "ended_after": round(ended - start, 2),
        "processor_seconds": round(after.python - before.python, 2),
        "postgres_seconds": round(after.postgres - before.postgres, 2),
        "runs": len(found),
        "failed_runs": sum(run.status is not dg.DagsterRunStatus.SUCCESS for run in found),
    }


def _are_there(connection: Any, table: str, column: str, days: Sequence[date]) -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} = ANY(%s)", (list(days),))
        found = {day for (day,) in cursor.fetchall()}
    yield from (day in found for day in days)


def _wait_until(holds: Callable[[], bool]) -> float:
    """Wait for something; the instant at which it held."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {_LIMIT_SECONDS:.0f} seconds"
        time.sleep(_LOOK_SECONDS)
    return time.monotonic()


def _is_quiet(platform: Platform) -> bool:
    """Whether nothing runs, and nothing was asked for in some seconds."""
    before = len(platform.instance.get_runs())
    time.sleep(_QUIET_SECONDS)
    unfinished = platform.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED))
    return not unfinished and len(platform.instance.get_runs()) == before


def _url(platform: Platform) -> str:
    return embedded.url(platform.settings.home)


def _connections(url: str) -> int:
    return int(sql(url, "SELECT sum(sessions) FROM pg_stat_database")[0][0])


def used(home: Path) -> Used:
    """What the processes of a home have used, with those of their children that have ended."""
    python = postgres = memory = 0.0
    found = processes_of(home)
    for process, command in found.items():
        try:
            seconds = sum(map(int, Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:15])) / _TICKS
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        if "postgres" in command.split(" ", 1)[0]:
            postgres += seconds
        else:
            python += seconds
            memory += int(rollup.split("Pss:")[1].split()[0]) / 1024
    return Used(python, postgres, memory, len(found))


if __name__ == "__main__":
    main()
