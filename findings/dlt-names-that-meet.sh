#!/usr/bin/env bash
# dlt loads one of two fields whose names become the same, and drops the other.
#
# Versions: dlt[duckdb] 1.31.0, duckdb 1.5.6
# Expected: userId and user_id are two columns, or the load fails by its schema contract.
# Seen: Both are normalized to user_id: the later value is stored, the earlier one is gone, no error. The
# order of the fields in the record decides.
# Why it matters: APIs in transition send both spellings, one of them empty: an id may be overwritten by
# null or by another system's key.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dlt[duckdb]==1.31.0 duckdb==1.5.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DLT_DATA_DIR="$work/dlt" RUNTIME__DLTHUB_TELEMETRY=false
venv/bin/python <<'PY'
import dlt
import duckdb

def load(record, name):
    pipeline = dlt.pipeline(name, destination=dlt.destinations.duckdb(f"{name}.duckdb"), dataset_name="raw")
    pipeline.run([record], table_name="orders")
    with duckdb.connect(f"{name}.duckdb") as connection:
        return connection.sql("SELECT * EXCLUDE (_dlt_load_id, _dlt_id) FROM raw.orders").fetchall()

one, other = load({"userId": 1, "user_id": 2}, "one"), load({"user_id": 2, "userId": 1}, "other")
print("userId 1 and user_id 2:", one, "| the same, in the other order:", other)

assert (one, other) == ([(2,)], [(1,)]), "the behaviour has changed"
PY
