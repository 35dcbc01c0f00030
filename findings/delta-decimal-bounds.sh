#!/usr/bin/env bash
# A filter on a decimal column of a Delta table does not find a row that is there.
#
# Versions: deltalake 1.6.6, polars 2.1.0
# Expected: The row that holds 9007199254740993.01 is found by asking for exactly that value.
# Seen: delta-rs writes the file's bounds as JSON floats (9007199254740994.0 is both minimum and maximum),
# readers trust them and skip the file: no row, no error. Reading everything and filtering in memory finds
# the row.
# Why it matters: Amounts and numeric keys of 16 or more digits cannot be filtered safely in tables written
# by delta-rs with bounds; the platform's own commits carry the number of rows alone.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(deltalake==1.6.6 polars==2.1.0)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import json
import pathlib
import polars as pl

value = pl.lit("9007199254740993.01").cast(pl.Decimal(38, 2))
pl.select(amount=value).write_delta("table")

log = pathlib.Path("table/_delta_log/00000000000000000000.json").read_text().splitlines()
bounds = next(json.loads(action["add"]["stats"]) for action in map(json.loads, log) if "add" in action)
pushed_down = pl.scan_delta("table").filter(pl.col("amount") == value).collect().height
in_memory = pl.read_delta("table").filter(pl.col("amount") == value).height
print("bounds in the log:", bounds["minValues"], bounds["maxValues"])
print("rows found by the scan:", pushed_down, "| rows found in memory:", in_memory)

assert bounds["minValues"]["amount"] == 9007199254740994.0
assert (pushed_down, in_memory) == (0, 1), "the behaviour has changed"
PY
