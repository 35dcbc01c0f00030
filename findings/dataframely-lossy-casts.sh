#!/usr/bin/env bash
# dataframely's filter(cast=True) counts values as good that the cast changed.
#
# Versions: dataframely 3.1.2, polars 2.1.0
# Expected: A value that does not fit the column's type is a failure of the rule `dtype`, as text that is no
# number and an integer out of range are.
# Seen: 1.9 in an Int64 column becomes 1 and 2 in a Bool column becomes True, both among the good rows;
# "1e3" and 300 for Int8 are refused.
# Why it matters: Rows are accepted with other values than were delivered; cast with rejects before the
# schema sees them.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dataframely==3.1.2 polars==2.1.0)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import dataframely as dy
import polars as pl

class Order(dy.Schema):
    count = dy.Int64()
    paid = dy.Bool()
    store = dy.Int8()

frame = pl.DataFrame({"count": [1.9, 3.0], "paid": [2, 0], "store": [7, 300]})
good, failures = Order.filter(frame, cast=True)
print("good:", good.rows(), "| failures:", failures.counts())

assert good.rows() == [(1, True, 7)], "the behaviour has changed"
assert failures.counts() == {"store|dtype": 1}, "the behaviour has changed"
PY
