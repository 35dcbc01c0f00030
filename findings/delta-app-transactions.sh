#!/usr/bin/env bash
# A Delta app transaction does not stop a repeated append, and its mark survives a restore that removes the
# rows.
#
# Versions: deltalake 1.6.6, pyarrow 26.0.1
# Expected: A writer that commits (application, version) twice writes once; after a restore to the time
# before it, the mark is gone as the rows are.
# Seen: Version 5 is appended twice, then version 3 after it: three rows. After restore(0) the rows are gone
# and the table still says that version 3 was written.
# Why it matters: The mark alone gives no exactly-once load: a writer must read it before each commit, and
# must not believe it after a restore.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(deltalake==1.6.6 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

def append(version):
    mark = CommitProperties(app_transactions=[Transaction("loader", version)])
    write_deltalake("table", pa.table({"version": [version]}), mode="append", commit_properties=mark)

def state():
    table = DeltaTable("table")
    rows = sorted(table.to_pyarrow_table()["version"].to_pylist())
    return rows, table.transaction_version("loader")

write_deltalake("table", pa.table({"version": [0]}))
for version in (5, 5, 3):
    append(version)
repeated = state()
DeltaTable("table").restore(0)
restored = state()
print("rows and mark after 5, 5, 3:", repeated)
print("rows and mark after the restore:", restored)

assert repeated == ([0, 3, 5, 5], 3), "the behaviour has changed"
assert restored == ([0], 3), "the behaviour has changed"
PY
