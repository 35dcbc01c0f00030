#!/usr/bin/env bash
# DuckDB reads JSON numbers into DECIMAL columns by way of a double.
#
# Versions: duckdb 1.5.6
# Expected: 12345678901234567.89 read into DECIMAL(38, 2) is 12345678901234567.89: the type holds it.
# Seen: It becomes 12345678901234567.68 by read_json with a declared column, a wrong amount with plausible
# cents. The same number as JSON text (in quotes) arrives whole, as it does from CSV.
# Why it matters: Declared decimals do not protect amounts in JSON; ask senders for quoted numbers, or read
# the line as text and parse it apart.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(duckdb==1.5.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import pathlib

import duckdb

pathlib.Path("bare.json").write_text('{"amount": 12345678901234567.89}')
pathlib.Path("quoted.json").write_text('{"amount": "12345678901234567.89"}')
pathlib.Path("file.csv").write_text("amount\n12345678901234567.89\n")
columns = "columns = {amount: 'DECIMAL(38, 2)'}"
value = lambda call: str(duckdb.sql(f"SELECT amount FROM {call}").fetchone()[0])
seen = {
    "number in JSON": value(f"read_json('bare.json', {columns})"),
    "text in JSON": value(f"read_json('quoted.json', {columns})"),
    "CSV": value(f"read_csv('file.csv', {columns})"),
}
print(seen)

assert seen["number in JSON"] == "12345678901234567.68", "the behaviour has changed"
assert seen["text in JSON"] == seen["CSV"] == "12345678901234567.89"
PY
