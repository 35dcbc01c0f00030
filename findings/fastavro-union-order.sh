#!/usr/bin/env bash
# fastavro puts an integer into the first number type of a union, and loses digits there.
#
# Versions: fastavro 1.13.1
# Expected: A Python int in the union [double, long] is written as long: the one type that holds it.
# Seen: 9007199254740993 is written as the double 9007199254740992.0; with [long, double] it stays exact.
# Why it matters: The order of a schema's types, which says nothing about meaning, decides whether keys
# survive: put long before double, or write ("long", value).
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(fastavro==1.13.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import io

import fastavro

def round_trip(types, value):
    schema = fastavro.parse_schema({"type": "record", "name": "r", "fields": [{"name": "key", "type": types}]})
    file = io.BytesIO()
    fastavro.writer(file, schema, [{"key": value}])
    file.seek(0)
    return next(fastavro.reader(file))["key"]

key = 9007199254740993
seen = {str(types): round_trip(types, key) for types in (["double", "long"], ["long", "double"])}
named = round_trip(["double", "long"], ("long", key))
print(seen, "| named:", named)

assert seen == {"['double', 'long']": 9007199254740992.0, "['long', 'double']": key}, "the behaviour has changed"
assert named == key
PY
