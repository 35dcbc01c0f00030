#!/usr/bin/env bash
# dagster-duckdb-polars stores columns by position: a frame with the columns in another order fills the
# wrong ones.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6, dagster-duckdb-polars 0.29.27, duckdb
# 1.5.6, polars 2.1.0, pyarrow 26.0.1
# Expected: Columns go to the columns of their names, or the write is refused.
# Seen: After the day is written again with `city, store` for `store, city`, the store's name stands under
# city and the city's under store; the run is green.
# Why it matters: A reordered select or a source that changes its order corrupts the table where types
# agree: select by name before the return.
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
import duckdb
import polars as pl
from dagster_duckdb_polars import DuckDBPolarsIOManager

logging.disable(logging.CRITICAL)
days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01")
columns = ["day", "store", "city"]

@dg.asset(partitions_def=days, metadata={"partition_expr": "day"})
def orders() -> pl.DataFrame:
    return pl.DataFrame({"day": [date(2024, 1, 1)], "store": ["S1"], "city": ["Oslo"]}).select(columns)

def run():
    resources = {"io_manager": DuckDBPolarsIOManager(database="file.duckdb", schema="main")}
    with dg.DagsterInstance.ephemeral() as instance:
        success = dg.materialize([orders], instance=instance, resources=resources, partition_key="2024-01-01").success
    with duckdb.connect("file.duckdb") as connection:
        return success, connection.sql("SELECT store, city FROM orders").fetchall()

first = run()
columns = ["day", "city", "store"]
again = run()
print("success and (store, city):", first, "| after the order of columns changed:", again)

assert first == (True, [("S1", "Oslo")])
assert again == (True, [("Oslo", "S1")]), "the behaviour has changed"
PY
