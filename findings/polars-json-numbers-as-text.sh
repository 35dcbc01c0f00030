#!/usr/bin/env bash
# Reading a JSON number as text gives a text that was not in the file.
#
# Versions: polars 2.1.0
# Expected: A column declared as String holds what was delivered: 1.50, 0.1234567890123456789, {"net":
# 1.10}.
# Seen: It holds 1.5, 0.12345678901234568 and {"net": 1.1}: each number went through a float.
# Why it matters: Declaring a JSON column as text does not keep money or long numbers exact: the digits are
# lost before any cast.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(polars==2.1.0)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import io

import polars as pl

delivered = ["1.50", "0.1234567890123456789", '{"net": 1.10}']
lines = "".join('{"a": %s}\n' % text for text in delivered)
read = pl.read_ndjson(io.BytesIO(lines.encode()), schema={"a": pl.String})["a"].to_list()
for before, after in zip(delivered, read, strict=True):
    print(before, "->", after)

assert read == ["1.5", "0.12345678901234568", '{"net": 1.1}'], "the behaviour has changed"
PY
