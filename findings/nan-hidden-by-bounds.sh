#!/usr/bin/env bash
# The same comparison finds a NaN in a Parquet file through Polars and not through DuckDB or pyarrow.
#
# Versions: polars 2.1.0, duckdb 1.5.6, pyarrow 26.0.1
# Expected: DuckDB and Polars order NaN above all numbers: max(v) is NaN in DuckDB, NaN > 5 is true in both,
# so `v > 5` finds the row in both.
# Seen: The file's bounds leave NaN out (maximum 1.0). DuckDB says max(v) = nan and finds no row with v > 5;
# the same rows in a DuckDB table give one. Polars finds one in the file, pyarrow none.
# Why it matters: Counts of one lake differ by the engine that reads it: store null for a missing measure,
# never NaN.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(polars==2.1.0 duckdb==1.5.6 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import duckdb
import polars as pl
import pyarrow.parquet as pq

pl.DataFrame({"v": [1.0, float("nan")]}).write_parquet("file.parquet")
duckdb.sql("CREATE TABLE loaded AS FROM 'file.parquet'")
count = lambda source: duckdb.sql(f"SELECT count(*) FROM {source} WHERE v > 5").fetchone()[0]
found = {
    "DuckDB, file": count("'file.parquet'"),
    "DuckDB, table": count("loaded"),
    "Polars, file": pl.scan_parquet("file.parquet").filter(pl.col("v") > 5).collect().height,
    "pyarrow, file": pq.read_table("file.parquet", filters=[("v", ">", 5.0)]).num_rows,
}
print("max(v) in DuckDB:", duckdb.sql("SELECT max(v) FROM 'file.parquet'").fetchone()[0])
print("rows with v > 5:", found)

assert list(found.values()) == [0, 1, 1, 0], "the behaviour has changed"
PY
