#!/usr/bin/env bash
# Casting a time with a zone to a date gives the day in UTC, not the day on the clock.
#
# Versions: polars 2.1.0, tzdata 2026.6
# Expected: 2024-07-01 00:30 in Berlin is the date 2024-07-01, as dt.date() says.
# Seen: cast(pl.Date) says 2024-06-30; dt.date() says 2024-07-01.
# Why it matters: Rows of the first hours of a day are counted on the day before: use dt.date(), or convert
# to the business zone and drop it first.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(polars==2.1.0 tzdata==2026.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
from datetime import date, datetime

import polars as pl

at = pl.Series([datetime(2024, 7, 1, 0, 30)]).dt.replace_time_zone("Europe/Berlin")
cast, on_the_clock = at.cast(pl.Date).item(), at.dt.date().item()
print(at.item(), "| cast(pl.Date):", cast, "| dt.date():", on_the_clock)

assert cast == date(2024, 6, 30), "the behaviour has changed"
assert on_the_clock == date(2024, 7, 1)
PY
