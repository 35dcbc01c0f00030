#!/usr/bin/env bash
# Polars reads the zone's name in a time and ignores it.
#
# Versions: polars 2.1.0
# Expected: `%Z` either converts by the name (EST is five hours behind UTC) or refuses the format.
# Seen: Noon EST, noon CET and noon in a zone named XYZ are the same instant, without zone, without an
# error, also in strict mode.
# Why it matters: Deliveries with zone names must be split and mapped by hand; a declaration with `%Z` must
# be refused.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(polars==2.1.0)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import polars as pl

texts = pl.Series(["2024-01-01 12:00:00 EST", "2024-01-01 12:00:00 CET", "2024-01-01 12:00:00 XYZ"])
read = texts.str.to_datetime("%Y-%m-%d %H:%M:%S %Z", strict=True)
print(read)

assert read.n_unique() == 1, "the behaviour has changed"
assert read.dtype.time_zone is None
PY
