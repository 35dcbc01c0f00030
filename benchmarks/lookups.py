"""A few rows among years of days: our tables beside DuckDB over the files of our lake.

    python -m benchmarks.lookups --days 3650 --rows 300

The days are in the lake, their small files merged, and in the warehouse, with an index on `user_email`; the user who is
looked for has one session. Ours are asked twice: while each day has its own table, and after old days were merged into
months, as on the last of the days. Of each question: milliseconds by the clock, the median of seven; of ours in a
session that asked before, and the first time in a new one, which reads which partitions there are.

Here: asking, and the seconds of merging and of loading one merged day again. Not here: loading (see `load` and
`backfill`).
"""

import argparse
import json
import os
import sys
import time
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from benchmarks import common
from benchmarks.backfill import write_sessions
from dataflow_assets.core.iteration import batched
from dataflow_assets.lake.delta.maintenance import merge_small_files
from dataflow_assets.lake.delta.table import LakeTable, rows_table
from dataflow_assets.lake.ingest import ingest
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.postgres.connection import connect
from dataflow_assets.settings import load_settings
from dataflow_assets.sources import Events, find_source
from dataflow_assets.warehouse.events import load_day
from dataflow_assets.warehouse.months import merge_old_days
from dataflow_assets.warehouse.small_days import load_small_days

_FIRST = date(2015, 1, 1)
_ROUNDS = 7
_TOGETHER = 50  # days that are loaded at once
_RARE = "rare@streaming-example.org"
_WINDOW = "'{day} 10:00:00+00', '{day} 11:00:00+00'"
_IN_WINDOW = "start_at >= '{day} 10:00:00+00' AND start_at < '{day} 11:00:00+00'"
_OURS = {
    "an hour, by the function": f"SELECT * FROM warehouse.streams_between({_WINDOW})",
    "an hour, and its day": f"SELECT * FROM warehouse.streams WHERE event_day = '{{day}}' AND {_IN_WINDOW}",
    "an hour": f"SELECT * FROM warehouse.streams WHERE {_IN_WINDOW}",
    "a user, in a month": "SELECT * FROM warehouse.streams WHERE event_day BETWEEN '{day}' AND '{later}' AND {user}",
    "a user": "SELECT * FROM warehouse.streams WHERE {user}",
    "an id": "SELECT * FROM warehouse.streams WHERE id = '{id}'",
}
_TABLES = "SELECT count(*) FROM pg_partition_tree('warehouse.streams') WHERE isleaf"
_DUCKDB = {
    "an hour": f"SELECT * FROM lake WHERE {_IN_WINDOW}",
    "a user, in a month": "SELECT * FROM lake WHERE start_at BETWEEN '{day}' AND '{later}' AND {user}",
    "a user": "SELECT * FROM lake WHERE {user}",
}


def main() -> None:
    """Load, ask, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=3650)
    parser.add_argument("--rows", type=int, default=300, help="of a day")
    arguments = parser.parse_args()
    days = [_FIRST + timedelta(days=number) for number in range(arguments.days)]
    with common.server() as (folder, url):
        common.empty_warehouse(url)
        table = _load(folder, url, days, arguments.rows)
        day = days[len(days) // 2]
        named = {"day": day, "later": day + timedelta(days=30), "user": f"user_email = '{_RARE}'", "id": _id(url)}
        figures: dict[str, Any] = {"days apart": _ask_ours(url, named)}
        figures |= {"seconds": _merge(url, table, days), "merged": _ask_ours(url, named)}
        figures |= {"duckdb": _ask_duckdb(table.open().file_uris(), named)}
    print(json.dumps({"days": arguments.days, "rows": arguments.rows, **figures}, indent=2))  # noqa: T201


def _load(folder: Path, url: str, days: list[date], rows: int) -> LakeTable:
    """Take a file of all days into the lake and the warehouse; the table of the lake."""
    os.environ |= {"DATAFLOW_HOME": str(folder / "home"), "DATABASE_URL": url, "DATAFLOW_FIRST_DAY": str(_FIRST)}
    settings, source = load_settings(), find_source("streams")
    assert isinstance(source, Events)
    storage, path = open_storage(settings), folder / "sessions.csv"
    write_sessions(path, days, rows)
    with path.open("a") as file:
        middle = days[len(days) // 2]
        file.write(f"The Rare Movie,{_RARE},1.0,{middle}T10:30:00.000+0000,{middle}T11:30:00.000+0000\n")
    key = Landing(storage).put("streams", days[-1], path).object
    assert ingest(storage, source, key, "UTC", first_day=settings.first_day)
    table = rows_table(storage, source)
    merge_small_files(table)
    with connect(url) as connection:
        for together in batched(days, _TOGETHER):
            lake = table.scan(dates=(together[0], together[-1]))
            loaded = load_small_days(connection, source, lake, 1, together, "UTC")
            assert sum(map(len, loaded)) == len(together)
            sys.stderr.write(f"{together[-1]} is loaded\n")
    common.sql(url, "CREATE INDEX ON warehouse.streams (user_email)", "ANALYZE ONLY warehouse.streams")
    return table


def _id(url: str) -> str:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id::text FROM warehouse.streams WHERE user_email = %s", [_RARE])
        [(found,)] = cursor.fetchall()
    return str(found)


def _merge(url: str, table: LakeTable, days: list[date]) -> dict[str, float]:
    """Merge what is old; seconds of that, and of loading a merged day again."""
    source = find_source("streams")
    assert isinstance(source, Events)
    with connect(url) as connection:
        start = time.perf_counter()
        merge_old_days(connection, source, days[-1] - timedelta(days=31), "UTC")
        merged = time.perf_counter()
        load_day(connection, source, table.scan(), 2, days[len(days) // 2], "UTC")
        loaded = time.perf_counter()
    common.sql(url, "ANALYZE ONLY warehouse.streams")
    return {"merging": round(merged - start, 1), "one day again": round(loaded - merged, 2)}


def _ask_ours(url: str, named: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(_TABLES)
        found["tables"] = cursor.fetchall()[0][0]
    for name, statement in _OURS.items():
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            times = [_milliseconds(cursor, statement.format(**named)) for _ in range(1 + _ROUNDS)]
        found[name] = {"first": times[0], "then": common.median(times[1:])}
    return found


def _ask_duckdb(files: list[str], named: dict[str, Any]) -> dict[str, float]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        listed = ", ".join(f"'{file}'" for file in files)
        connection.execute(f"CREATE VIEW lake AS SELECT * FROM read_parquet([{listed}], hive_partitioning = false)")
        return {
            name: common.median([_milliseconds(connection, statement.format(**named)) for _ in range(_ROUNDS)])
            for name, statement in _DUCKDB.items()
        }


def _milliseconds(asked: Any, statement: str) -> float:
    start = time.perf_counter()
    asked.execute(statement)
    assert asked.fetchall()
    return round((time.perf_counter() - start) * 1000, 2)


if __name__ == "__main__":
    main()
