#!/usr/bin/env bash
# Daily partitions of Pacific/Apia hold 2011-12-30, a day that never was there, with the time window of the day after it.
#
# Versions: dagster 1.13.27
# Expected: The partitions are the days of the zone: after 2011-12-29 comes 2011-12-31.
# Seen: 2011-12-30 is a partition, and two partitions have windows that begin at the same instant.
# Why it matters: What is loaded by window is loaded twice, or one partition is empty for ever and alerts.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi

venv/bin/python - <<'PY'
import dagster as dg

days = dg.DailyPartitionsDefinition("2011-12-28", end_date="2012-01-02", timezone="Pacific/Apia")
windows = {key: days.time_window_for_partition_key(key) for key in days.get_partition_keys()}
for key, window in windows.items():
    print(key, window.start.isoformat(), window.end.isoformat())
instants = [window.start.timestamp() for window in windows.values()]

assert "2011-12-30" in windows and len(set(instants)) < len(instants), "the behaviour has changed"
PY
