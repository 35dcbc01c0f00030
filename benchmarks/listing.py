"""A tick of the landing sensor over many known objects and a few new ones, in a local folder.

    python -m benchmarks.listing --objects 100000 --days 1000

The ticks run in a process of their own, whose peak memory is told as they go on: it has to stay flat.
"""

import argparse
import json
import multiprocessing
import os
import resource
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks import common
from dataflow_assets.lake.ingest import Intake
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.deliveries import build_row
from dataflow_assets.postgres.statements import as_json
from dataflow_assets.settings import load_settings
from dataflow_assets_tests.orchestration import builders

_FIRST = date(2021, 11, 1)
_NEW = 10


def main() -> None:
    """Build the folder, tick, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--ticks", type=int, default=20)
    arguments = parser.parse_args()
    with common.server() as (home, url):
        common.empty_warehouse(url)
        os.environ["DATAFLOW_HOME"], os.environ["DATABASE_URL"] = str(home), url
        _build(home, arguments.objects, arguments.days)
        _know(url)
        for number in range(_NEW):
            _land(home, _FIRST + timedelta(days=arguments.days - 1), f"new-{number}.csv")
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            ticks = pool.apply(_tick, (arguments.ticks,))
        result = {
            **vars(arguments),
            "slowest_s": max(tick["seconds"] for tick in ticks),
            "median_s": common.median([tick["seconds"] for tick in ticks]),
            "details": ticks,
            "cores": os.cpu_count(),
        }
    print(json.dumps(result, indent=2))  # noqa: T201


def _land(home: Path, day: date, name: str) -> None:
    path = home / "landing/movies" / day.isoformat() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (1, 1))


def _build(home: Path, objects: int, days: int) -> None:
    for number in range(objects):
        _land(home, _FIRST + timedelta(days=number % days), f"{number}.csv")


def _know(url: str) -> None:
    """Record everything that has landed as accepted."""
    landed = Landing(open_storage(load_settings())).deliveries()
    rows = [build_row(Intake(delivery=found, version=1, delivered=0, accepted=0, rejected=0)) for found in landed]
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        names = ", ".join(rows[0])
        cursor.execute(
            f"INSERT INTO ledger.deliveries ({names}) "
            f"SELECT {names} FROM json_populate_recordset(NULL::ledger.deliveries, %s)",
            (as_json(rows),),
        )
    connection.close()


def _tick(ticks: int) -> list[dict[str, Any]]:
    found, cursor = [], None
    with builders.platform(load_settings()) as platform:
        for _ in range(ticks):
            start = time.perf_counter()
            tick = platform.tick("landing_sensor", cursor)
            cursor = tick.cursor
            found.append(
                {
                    "seconds": round(time.perf_counter() - start, 3),
                    "runs": len(tick.requests),
                    "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
                }
            )
    return found


if __name__ == "__main__":
    main()
