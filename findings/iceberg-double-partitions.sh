#!/usr/bin/env bash
# PyIceberg does not find the rows of a table partitioned by a double, and an upsert doubles them.
#
# Versions: pyiceberg 0.12.0, pyarrow 26.0.1
# Expected: A table partitioned by the values of a double column answers as the same table without partitions.
# Seen: The value of the partition is read back as 0.1899999976158142, as of a float of 4 bytes: `rate = 0.19` finds
# nothing, `rate >= 0.19` loses the row, and an upsert by this key adds it a second time. 0.5, exact in 4 bytes, is found.
# Why it matters: Rates and prices that are keys or filters give fewer rows, then more rows, with no error. Partition by
# a decimal or by text, never by a double.
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
taxes = pa.table({"rate": [0.19, 0.5], "orders": [10, 20]})
filters = ["rate = 0.19", "rate >= 0.19", "rate in (0.19, 0.5)", "rate = 0.5"]


def look(name, partitioned):
    table = catalog.create_table(f"shop.{name}", taxes.schema)
    if partitioned:
        with table.update_spec() as spec:
            spec.add_identity("rate")
    table.append(taxes)
    counts = [table.scan(row_filter=row_filter).to_arrow().num_rows for row_filter in filters]
    stored = sorted(part["partition"]["rate"] for part in table.inspect.partitions().to_pylist()) if partitioned else None
    table.upsert(pa.table({"rate": [0.19], "orders": [11]}), join_cols=["rate"])
    rows = table.scan().to_arrow().to_pylist()
    return counts, stored, sorted((row["rate"], row["orders"]) for row in rows)


whole, parts = look("whole", False), look("parts", True)
print("filters:", filters)
print("rows found, partitions, rows after the upsert: unpartitioned", *whole)
print("partitioned", *parts)

assert whole == ([1, 2, 2, 1], None, [(0.19, 11), (0.5, 20)]), whole
assert parts[:2] == ([0, 1, 1, 1], [0.1899999976158142, 0.5]), "the behaviour has changed"
assert parts[2] == [(0.19, 10), (0.19, 11), (0.5, 20)], "the behaviour has changed"
PY
