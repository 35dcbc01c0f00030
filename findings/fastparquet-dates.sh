#!/usr/bin/env bash
# Dates that go through fastparquet come back as other dates, in pandas and in every reader of its files.
#
# Versions: fastparquet 2026.9.0, pandas 3.1.1, polars 2.1.0, duckdb 1.5.6, pyarrow 26.0.1
# Expected: The dates and durations that the file, or the frame, holds; or an error.
# Seen: Read, 9999-12-31 is 1816-03-29 and 1600-01-01 is 2184-07-20: each date goes through nanoseconds, and wraps around.
# Written, the dates of `pd.to_datetime` of date objects (datetime64[s] in pandas 3) are of 1970, since the file says
# milliseconds for thousands of seconds: digits are lost. An hour and a half, in seconds, is 5.4 ms.
# Why it matters: Open ends (`valid_to = 9999-12-31`) lie before their starts, and filters for current rows drop them.
# A day's file is of 1970 for Polars, DuckDB and pyarrow. Read with pyarrow, write microseconds (`dt.as_unit("us")`).
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(fastparquet==2026.9.0 pandas==3.1.1 polars==2.1.0 duckdb==1.5.6 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python -W ignore <<'PY'
from datetime import date

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

dates = [date(2026, 3, 2), date(9999, 12, 31), date(1600, 1, 1)]
pq.write_table(pa.table({"valid_to": dates}), "delivered.parquet")
read = pd.read_parquet("delivered.parquet", engine="fastparquet")
current = [str(day) for day, later in zip(dates, read["valid_to"] > "2026-06-01") if later]
read = [str(value.date()) for value in read["valid_to"]]

days = pd.to_datetime([date(2026, 3, 2)])
spent = pd.Series(pd.to_timedelta(["90 minutes"])).dt.as_unit("s")
frame = pd.DataFrame({"day": days, "spent": spent})
frame.to_parquet("written.parquet", engine="fastparquet", index=False)
safe = pd.DataFrame({"day": days.as_unit("us"), "spent": spent.dt.as_unit("us")})
safe.to_parquet("safe.parquet", engine="fastparquet", index=False)


def look(name):
    row = pl.read_parquet(name).row(0)
    assert duckdb.sql(f"FROM '{name}'").fetchall() == [row] == [tuple(pq.read_table(name).to_pylist()[0].values())]
    return [str(value) for value in row]


written, micros = look("written.parquet"), look("safe.parquet")
print(*dates, "are read as", *read, "| later than 2026-06-01:", *current)
print("written 2026-03-02", f"({days.dtype}) and 90 minutes:", *written, "| in microseconds:", *micros)

assert days.dtype == "datetime64[s]" and micros == ["2026-03-02 00:00:00", "01:30:00"], (days.dtype, micros)
assert (read, current) == (["2026-03-02", "1816-03-29", "2184-07-20"], ["1600-01-01"]), "the behaviour has changed"
assert written == ["1970-01-01 00:29:32.409000", "00:00:00.005400"], "the behaviour has changed"
PY
