#!/usr/bin/env bash
# PyIceberg's delete removes rows without a value that a scan by the same filter does not show, by how files are cut.
#
# Versions: pyiceberg 0.12.0, pyarrow 26.0.1
# Expected: `delete(filter)` deletes the rows that `scan(filter)` returns, whatever files they lie in: PyIceberg
# documents the one as the predicate used to remove rows, the other as what describes the desired rows.
# Seen: `status != 'open'` never returns a row whose status is null. The delete keeps it if its file holds other rows
# too, and drops it if its file holds nothing but nulls: such a file is dropped whole, by its statistics.
# Why it matters: The same rows survive a clean-up or not, by the number of appends or by partitions. Write
# `status != 'open' and status is not null`.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=("pyiceberg[sql-sqlite,pyarrow]==0.12.0" pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python -W ignore <<'PY'
import os

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

here = os.getcwd()
catalog = SqlCatalog("local", uri=f"sqlite:///{here}/catalog.db", warehouse=f"file://{here}/warehouse")
catalog.create_namespace("shop")
rows = pa.table({"id": [1, 2, 3], "status": pa.array(["open", None, "closed"])})


def look(name, appends, row_filter):
    table = catalog.create_table(f"shop.{name}", rows.schema)
    for chunk in range(appends):
        table.append(rows.slice(chunk * 3 // appends, 3 // appends))
    seen = sorted(table.scan(row_filter=row_filter).to_arrow()["id"].to_pylist())
    table.delete(row_filter)
    return seen, sorted(table.scan().to_arrow()["id"].to_pylist())


loose, strict = "status != 'open'", "status != 'open' and status is not null"
once, thrice = look("once", 1, loose), look("thrice", 3, loose)
print("scanned, left after the delete: one append", once, "| three appends", thrice)

assert once == ([3], [1, 2]), once
assert look("strict", 3, strict) == ([3], [1, 2])
assert thrice == ([3], [1]), "the behaviour has changed"
PY
