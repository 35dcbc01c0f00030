#!/usr/bin/env bash
# With drop_invalid_rows, pandera takes a Polars frame that lacks a column, has another type or repeats its key.
#
# Versions: pandera 0.35.0, polars 2.1.0, pandas 3.1.1
# Expected: By the page "Dropping Invalid Rows" the option keeps data-level errors from being raised and removes their
# rows. A missing or unknown column is no such error: for pandas it raises, and rows that break `unique` are removed.
# Seen: A frame without the required column, with a column too many under `strict`, with text in place of numbers or
# with one key twice comes back whole, with no error. Only checks of a column's values work.
# Why it matters: Of all deliveries, the one of a wrong shape passes the gate. Validate the shape by a second schema
# without the option, and count keys yourself.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=("pandera[polars,pandas]==0.35.0" polars==2.1.0 pandas==3.1.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python -W ignore <<'PY'
import pandas as pd
import pandera.pandas
import pandera.polars
import polars as pl
from pandera.errors import SchemaErrors

data = {"id": [1, 2, 2], "amount": [10, 20, -5]}


def rows(pandera_for, frame, columns, drop=True, **options):
    columns = {name: pandera_for.Column(kind, checks) for name, (kind, checks) in columns.items()}
    schema = pandera_for.DataFrameSchema(columns, drop_invalid_rows=drop, **options)
    try:
        return len(schema.validate(frame, lazy=True))
    except SchemaErrors:
        return "error"


positive = [pandera.polars.Check.gt(0)]
cases = {
    "a value": {"columns": {"amount": (int, positive)}},
    "missing column": {"columns": {"customer": (int, None)}},
    "unknown column": {"columns": {"id": (int, None)}, "strict": True},
    "other type": {"columns": {"amount": (str, None)}},
    "key twice": {"columns": {"id": (int, None)}, "unique": ["id"]},
}
seen = {}
for name, case in cases.items():
    seen[name] = (
        rows(pandera.polars, pl.DataFrame(data), drop=False, **case),
        rows(pandera.polars, pl.DataFrame(data), **case),
        rows(pandera.pandas, pd.DataFrame(data), **case),
    )
    print(f"{name}: Polars {seen[name][0]}, with drop_invalid_rows {seen[name][1]} rows of 3, pandas {seen[name][2]}")

assert all(plain == "error" for plain, _, _ in seen.values()), seen
assert seen.pop("a value") == ("error", 2, 2), seen
assert [dropping for _, dropping, _ in seen.values()] == [3, 3, 3, 3], "the behaviour has changed"
assert [seen[name][2] for name in ("missing column", "unknown column", "key twice")] == ["error", "error", 1]
PY
