#!/usr/bin/env bash
# `dagster asset materialize --select` of a group without assets materializes every asset.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6
# Expected: Nothing runs and the command fails, as it does for the name of an asset that does not exist
# (`--select nope`).
# Seen: `--select group:finanace`, a typing error, runs all assets and exits 0.
# Why it matters: One wrong letter in a script starts the whole platform: list the selection first and stop
# if it is empty.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
cat >code.py <<'PY'
import dagster as dg


@dg.asset(group_name="finance")
def invoices() -> None:
    print("made invoices")


@dg.asset(group_name="logistics")
def parcels() -> None:
    print("made parcels")


defs = dg.Definitions(assets=[invoices, parcels], executor=dg.in_process_executor)
PY
status=0 && venv/bin/dagster asset materialize -f code.py --select "group:finanace" >log 2>&1 || status=$?
echo "group:finanace: exit $status, $(grep -c '^made ' log) assets made"
[ "$status" = 0 ] && [ "$(grep -c '^made ' log)" = 2 ] || { echo "the behaviour has changed"; exit 1; }
