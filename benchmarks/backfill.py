"""A backfill of many small days: what one costs as the range grows, and what Dagster adds to the work itself.

    python -m benchmarks.backfill --days 30 365

Timed: a run of `warehouse/streams` and a run of the daily answers, each over all days, in this process, as
`dataflow materialize` does it; Dagster's records are in the same PostgreSQL. Beside it "the work itself": the same
days without Dagster, one by one, where a run makes small ones together: `load_day` for each day, on one connection;
then for each answer `compute_partition` of each day from the warehouse's tables, and `load_answer` of each day. Both
take turns, each time in a new database, and first do an empty day before the range, which is not timed. Nor are the
lake, migrations, imports and Dagster's start: these two are shown, the start with the runs of that first day.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import common
from benchmarks.tables import load, snapshots
from dataflow_assets.analytics import Answer, all_answers, compute_partition
from dataflow_assets.definitions import build_definitions
from dataflow_assets.lake.delta.table import rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.orchestration.planning.inputs import days_read
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.runtime.instance import open_instance
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets.sources import Events, find_source
from dataflow_assets.warehouse.answers import load_answer
from dataflow_assets.warehouse.bootstrap import open_warehouse
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.scan import open_table

_FIRST = date(2022, 1, 1)
_BEFORE = [date(2021, 12, 31)]
_MOVIES = 90
_ANSWERS = [answer for answer in all_answers() if answer.grain == "day"]


def main() -> None:
    """Measure each range and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, nargs="+", default=[30, 365])
    parser.add_argument("--rows", type=int, default=200, help="of one day")
    parser.add_argument("--apart", action="store_true", help="deliver each day in a file of its own")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with common.server() as (home, url):
        found = {}
        for number in arguments.days:
            days = [_FIRST + timedelta(days=after) for after in range(number)]
            os.environ["DATAFLOW_HOME"] = str(home / f"days-{number}")
            _fill_lake(url, days, arguments.rows, files=number if arguments.apart else 1)
            rounds = [_round(url, days) for _ in range(arguments.rounds)]
            found[number] = _figures(rounds, number)
        least, most = found[min(found)], found[max(found)]
        result = {
            "rows_per_day": arguments.rows,
            "apart": arguments.apart,
            "imports_s": round(_imports(), 2),
            "growth": round(most["ms_per_day"] / least["ms_per_day"], 2),
            "growth_of_work": round(most["work_ms_per_day"] / least["work_ms_per_day"], 2),
            "days": found,
            **common.conditions(url),
        }
    print(json.dumps(result, indent=2))  # noqa: T201


def _imports() -> float:
    command = [sys.executable, "-c", "import dataflow_assets.definitions"]
    return common.timed(lambda: subprocess.run(command, check=True))


def _figures(rounds: Sequence[dict[str, float]], number: int) -> dict[str, Any]:
    medians = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    run, work = (medians[f"{kind}_warehouse_s"] + medians[f"{kind}_answers_s"] for kind in ("run", "work"))
    return {
        "ms_per_day": round(run / number * 1000, 1),
        "work_ms_per_day": round(work / number * 1000, 1),
        "overhead_ms_per_day": round((run - work) / number * 1000, 1),
        **{name: round(seconds, 3) for name, seconds in medians.items()},
        "rounds": [{name: round(seconds, 3) for name, seconds in found.items()} for found in rounds],
    }


def _round(url: str, days: Sequence[date]) -> dict[str, float]:
    """The seconds of the work itself and of the runs, each in a new database."""
    return _work(_new_database(url), days) | _runs(_new_database(url), days)


def _new_database(server: str) -> Settings:
    """Settings with a new database that holds the snapshots."""
    name = f"bench_{uuid.uuid4().hex}"
    common.sql(server, f"CREATE DATABASE {name} TEMPLATE template0")
    os.environ["DATABASE_URL"] = url = f"{server.rsplit('/', 1)[0]}/{name}"
    upgrade(url)
    settings = load_settings()
    for source, rows in snapshots(_MOVIES).items():
        load(open_warehouse(settings), source, rows, _FIRST, settings.timezone)
    common.fair_start(url)
    return settings


def _fill_lake(url: str, days: Sequence[date], rows: int, *, files: int) -> None:
    """Land the days' sessions in some files and take them into the lake of the present home."""
    os.environ["DATABASE_URL"] = url
    settings = load_settings()
    settings.home.mkdir(parents=True)
    source, landing = find_source("streams"), Landing(open_storage(settings))
    for number in range(files):
        path = settings.home / f"{number:05}.csv"
        write_sessions(path, days[number::files], rows)
        key = landing.put("streams", days[-1], path).object
        assert ingest(open_storage(settings), source, key, settings.timezone, first_day=settings.first_day)


def write_sessions(path: Path, days: Iterable[date], rows: int) -> None:
    """Write a file of sessions, so many on each of some days."""
    of_day = pl.int_range(rows, eager=True).alias("n").to_frame()
    sessions = of_day.join(pl.DataFrame({"day": list(days)}), how="cross")
    start = pl.col("day").cast(pl.Datetime("ms")) + pl.duration(seconds=pl.col("n") * (86_400 // rows))
    form = "%Y-%m-%dT%H:%M:%S%.3f+0000"
    sessions.select(
        movie_title=pl.format("The Remarkable Movie Number {}", pl.col("n") % _MOVIES),
        user_email=pl.format("user.{}@streaming-example.org", pl.col("n") % 150),
        size_mb=pl.col("n") * 1.5,
        start_at=start.dt.strftime(form),
        end_at=(start + pl.duration(minutes=10 + pl.col("n") % 300)).dt.strftime(form),
    ).write_csv(path)


def _work(settings: Settings, days: Sequence[date]) -> dict[str, float]:
    _load_days(settings, _BEFORE)
    _answer_days(settings, _BEFORE)
    return {
        "work_warehouse_s": common.timed(lambda: _load_days(settings, days)),
        "work_answers_s": common.timed(lambda: _answer_days(settings, days)),
    }


def _load_days(settings: Settings, days: Sequence[date]) -> None:
    source = find_source("streams")
    assert isinstance(source, Events)
    table = rows_table(open_storage(settings), source)
    version = table.open().version()
    lake = table.scan(version)
    with connect(open_warehouse(settings)) as connection:
        for day in days:
            load_day(connection, source, lake, version, day, settings.timezone)


def _answer_days(settings: Settings, days: Sequence[date]) -> None:
    for answer in _ANSWERS:
        _answer(settings, answer, days)


def _answer(settings: Settings, answer: Answer, days: Sequence[date]) -> None:
    url, timezone = open_warehouse(settings), settings.timezone
    tables = {name: open_table(url, find_source(name), timezone) for name in answer.reads}

    def answered(day: date) -> pl.DataFrame:
        frames = {name: table.scan(days_read(answer, day, timezone)) for name, table in tables.items()}
        return compute_partition(answer, frames, day, timezone).collect(engine="streaming")

    rows = pl.concat(map(answered, days))
    with connect(url) as connection:
        for day in days:
            load_answer(connection, answer.name, answer.grain, day, rows.filter(pl.col(answer.grain) == day), {})


def _runs(settings: Settings, days: Sequence[date]) -> dict[str, float]:
    start = time.perf_counter()
    job = build_definitions(settings).resolve_implicit_global_asset_job_def()
    warehouse, answers = [["warehouse", "streams"]], [["analytics", answer.name] for answer in _ANSWERS]
    with open_instance(settings) as instance:
        common.materialize(job, instance, warehouse, _BEFORE[0], _BEFORE[-1])
        common.materialize(job, instance, answers, _BEFORE[0], _BEFORE[-1])
        return {
            "start_s": time.perf_counter() - start,
            "run_warehouse_s": common.timed(lambda: common.materialize(job, instance, warehouse, days[0], days[-1])),
            "run_answers_s": common.timed(lambda: common.materialize(job, instance, answers, days[0], days[-1])),
        }


if __name__ == "__main__":
    main()
