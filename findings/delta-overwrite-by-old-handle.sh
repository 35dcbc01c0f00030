#!/usr/bin/env bash
# Overwriting a Delta table through a handle opened earlier leaves the rows that others appended since.
#
# Versions: deltalake 1.6.6, pyarrow 26.0.1
# Expected: An overwrite leaves its own rows alone, or fails with a commit conflict.
# Seen: Opened at version 0, another writer appends 2, the overwrite with 9 succeeds: the table holds 9 and
# 2. By path, the same overwrite leaves 9 alone.
# Why it matters: A long-lived handle makes `overwrite` a kind of append; open the table again (or pass its
# path) for each write.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(deltalake==1.6.6 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

def overwrite(path, target):
    write_deltalake(path, pa.table({"v": [1]}))
    table = DeltaTable(path)
    write_deltalake(path, pa.table({"v": [2]}), mode="append")
    write_deltalake(table if target == "handle" else path, pa.table({"v": [9]}), mode="overwrite")
    return sorted(DeltaTable(path).to_pyarrow_table()["v"].to_pylist())

by_handle, by_path = overwrite("one", "handle"), overwrite("two", "path")
print("overwritten through the old handle:", by_handle, "| by path:", by_path)

assert by_handle == [2, 9], "the behaviour has changed"
assert by_path == [9], "the behaviour has changed"
PY
