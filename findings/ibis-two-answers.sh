#!/usr/bin/env bash
# One Ibis expression over the same rows gives other numbers in DuckDB than in Polars.
#
# Versions: ibis-framework 12.0.0, duckdb 1.5.6, polars 2.1.0, pyarrow 26.0.1
# Expected: The same numbers: Ibis calls itself "the portable Python dataframe library". It documents a cast as "similar
# to pandas.Series.astype", which cuts fractions off, and `nunique` and `%` without a word on backends.
# Seen: `nunique` counts null as a value in Polars only; 2.7 and -3.7 cast to an integer are 3 and -4 in DuckDB, 2 and
# -3 in Polars; -7 % 3 is -1 in DuckDB, 2 in Polars.
# Why it matters: A pipeline tested on Polars and run on DuckDB counts fewer customers and puts rows into other
# buckets, with no error. Drop nulls before `nunique`, round before a cast, compare both backends in tests.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=("ibis-framework[duckdb,polars]==12.0.0" duckdb==1.5.6 polars==2.1.0 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python -W ignore <<'PY'
import ibis
import pyarrow as pa
import pyarrow.parquet as pq

rows = {"customer": [7, 7, 8, None], "price": [2.7, -3.7, 1.0, None], "day": [-7, 7, 1, None]}
pq.write_table(pa.table(rows), "orders.parquet")


def answers(backend):
    orders = backend.read_parquet("orders.parquet", table_name="orders")
    cast, rest = orders.price.cast("int64"), orders.day % 3
    return [
        backend.to_pyarrow(orders.customer.nunique()).as_py(),
        sorted(backend.to_pyarrow(cast).drop_null().to_pylist()),
        sorted(backend.to_pyarrow(rest).drop_null().to_pylist()),
    ]


in_duckdb, in_polars = answers(ibis.duckdb.connect()), answers(ibis.polars.connect())
print("distinct customers, prices as integers, days modulo 3: DuckDB", in_duckdb, "| Polars", in_polars)

assert in_duckdb == [2, [-4, 1, 3], [-1, 1, 1]], "the behaviour has changed"
assert in_polars == [3, [-3, 1, 2], [1, 1, 2]], "the behaviour has changed"
PY
