#!/usr/bin/env bash
# DuckDB filters a Parquet file by the statistics of the file that was there before.
#
# Versions: duckdb 1.5.6 (1.4.4 does so too, 2.0.0 does not), pyarrow 26.0.1
# Expected: A query reads the file as it is. DuckDB keeps parts of files in memory, and describes the default of
# `validate_external_file_cache` as "validate all cache entries".
# Seen: A file that is written again in place, within the second and of the same size, keeps its old footer: of the
# amounts 8 and 9 `amount > 5` finds none and `amount < 5` both, whatever time goes by and through each cursor of the
# database, while the sum is right. A column that is microseconds now, milliseconds before, gives the year 58136.
# Why it matters: Tables of a fixed number of rows are often of one size. What rewrites a small file and checks it in the
# same process gets wrong rows, with no error. Write to another name and rename, or set enable_external_file_cache = false.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(duckdb==1.5.6 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import os
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

more, less, total = "amount > 5", "amount < 5", "SELECT sum(amount) FROM 'orders.parquet'"


def write(amounts, rename=False):
    name = "new.parquet" if rename else "orders.parquet"
    pq.write_table(pa.table({"amount": amounts}), name)
    if rename:
        os.replace(name, "orders.parquet")


def ask(connection):
    found = [connection.sql(f"FROM 'orders.parquet' WHERE {condition}").fetchall() for condition in (more, less)]
    return [[row[0] for row in rows] for rows in found] + [connection.sql(total).fetchall()[0][0]]


def again(pause=0.2, rename=False, **settings):
    connection = duckdb.connect(config=settings)
    time.sleep(1.05 - time.time() % 1)  # both files in one second, unless a longer pause is asked for
    write([1, 2], rename)
    before = ask(connection), os.stat("orders.parquet").st_size
    time.sleep(pause)
    write([8, 9], rename)
    assert before == ([[], [1, 2], 3], os.stat("orders.parquet").st_size), before
    ask(connection)
    time.sleep(2)
    return ask(connection.cursor())


def instant():
    connection = duckdb.connect()
    time.sleep(1.05 - time.time() % 1)
    for unit, value in (("ms", 1772443815000), ("us", 1772443815000000)):
        pq.write_table(pa.table({"seen": pa.array([value], pa.timestamp(unit))}), "events.parquet")
        found = connection.sql("SELECT seen::text FROM 'events.parquet'").fetchall()[0][0]
    return found


right = [[8, 9], [], 17]
stale, later, renamed, without = again(), again(pause=1.2), again(rename=True), again(enable_external_file_cache="false")
moment = instant()
print(f"{more}, {less}, sum: within the second", stale, "| a second later", later)
print("renamed", renamed, "| without the cache", without, "| 2026-03-02 09:30:15 in another unit:", moment)

assert later == renamed == without == right, (later, renamed, without)
assert stale == [[], [8, 9], 17], "the behaviour has changed"
assert moment == "58136-07-05 00:10:00", "the behaviour has changed"
PY
