"""The daemon's memory and the size of Dagster's tables after many materializations, before and after housekeeping.

    python -m benchmarks.housekeeping --materializations 10000

`dataflow up` runs on an empty home. A file with sessions on each day of a year is landed, and once everything that
follows from it is made, it is landed again with other values, until there are so many materializations; nobody starts
a run. Then what housekeeping forgets of Dagster's history is forgotten, as if all of it were older than
DATAFLOW_KEEP_DAYS, while everything goes on. After that the file is landed once more, to see whether the space is used
again. Sizes are those of tables with their indexes and long texts, and memory is resident, of each of the processes.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks import common
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.automation.jobs import UNFINISHED
from dataflow_assets.orchestration.maintenance.event_log_retention import forget
from dataflow_assets.postgres.connection import connect
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets_tests.orchestration.builders import session, streams_csv
from dataflow_assets_tests.processes import processes_of

_FIRST = date(2022, 1, 1)
_TABLES = ("event_logs", "asset_event_tags", "asset_check_executions", "runs", "run_tags", "job_ticks")
_PARTS = ("daemon", "code server", "webserver")
_QUIET_SECONDS = 25.0
_LONGEST_SECONDS = 1_800.0


def main() -> None:
    """Land, wait, measure, forget, land again, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--materializations", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    arguments = parser.parse_args()
    with common.server() as (home, url):
        os.environ["DATAFLOW_HOME"], os.environ["DATABASE_URL"] = str(home / "home"), url
        common.empty_warehouse(url)
        settings, figures = load_settings(), common.conditions(url)
        with open_instance(settings) as instance, _up(home):
            figures |= _measure(settings, instance, url, arguments.materializations, arguments.days)
    print(json.dumps({**vars(arguments), **figures}, indent=2))  # noqa: T201


def _measure(settings: Settings, instance: dg.DagsterInstance, url: str, wanted: int, days: int) -> dict[str, Any]:
    _wait_until_quiet(instance, url)
    stages, rounds, begun = [_stage("start", settings, url)], 0, time.monotonic()
    while stages[-1]["materializations"] < wanted:
        rounds += 1
        _land(settings, days, rounds)
        _wait_until_quiet(instance, url)
        stages.append(_stage(f"landed {rounds} times", settings, url))
    seconds = time.monotonic() - begun
    known = _known(url)
    with connect(url) as connection:
        found = [vars(freed) for freed in forget(connection, datetime.now(UTC), lambda run: _drop(settings, run))]
    forgetting = time.monotonic() - begun - seconds
    assert _known(url) == known, "the newest materialization of each partition stays"
    stages.append(_stage("forgotten", settings, url))
    common.sql(url, *(f"VACUUM ANALYZE {table}" for table in _TABLES))
    stages.append(_stage("vacuumed", settings, url))
    _land(settings, days, rounds + 1)
    _wait_until_quiet(instance, url)
    stages.append(_stage("landed once more", settings, url))
    common.sql(url, *(f"VACUUM FULL {table}" for table in _TABLES))
    stages.append(_stage("vacuumed in full", settings, url))
    return {"seconds": round(seconds), "forgetting_s": round(forgetting, 1), "freed": found, "stages": stages}


def _land(settings: Settings, days: int, number: int) -> None:
    path = settings.home / "file.csv"
    every = [_FIRST + timedelta(days=after) for after in range(days)]
    path.write_text(streams_csv(*(session(f"{day}T10:00", user=f"user{number}@x.example") for day in every)))
    Landing(open_storage(settings)).put("streams", every[-1] + timedelta(days=1), path, "year.csv")


def _wait_until_quiet(instance: dg.DagsterInstance, url: str) -> None:
    """Wait until no run is under way, and for long none has begun or said anything."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    newest, since = None, time.monotonic()
    while time.monotonic() - since < _QUIET_SECONDS:
        assert time.monotonic() < deadline, "it does not come to an end"
        time.sleep(1)
        [(now,)] = common.sql(url, "SELECT max(id) FROM event_logs")
        if now != newest or instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)):
            newest, since = now, time.monotonic()


def _known(url: str) -> list[tuple[Any, ...]]:
    statement = "SELECT asset_key, partition, max(id) FROM event_logs WHERE dagster_event_type = %s GROUP BY 1, 2"
    return sorted(common.sql(url, statement % "'ASSET_MATERIALIZATION'"))


def _drop(settings: Settings, run: str) -> int:
    folder = settings.dagster_home / "storage" / run
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    return size


def _stage(name: str, settings: Settings, url: str) -> dict[str, Any]:
    materialized = "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
    rows = {table: common.sql(url, f"SELECT count(*) FROM {table}")[0][0] for table in _TABLES}
    sizes = {table: common.sql(url, f"SELECT pg_total_relation_size('{table}')")[0][0] for table in _TABLES}
    stage = {
        "stage": name,
        "materializations": common.sql(url, materialized)[0][0],
        "rss_mib": _memory(settings.home.parent),
        "total_mb": round(sum(sizes.values()) / 1e6, 1),
        "tables": {table: {"rows": rows[table], "mb": round(sizes[table] / 1e6, 1)} for table in _TABLES},
    }
    print(json.dumps(stage), file=sys.stderr, flush=True)  # noqa: T201
    return stage


def _memory(folder: Path) -> dict[str, int]:
    """The resident memory of each part of the platform, in MiB."""
    found: dict[str, int] = {}
    for process, command in processes_of(folder).items():
        for part in (name for name in _PARTS if f"up: {name}" in command):
            status = Path(f"/proc/{process}/status").read_text()
            (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
            found[part] = max(found.get(part, 0), int(line.split()[1]) // 1024)
    return found


@contextmanager
def _up(folder: Path) -> Iterator[None]:
    """`dataflow up`, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [f"{sysconfig.get_path('scripts')}/dataflow", "up", "--port", str(port), "--api-port", "0"]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, cwd=folder)
    try:
        assert process.stdout
        assert str(port) in process.stdout.readline(), (folder / "said").read_text()
        yield
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    main()
