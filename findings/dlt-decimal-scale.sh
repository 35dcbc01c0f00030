#!/usr/bin/env bash
# dlt rounds decimals to nine places on the way into a table.
#
# Versions: dlt[duckdb] 1.31.0, duckdb 1.5.6
# Expected: Decimal("0.1234567896") is stored whole, or refused: the column has room for 38 digits.
# Seen: The column is made as DECIMAL(38, 9) and holds 0.123456790; a rate of 0.0000000004 becomes zero. No
# warning.
# Why it matters: Unit prices, exchange rates and coordinates lose their last digits: declare precision and
# scale.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dlt[duckdb]==1.31.0 duckdb==1.5.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DLT_DATA_DIR="$work/dlt" RUNTIME__DLTHUB_TELEMETRY=false
venv/bin/python <<'PY'
from decimal import Decimal

import dlt
import duckdb

rows = [{"rate": Decimal("0.1234567896")}, {"rate": Decimal("0.0000000004")}]
pipeline = dlt.pipeline("rates", destination=dlt.destinations.duckdb("file.duckdb"), dataset_name="raw")
pipeline.run(rows, table_name="rates")
with duckdb.connect("file.duckdb") as connection:
    stored = connection.sql("SELECT rate, typeof(rate) FROM raw.rates ORDER BY rate").fetchall()
print(stored)

expected = [(Decimal("0E-9"), "DECIMAL(38,9)"), (Decimal("0.123456790"), "DECIMAL(38,9)")]
assert stored == expected, "the behaviour has changed"
PY
