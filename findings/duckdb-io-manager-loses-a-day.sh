#!/usr/bin/env bash
# A failed write of dagster-duckdb-polars loses the day that was stored before.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6, dagster-duckdb-polars 0.29.27, duckdb
# 1.5.6, polars 2.1.0, pyarrow 26.0.1
# Expected: Delete and insert are one transaction: a refused insert leaves the old rows.
# Seen: The source gains a column, the insert is refused, the run fails, and the day's old rows are gone:
# the delete was committed apart.
# Why it matters: A failed run, which says that nothing was written, leaves a hole in the table: keep
# another copy, or write a file and rename it.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6 dagster-duckdb-polars==0.29.27 duckdb==1.5.6 polars==2.1.0 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
venv/bin/python <<'PY'
import logging
from datetime import date

import dagster as dg
import polars as pl
from dagster_duckdb_polars import DuckDBPolarsIOManager

logging.disable(logging.CRITICAL)
new_columns = {}

@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01"), metadata={"partition_expr": "day"})
def orders(context) -> pl.DataFrame:
    day = date.fromisoformat(context.partition_key)
    return pl.DataFrame({"day": [day], "amount": [5], **new_columns})

def run(key):
    resources = {"io_manager": DuckDBPolarsIOManager(database="file.duckdb", schema="main")}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([orders], instance=instance, resources=resources, partition_key=key, raise_on_error=False)
        return result.success

stored = [run("2024-01-01"), run("2024-01-02")]
new_columns = {"currency": ["EUR"]}
again = run("2024-01-01")
print("runs:", stored, "| the first day again, with a new column:", again)

assert (stored, again) == ([True, True], False)
PY
venv/bin/python <<'PY'
import duckdb

with duckdb.connect("file.duckdb", read_only=True) as connection:
    days = [str(row[0]) for row in connection.sql("SELECT day FROM orders ORDER BY day").fetchall()]
print("days left in the table:", days)

assert days == ["2024-01-02"], "the behaviour has changed"
PY
