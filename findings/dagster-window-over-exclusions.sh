#!/usr/bin/env bash
# The time window of a Dagster range run includes days that its partitions exclude.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6
# Expected: A window from which rows are deleted or selected holds the days of the run's partitions alone,
# or is refused as not contiguous.
# Seen: With weekends excluded, Thursday to Tuesday is four keys, and one partition_time_window of six days,
# Saturday and Sunday included.
# Why it matters: `DELETE … WHERE day >= start AND day < end`, the usual pattern and that of Dagster's own
# database IO managers, removes rows of days that the run never writes again: go by keys.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
venv/bin/python <<'PY'
import logging
from datetime import datetime

import dagster as dg

logging.disable(logging.CRITICAL)
seen = {}
workdays = dg.TimeWindowPartitionsDefinition(
    cron_schedule="0 0 * * *", start=datetime(2024, 1, 1), end=datetime(2024, 1, 20), fmt="%Y-%m-%d", exclusions=["0 0 * * 6,0"]
)

@dg.asset(partitions_def=workdays, backfill_policy=dg.BackfillPolicy.single_run())
def orders(context) -> None:
    seen["keys"], seen["window"] = context.partition_keys, context.partition_time_window

tags = {"dagster/asset_partition_range_start": "2024-01-04", "dagster/asset_partition_range_end": "2024-01-09"}
assert dg.materialize([orders], tags=tags).success
days = (seen["window"].end - seen["window"].start).days
print("keys:", seen["keys"], "| window:", seen["window"].start.date(), "to", seen["window"].end.date(), f"({days} days)")

assert seen["keys"] == ["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"]
assert days == 6, "the behaviour has changed"
PY
