#!/usr/bin/env bash
# An IO manager gets the keys of a two-dimensional range in an order that changes from process to process.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6
# Expected: OutputContext.asset_partition_keys has the keys in the order that the asset saw in
# context.partition_keys.
# Seen: The asset's own keys are in order. Those of handle_output are in that of a set of texts, which changes
# with PYTHONHASHSEED, so by default from process to process.
# Why it matters: An IO manager that pairs frames with keys by position stores them under other keys: pair
# by name.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
PYTHONHASHSEED=1 venv/bin/python <<'PY'
import logging

import dagster as dg

logging.disable(logging.CRITICAL)
seen = {}

class Store(dg.ConfigurableIOManager):
    def handle_output(self, context, obj):
        seen["output"] = list(context.asset_partition_keys)

    def load_input(self, context):
        raise NotImplementedError

grid = dg.MultiPartitionsDefinition({
    "day": dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05"),
    "store": dg.StaticPartitionsDefinition(["se", "de", "no"]),
})

@dg.asset(partitions_def=grid, backfill_policy=dg.BackfillPolicy.single_run())
def orders(context):
    seen["asset"] = list(context.partition_keys)
    return 1

# The dimensions go by name: day, then store.
keys = grid.get_partition_keys()
tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
assert dg.materialize([orders], resources={"io_manager": Store()}, tags=tags).success
print("asset: ", seen["asset"])
print("output:", seen["output"])

assert seen["asset"] == list(keys)
assert sorted(seen["output"]) == sorted(keys)
assert seen["output"] != seen["asset"], "the behaviour has changed"
assert seen["output"] == list(set(seen["asset"])), "the order is no longer a set's"
PY
