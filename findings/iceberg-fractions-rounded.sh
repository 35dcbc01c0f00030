#!/usr/bin/env bash
# PyIceberg rounds a fraction in a filter on a column of integers, and deletes by it.
#
# Versions: pyiceberg 0.12.0, pyarrow 26.0.1
# Expected: `stock > 1.5` finds 2, as pyarrow and Polars do over the same table, or is refused, as the same filter written
# `GreaterThan("stock", 1.5)` is ("Cannot convert DoubleLiteral into long").
# Seen: In the text of a filter 1.5 becomes 2, and 0.5 becomes 0 (halves go to the even number): `stock > 1.5` does not
# find 2, `stock < 0.5` does not find 0, `stock = 1.5` finds 2, and a delete by it removes that row. In quotation marks
# the fraction is cut off: `stock = '1.5'` finds 1.
# Why it matters: Limits that are computed (half of an average, days from hours) leave rows out or delete others, with
# no error. Round the limit yourself, or build filters as expressions.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=("pyiceberg[sql-sqlite,pyarrow]==0.12.0" pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python -W ignore <<'PY'
import os

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import GreaterThan

here = os.getcwd()
catalog = SqlCatalog("local", uri=f"sqlite:///{here}/catalog.db", warehouse=f"file://{here}/warehouse")
catalog.create_namespace("shop")
rows = pa.table({"stock": [0, 1, 2, 3]})
table = catalog.create_table("shop.articles", rows.schema)
table.append(rows)
stock = pc.field("stock")
filters = {"stock > 1.5": stock > 1.5, "stock < 0.5": stock < 0.5, "stock = 1.5": stock == 1.5}


def find(row_filter):
    return table.scan(row_filter=row_filter).to_arrow()["stock"].to_pylist()


seen = [find(text) for text in filters]
in_pyarrow = [rows.filter(expression)["stock"].to_pylist() for expression in filters.values()]
quoted = find("stock = '1.5'")
try:
    refused = str(find(GreaterThan("stock", 1.5)))
except TypeError as error:
    refused = str(error)
table.delete("stock = 1.5")
left = sorted(table.scan().to_arrow()["stock"].to_pylist())
print("filters:", " | ".join(filters))
print("found by PyIceberg:", *seen, "| by pyarrow:", *in_pyarrow, "| as an expression:", refused)
print("stock = '1.5':", quoted, "| left after delete('stock = 1.5'):", left)

assert in_pyarrow == [[2, 3], [0], []] and "Cannot convert" in refused, (in_pyarrow, refused)
assert seen == [[3], [], [2]], "the behaviour has changed"
assert (quoted, left) == ([1], [0, 1, 3]), "the behaviour has changed"
PY
