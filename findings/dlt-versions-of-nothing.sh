#!/usr/bin/env bash
# dlt's history of versions (scd2) gets a new version of a row in which nothing changed.
#
# Versions: dlt[duckdb] 1.31.0, duckdb 1.5.6
# Expected: A new version only where a stored value differs.
# Seen: The row as it came is compared, not the row as it is stored: 1 then 1.0 in one column, the decimals 1.10 then
# 1.1, and a null that is no longer sent each close a version and open one with the same stored values.
# Why it matters: A count of changes is too high, and the start of the current version is too late. Bring each record
# to one form (the same types, nulls always or never) before the load.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=("dlt[duckdb]==1.31.0" duckdb==1.5.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DLT_DATA_DIR="$work/dlt" RUNTIME__DLTHUB_TELEMETRY=false
venv/bin/python -W ignore <<'PY'
from decimal import Decimal

import dlt
import duckdb


def versions(name, *records):
    pipeline = dlt.pipeline(name, destination=dlt.destinations.duckdb(f"{name}.duckdb"), dataset_name="raw")
    disposition = {"disposition": "merge", "strategy": "scd2"}
    for record in records:
        pipeline.run([record], table_name="items", write_disposition=disposition)
    with duckdb.connect(f"{name}.duckdb") as connection:
        columns = "* EXCLUDE (_dlt_valid_from, _dlt_valid_to, _dlt_load_id, _dlt_id)"
        return connection.sql(f"SELECT {columns} FROM raw.items").fetchall()


same = versions("same", {"id": 1, "price": 1}, {"id": 1, "price": 1})
seen = {
    "1, then 1.0": versions("number", {"id": 1, "price": 1}, {"id": 1, "price": 1.0}),
    "1.10, then 1.1": versions("scale", {"id": 1, "price": Decimal("1.10")}, {"id": 1, "price": Decimal("1.1")}),
    "a null, then none": versions("absent", {"id": 1, "price": 1, "note": None}, {"id": 1, "price": 1}),
}
print("unchanged:", same, "|", seen)

assert same == [(1, 1)], same
assert all(len(rows) == 2 and rows[0] == rows[1] for rows in seen.values()), "the behaviour has changed"
PY
