#!/usr/bin/env bash
# The newest dagster-polars stores Parquet with Polars 2 and cannot load it.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6, dagster-polars 0.27.12, polars 2.1.0,
# pyarrow 26.0.1
# Expected: What PolarsParquetIOManager wrote it reads; its own requirement is polars>=1.0.0.
# Seen: The run that writes is green, each run that reads fails: `rechunk` of scan_parquet was removed in
# Polars 2.
# Why it matters: The fault shows downstream, after the upstream assets were made: stay below Polars 2 with
# it, or use an IO manager of your own.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6 dagster-polars==0.27.12 polars==2.1.0 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
venv/bin/python <<'PY'
import logging

import dagster as dg
import polars as pl
from dagster_polars import PolarsParquetIOManager

logging.disable(logging.CRITICAL)

@dg.asset
def orders() -> pl.DataFrame:
    return pl.DataFrame({"amount": [5]})

@dg.asset
def total(orders: pl.DataFrame) -> None:
    print("total:", orders["amount"].sum())

def run(asset):
    resources = {"io_manager": PolarsParquetIOManager(base_dir="store")}
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize([orders, total], selection=[asset], instance=instance, resources=resources, raise_on_error=False)

written, read = run(orders), run(total)
failures = [event.step_failure_data.error for event in read.all_events if event.is_step_failure]
reasons = []
while failures and failures[0]:
    reasons.append(failures[0].message.splitlines()[0])
    failures = [failures[0].cause]
print("written:", written.success, "| read:", read.success, reasons[-1:])

assert written.success
assert not read.success and "rechunk" in reasons[-1], "the behaviour has changed"
PY
