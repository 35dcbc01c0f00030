#!/usr/bin/env bash
# chDB reads a missing list of a Delta table as an empty one, and a missing struct as a struct of nulls.
#
# Versions: chdb 4.4.0, deltalake 1.6.6, pyarrow 26.0.1
# Expected: NULL stays NULL, as for the table's texts and numbers, and as every other reader has it.
# Seen: `tags IS NULL` finds nothing; the missing list is [] and cannot be told from the empty one beside it.
# Why it matters: "has no tags" and "nobody knows" become the same; count lists in another reader, or keep a flag.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(chdb==4.4.0 deltalake==1.6.6 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi

venv/bin/python - "$work/table" <<'PY'
import sys

import chdb
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

table = sys.argv[1]
rows = {"n": pa.array([1, 2]), "name": pa.array([None, "a"]), "tags": pa.array([None, []], pa.list_(pa.string()))}
write_deltalake(table, pa.table(rows))
print("delta-rs:", DeltaTable(table).to_pyarrow_table().to_pylist())
found = chdb.query(f"SELECT * FROM deltaLakeLocal('{table}') ORDER BY n", "ArrowTable").to_pylist()
print("chdb:    ", found)
missing = chdb.query(f"SELECT count() AS n FROM deltaLakeLocal('{table}') WHERE tags IS NULL", "ArrowTable").to_pylist()
print("tags IS NULL:", missing)

assert found[0]["name"] is None and found[0]["tags"] == [] and missing == [{"n": 0}], "the behaviour has changed"
PY
