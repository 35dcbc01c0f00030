#!/usr/bin/env bash
# dagster-duckdb-polars doubles rows near midnight when the partitions have a time zone.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6, dagster-duckdb-polars 0.29.27, duckdb
# 1.5.6, polars 2.1.0, pyarrow 26.0.1, tzdata 2026.6
# Expected: Writing the Berlin day 2024-01-01 again replaces its rows, 23:30 UTC on the evening before
# (00:30 in Berlin) among them.
# Seen: The delete compares the time with the day's bounds as clock time without zone: the row is not in
# them, stays, and is inserted again at each run.
# Why it matters: Repeated runs of partitions with a zone are not repeatable: store the business day as a
# date and use it as partition_expr.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6 dagster-duckdb-polars==0.29.27 duckdb==1.5.6 polars==2.1.0 pyarrow==26.0.1 tzdata==2026.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
venv/bin/python <<'PY'
import logging
from datetime import UTC, datetime

import dagster as dg
import duckdb
import polars as pl
from dagster_duckdb_polars import DuckDBPolarsIOManager

logging.disable(logging.CRITICAL)
days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01", timezone="Europe/Berlin")

@dg.asset(partitions_def=days, metadata={"partition_expr": "ordered_at"})
def orders(context) -> pl.DataFrame:
    at = datetime(2023, 12, 31, 23, 30, tzinfo=UTC)
    window = context.partition_time_window
    assert window.start <= at < window.end  # the row belongs to this partition
    return pl.DataFrame({"ordered_at": [at], "amount": [5]})

def run():
    resources = {"io_manager": DuckDBPolarsIOManager(database="file.duckdb", schema="main")}
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([orders], instance=instance, resources=resources, partition_key="2024-01-01").success
    with duckdb.connect("file.duckdb") as connection:
        connection.sql("SET TimeZone = 'UTC'")
        return connection.sql("SELECT count(*) FROM orders").fetchone()[0]

counts = [run(), run(), run()]
print("rows after one, two and three runs of the same partition:", counts)

assert counts == [1, 2, 3], "the behaviour has changed"
PY
