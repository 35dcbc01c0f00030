#!/usr/bin/env bash
# dlt loads a number into a boolean column as true.
#
# Versions: dlt[duckdb] 1.31.0, duckdb 1.5.6
# Expected: The value 5 that follows true goes to a column of its own (a variant, as text after numbers
# does), or fails.
# Seen: true, then 5 and 0.5, are stored as true, true, true. Text in the same place gets its variant
# column.
# Why it matters: A flag that a source turns into a count loses the count for good: declare the column's
# type.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dlt[duckdb]==1.31.0 duckdb==1.5.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DLT_DATA_DIR="$work/dlt" RUNTIME__DLTHUB_TELEMETRY=false
venv/bin/python <<'PY'
import dlt
import duckdb

rows = [{"flag": True}, {"flag": 5}, {"flag": 0.5}, {"flag": "maybe"}]
pipeline = dlt.pipeline("orders", destination=dlt.destinations.duckdb("file.duckdb"), dataset_name="raw")
pipeline.run(rows, table_name="orders")
with duckdb.connect("file.duckdb") as connection:
    stored = connection.sql("SELECT * EXCLUDE (_dlt_load_id, _dlt_id) FROM raw.orders")
    columns, stored = stored.columns, stored.fetchall()
print(columns, stored)

assert columns == ["flag", "flag__v_text"]
assert [row[0] for row in stored] == [True, True, True, None], "the behaviour has changed"
PY
