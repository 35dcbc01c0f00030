#!/usr/bin/env bash
# A SQL query read in parts by ConnectorX (through Polars) or by Daft loses rows.
#
# Versions: connectorx 0.4.6, daft[sql] 0.7.26, polars 2.1.0, pyarrow 25.0.1
# Expected: The same rows as in one part: ConnectorX documents `partition_on` as "the column to partition the result",
# Daft's `partition_col` as the column "to partition the data by"; neither speaks of rows that are left out.
# Seen: Each part is a range of the column, so a row without a value there is in no part, even if one part is asked
# for. ConnectorX also drops ORDER BY, but not LIMIT, where it asks for the bounds: the newest three rows are none.
# Why it matters: A load that was made faster has fewer rows, with no error. Partition by a key that is never null, and
# never a query with LIMIT.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(connectorx==0.4.6 "daft[sql]==0.7.26" polars==2.1.0 pyarrow==25.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAFT_ANALYTICS_ENABLED=0 DO_NOT_TRACK=true DAFT_PROGRESS_BAR=0
venv/bin/python <<'PY'
import os
import sqlite3

import daft
import polars as pl

with sqlite3.connect("shop.db") as connection:
    connection.execute("CREATE TABLE orders (id INTEGER, customer INTEGER)")
    connection.executemany("INSERT INTO orders VALUES (?, ?)", [(i, i if i % 3 else None) for i in range(1, 10)])
uri = f"sqlite://{os.getcwd()}/shop.db"
orders, newest = "SELECT * FROM orders", "SELECT * FROM orders ORDER BY id DESC LIMIT 3"


def in_polars(query, **parts):
    return pl.read_database_uri(query, uri, engine="connectorx", **parts).height


def in_daft(query, **parts):
    return len(daft.read_sql(query, uri.replace("://", ":///"), **parts).to_pydict()["id"])


whole = in_polars(orders), in_daft(orders), in_polars(newest)
parts = (
    in_polars(orders, partition_on="customer", partition_num=2),
    in_daft(orders, partition_col="customer", num_partitions=2),
    in_polars(newest, partition_on="id", partition_num=2),
)
one = in_polars(orders, partition_on="customer", partition_num=1)
print("rows (Polars, Daft, the newest three by Polars): whole", whole, "| in two parts", parts, "| one part:", one)

assert whole == (9, 9, 3), whole
assert (parts, one) == ((6, 6, 0), 6), "the behaviour has changed"
PY
