#!/usr/bin/env bash
# The product of two Polars decimals keeps the operands' scale, so small amounts become zero.
#
# Versions: polars 2.1.0, duckdb 1.5.6, pyarrow 26.0.1
# Expected: 0.05 x 0.05 is 0.0025: the scales add up, as SQL's numeric and Arrow have it.
# Seen: Polars says 0.00 (decimal[38,2]); DuckDB and pyarrow say 0.0025 for the same columns.
# Why it matters: A price times a rate of commission or interest is rounded per row, to the cent: cast one
# side to a finer scale first.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(polars==2.1.0 duckdb==1.5.6 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import duckdb
import polars as pl
import pyarrow.compute as pc

frame = pl.DataFrame({"price": ["0.05"], "rate": ["0.05"]}).cast(pl.Decimal(10, 2))
arrow = frame.to_arrow()
product = frame.select(pl.col("price") * pl.col("rate"))
seen = {
    "Polars": str(product.item()),
    "DuckDB": str(duckdb.sql("SELECT price * rate FROM arrow").fetchone()[0]),
    "pyarrow": str(pc.multiply(arrow["price"], arrow["rate"])[0]),
}
print(product.schema, seen)

assert seen == {"Polars": "0.00", "DuckDB": "0.0025", "pyarrow": "0.0025"}, "the behaviour has changed"
PY
