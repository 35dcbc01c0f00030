#!/usr/bin/env bash
# Weekly and monthly Dagster partitions that start in the middle of a period leave its days out.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6
# Expected: The start date is in the first partition, or the definition is refused: 2024-01-03 is a
# Wednesday.
# Seen: Weeks from 2024-01-03 begin on Sunday, 2024-01-07, months from 2024-01-15 on 2024-02-01: the days
# before are in no partition, without a warning.
# Why it matters: Rows of the first days are never computed, and a backfill of everything does not find
# them: start on the first day of a period.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
venv/bin/python <<'PY'
from datetime import date

import dagster as dg

def first_day(partitions):
    return partitions.get_first_partition_window().start.date()

weeks = first_day(dg.WeeklyPartitionsDefinition("2024-01-03", end_date="2024-03-01"))
months = first_day(dg.MonthlyPartitionsDefinition("2024-01-15", end_date="2024-05-01"))
print("weeks from 2024-01-03 begin on", weeks, "| months from 2024-01-15 begin on", months)

assert weeks == date(2024, 1, 7), "the behaviour has changed"
assert months == date(2024, 2, 1), "the behaviour has changed"
PY
