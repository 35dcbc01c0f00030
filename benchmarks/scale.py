"""The warehouse with very many days: what a query, a load and a dump cost as the days grow.

    python -m benchmarks.scale --days 30 365 3650

Simulated: each day of `warehouse.streams` has its tables and its key, as a load makes them, ten rows, and statistics
that say a 3,650th of 1,000,000,000 rows; so planning is that of ten years, and reading is not. Times are by the clock
in milliseconds, medians of five: planning as the server says it, in a new session (which first reads what partitions
there are) and in one that has planned the same before.
"""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa

from benchmarks import common
from dataflow_assets.postgres.connection import connect
from dataflow_assets.postgres.embedded.lease import find_programs
from dataflow_assets.postgres.partitions import ListPartition, copy_aside, make_unique, swap_in
from dataflow_assets.warehouse.query import run_query

_FIRST = date(2014, 1, 1)
_ROWS_OF_A_DAY = 1_000_000_000 // 3650
_ROUNDS = 5
_STATEMENTS = {
    "a day": "SELECT count(*) FROM warehouse.streams WHERE event_day = date '{day}'",
    "a month": "SELECT count(*) FROM warehouse.streams WHERE event_day >= date '{month}' AND event_day < date '{day}'",
    "a key in a day": "SELECT * FROM warehouse.streams WHERE event_day = date '{day}' AND id = '{key}'",
    "a key": "SELECT * FROM warehouse.streams WHERE id = '{key}'",
    "all": "SELECT event_day, count(*) FROM warehouse.streams GROUP BY event_day",
}
_AUTOVACUUM_LOOKS = (  # at each table, every minute
    "SELECT count(*), sum(n_dead_tup) FROM pg_class LEFT JOIN pg_stat_all_tables ON relid = pg_class.oid "
    "WHERE relkind IN ('r', 't', 'm')"
)
_ADD_DAY = """
CREATE TABLE warehouse_days.{name} (LIKE warehouse.streams) PARTITION BY LIST (event_day);
ALTER TABLE warehouse.streams ATTACH PARTITION warehouse_days.{name} FOR VALUES IN ('{day}');
CREATE TABLE warehouse_days.{name}_1 (LIKE warehouse.streams) WITH (autovacuum_enabled = false);
INSERT INTO warehouse_days.{name}_1
    (id, event_day, movie_title, user_email, size_mb, start_at, end_at, delivery, position)
    SELECT gen_random_uuid(), '{day}', 'Rust', 'user@example.com', 1, '{day}', '{day}', 1, number
    FROM generate_series(1, 10) AS number;
ALTER TABLE warehouse_days.{name}_1 ADD PRIMARY KEY (id);
ANALYZE warehouse_days.{name}_1;
ALTER TABLE warehouse_days.{name} ATTACH PARTITION warehouse_days.{name}_1 FOR VALUES IN ('{day}');
SELECT pg_restore_relation_stats(
    'schemaname', 'warehouse_days', 'relname', '{name}_1', 'relpages', 1, 'reltuples', {rows}::real);
"""


def main() -> None:
    """Add days, measure at each number of them, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, nargs="+", default=[30, 365, 3650])
    arguments = parser.parse_args()
    found: dict[int, dict[str, Any]] = {}
    with common.server() as (_, url):
        common.empty_warehouse(url)
        there = 0
        for number in sorted(arguments.days):
            for first in range(there, number, 50):
                days = range(first, min(first + 50, number))
                common.sql(url, "".join(map(_add_day, days)))
            there = number
            found[number] = _measure(url, _FIRST + timedelta(days=number - 1))
        [(version,)] = common.sql(url, "SHOW server_version")
        result = {"days": found, "postgresql": version, "cores": os.cpu_count()}
    print(json.dumps(result, indent=2))  # noqa: T201


def _add_day(number: int) -> str:
    day = _FIRST + timedelta(days=number)
    return _ADD_DAY.format(name=f"streams_{day:%Y%m%d}", day=day, rows=_ROWS_OF_A_DAY)


def _measure(url: str, day: date) -> dict[str, Any]:
    [(key,)] = common.sql(url, f"SELECT id FROM warehouse.streams WHERE event_day = '{day}' LIMIT 1")
    named = {name: text.format(day=day, month=day - timedelta(days=28), key=key) for name, text in _STATEMENTS.items()}
    return {
        "planning_ms": {name: _plan(url, statement) for name, statement in named.items()},
        "query_ms": {name: _median(partial(run_query, url, statement)) for name, statement in named.items()},
        "swap_ms": _median(lambda: _swap(url, day)),
        "dump_of_tables_s": round(_once(lambda: _dump(url)) / 1000, 1),
        **_catalog(url),
    }


def _plan(url: str, statement: str) -> dict[str, float]:
    """Planning in new sessions and in used ones, and the locks and memory of one that planned it."""
    new, used = list[float](), list[float]()
    locks = memory = 0
    for _ in range(_ROUNDS):
        connection = psycopg2.connect(url)
        with connection, connection.cursor() as cursor:
            for times in (new, used):
                cursor.execute(f"EXPLAIN (SUMMARY, FORMAT json) {statement}")
                times.append(cursor.fetchall()[0][0][0]["Planning Time"])
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()")
            [(locks,)] = cursor.fetchall()
            memory = _own_memory(connection.info.backend_pid)
        connection.close()
    return {
        "new session": round(common.median(new), 2),
        "used session": round(common.median(used), 2),
        "locks": locks,
        "session_mib": round(memory / 2**10, 1),
    }


def _own_memory(process: int) -> int:
    """KiB that a process of the server has of its own."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0])


def _swap(url: str, day: date) -> None:
    """Replace the day by ten rows, as a load does, without what it reads from the lake."""
    name = f"streams_{day:%Y%m%d}"
    part = ListPartition(
        root="warehouse.streams",
        schema="warehouse_days",
        table=name,
        column="event_day",
        value=day.isoformat(),
        holds="true",
    )
    count = 10
    rows = pa.table(
        {
            "id": pa.array([number.to_bytes(16, "big") for number in range(count)], pa.binary(16)),
            "movie_title": ["Rust"] * count,
            "user_email": ["user@example.com"] * count,
            "position": list(range(count)),
        }
    )
    with connect(url) as connection:
        aside = copy_aside(
            connection, part, [rows], {"delivery": "1", "size_mb": "1", "start_at": str(day), "end_at": str(day)}
        )
        make_unique(connection, aside, ["id"], ["position DESC"])
        swap_in(connection, part, aside, f"{day} of streams")


def _dump(url: str) -> None:
    """Dump what describes the tables: what a backup does before it reads a row."""
    command: list[str | Path] = [find_programs() / "pg_dump", url, "--schema-only", "--file=/dev/null"]
    subprocess.run(command, check=True, timeout=900)


def _catalog(url: str) -> dict[str, Any]:
    size = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace"
    [(relations,)] = common.sql(url, "SELECT count(*) FROM pg_class")
    [(catalog,)] = common.sql(url, size)
    [(database,)] = common.sql(url, "SELECT pg_database_size(current_database())")
    return {
        "relations": relations,
        "catalog_mib": round(int(catalog) / 2**20, 1),
        "database_mib": round(int(database) / 2**20, 1),
        "autovacuum_looks_ms": _median(lambda: common.sql(url, _AUTOVACUUM_LOOKS)),
    }


def _median(work: Callable[[], object]) -> float:
    return round(common.median([_once(work) for _ in range(_ROUNDS)]), 1)


def _once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
