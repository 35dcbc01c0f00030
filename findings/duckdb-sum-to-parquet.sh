#!/usr/bin/env bash
# The sum of a BIGINT column, written to Parquet by DuckDB, loses digits.
#
# Versions: duckdb 1.5.6, polars 2.1.0, pyarrow 26.0.1
# Expected: An exact integer, as in the query's result and in its Arrow form (decimal of 38 digits).
# Seen: sum() makes HUGEINT, which COPY writes as DOUBLE: 9007199254740993 arrives as 9007199254740992.0.
# Why it matters: An aggregate is exact on screen and wrong in the published file: cast sums to BIGINT or
# DECIMAL(38, 0) in the COPY.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(duckdb==1.5.6 polars==2.1.0 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import duckdb
import polars as pl

question = "SELECT sum(x) AS total FROM (VALUES (9007199254740992::BIGINT), (1)) AS t(x)"
in_process = duckdb.sql(question).pl()
duckdb.sql(f"COPY ({question}) TO 'answer.parquet'")
published = pl.read_parquet("answer.parquet")
print("in process:", in_process.schema, int(in_process.item()), "| in the file:", published.schema, int(published.item()))

assert int(in_process.item()) == 9007199254740993
assert published.schema["total"] == pl.Float64, "the behaviour has changed"
assert int(published.item()) == 9007199254740992, "the behaviour has changed"
PY
