#!/usr/bin/env bash
# dagster-deltalake-polars reads and replaces only the first day of a range.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6, dagster-deltalake-polars 0.29.27, deltalake
# 1.6.6, polars 2.1.0, pyarrow 26.0.1
# Expected: An unpartitioned asset downstream gets all days; a range run replaces all its days.
# Seen: Of two stored days the downstream asset gets one. A range run of both with an empty frame removes the
# first and leaves the second; with rows for both it is refused by a check of the first day alone.
# Why it matters: Totals of history are those of one day, without an error: read the table with Polars, and
# write one day a run.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6 dagster-deltalake-polars==0.29.27 deltalake==1.6.6 polars==2.1.0 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
venv/bin/python <<'PY'
import logging
from datetime import date

import dagster as dg
import polars as pl
from dagster_deltalake import LocalConfig
from dagster_deltalake_polars import DeltaLakePolarsIOManager

logging.disable(logging.CRITICAL)
days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-03")
resources = {"io_manager": DeltaLakePolarsIOManager(root_uri="lake", storage_options=LocalConfig())}
frame, read = pl.DataFrame(), []

@dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run(), metadata={"partition_expr": "day"})
def orders() -> pl.DataFrame:
    return frame

@dg.asset
def total(orders: pl.DataFrame) -> None:
    read.extend(orders["day"].dt.day().sort().to_list())

def run(selection, key=None, tags=None):
    return dg.materialize([orders, total], selection=[selection], resources=resources, partition_key=key, tags=tags, raise_on_error=False).success

stored = lambda: pl.read_delta("lake/public/orders")["day"].dt.day().sort().to_list()
both_days = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-02"}

for number in (1, 2):
    frame = pl.DataFrame({"day": [date(2024, 1, number)], "amount": [number]})
    assert run(orders, key=f"2024-01-0{number}")
before = stored()
assert run(total)
print("days stored:", before, "| days that the downstream asset got:", read)

frame = pl.DataFrame({"day": [date(2024, 1, 1), date(2024, 1, 2)], "amount": [11, 22]})
with_rows = run(orders, tags=both_days)
frame = frame.clear()
without_rows = run(orders, tags=both_days)
print("range of both days with rows:", with_rows, "| without rows:", without_rows, "| days left:", stored())

assert (before, read) == ([1, 2], [1]), "the behaviour has changed"
assert (with_rows, without_rows) == (False, True), "the behaviour has changed"
assert stored() == [2], "the behaviour has changed"
PY
