#!/usr/bin/env bash
# dataframely's max_length counts bytes, and the SQL column of the same schema counts characters.
#
# Versions: dataframely 3.1.2, polars 2.1.0, sqlalchemy 2.0.58
# Expected: String(max_length=4) takes the four characters of a Greek name, as the column VARCHAR(4) made
# from it does.
# Seen: The row is rejected with the rule max_length; the schema's own SQLAlchemy column is VARCHAR(4), in
# which it fits.
# Why it matters: Names in other scripts are rejected by validation that the table would hold; give twice to
# four times the length, or a rule of your own.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dataframely==3.1.2 polars==2.1.0 sqlalchemy==2.0.58)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import dataframely as dy
import polars as pl
from sqlalchemy.dialects import postgresql

class Person(dy.Schema):
    name = dy.String(max_length=4)

good, failures = Person.filter(pl.DataFrame({"name": ["Anna", "Άννα"]}))
column = Person.to_sqlalchemy_columns(postgresql.dialect())[0].type.compile(dialect=postgresql.dialect())
print("good:", good["name"].to_list(), "| failures:", failures.counts(), "| column:", column)

assert len("Άννα") == 4
assert good["name"].to_list() == ["Anna"], "the behaviour has changed"
assert failures.counts() == {"name|max_length": 1}, "the behaviour has changed"
assert column == "VARCHAR(4)"
PY
