#!/usr/bin/env bash
# dlt compares the times of an incremental load as text: a later row is left out.
#
# Versions: dlt[duckdb] 1.31.0, duckdb 1.5.6
# Expected: A row whose time is later than that of the last load is loaded. The column is stored as a timestamp.
# Seen: After 09:00:00Z a row of 09:00:00.500Z is left out ("." sorts before "Z"), and after 12:00+02:00, which is 10:00
# in UTC, a row of 11:00+00:00. The same times as datetime objects load both rows.
# Why it matters: A source that writes fractions only where there are any, or local offsets, loses rows for good, with
# no error. Make datetimes of the cursor before the incremental sees it (`add_map(..., insert_at=1)`).
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=("dlt[duckdb]==1.31.0" duckdb==1.5.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DLT_DATA_DIR="$work/dlt" RUNTIME__DLTHUB_TELEMETRY=false
venv/bin/python -W ignore <<'PY'
from datetime import datetime

import dlt
import duckdb


def parsed(row):
    return {**row, "changed": datetime.fromisoformat(row["changed"])}


def load(name, times, mapped=False):
    pipeline = dlt.pipeline(name, destination=dlt.destinations.duckdb(f"{name}.duckdb"), dataset_name="raw")
    for number, time in enumerate(times, 1):

        @dlt.resource(name="orders")
        def orders(changed=dlt.sources.incremental("changed")):
            yield {"id": number, "changed": time}

        resource = orders()
        pipeline.run(resource.add_map(parsed, insert_at=1) if mapped else resource)
    with duckdb.connect(f"{name}.duckdb") as connection:
        kind = connection.sql("SELECT changed FROM raw.orders").types[0]
        return [row[0] for row in connection.sql("SELECT id FROM raw.orders ORDER BY id").fetchall()], str(kind)


fractions = "2026-03-02T09:00:00Z", "2026-03-02T09:00:00.500Z"
offsets = "2026-03-02T12:00:00+02:00", "2026-03-02T11:00:00+00:00"
text = load("fractions", fractions), load("offsets", offsets)
real = load("real_fractions", fractions, mapped=True), load("real_offsets", offsets, mapped=True)
print("orders 1 and 2, one a load: as text", *text, "| as datetimes", *real)

kind = "TIMESTAMP WITH TIME ZONE"
assert real == (([1, 2], kind), ([1, 2], kind)), real
assert text == (([1], kind), ([1], kind)), "the behaviour has changed"
PY
