#!/usr/bin/env bash
# A Dagster run for a range of partitions whose ends are swapped does nothing and succeeds.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6
# Expected: An error, as for a range that reaches past the last partition; or the five days, whichever end
# is first.
# Seen: The asset is called with no partition keys and the run is a success; not one partition is
# materialized. Static partitions go by their order of declaration: from "a" to "c" of [b, c, a] is empty
# too.
# Why it matters: A backfill by tags with a typing error is green and empty: check start <= end and count
# the keys before a launch.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
venv/bin/python <<'PY'
import logging

import dagster as dg

logging.disable(logging.CRITICAL)
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

def run(partitions, start, end):
    keys = []

    @dg.asset(partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
    def orders(context) -> None:
        keys.extend(context.partition_keys)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([orders], instance=instance, tags={START: start, END: end}, raise_on_error=False)
        return result.success, keys, len(instance.get_materialized_partitions(dg.AssetKey("orders")))

days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01")
right, swapped = run(days, "2024-01-03", "2024-01-05"), run(days, "2024-01-05", "2024-01-03")
beyond, static = run(days, "2024-01-30", "2024-02-03"), run(dg.StaticPartitionsDefinition(["b", "c", "a"]), "a", "c")
for name, seen in {"right": right, "swapped": swapped, "beyond the end": beyond, "static a..c": static}.items():
    print(f"{name}: success {seen[0]}, keys {seen[1]}, materialized {seen[2]}")

assert right == (True, ["2024-01-03", "2024-01-04", "2024-01-05"], 3)
assert beyond[0] is False
assert swapped == (True, [], 0), "the behaviour has changed"
assert static == (True, [], 0), "the behaviour has changed"
PY
