#!/usr/bin/env bash
# dagster-duckdb opens a file that is no DuckDB database eleven times, over 102 seconds, before it says so.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6, dagster-duckdb 0.29.27, duckdb 1.5.6
# Expected: DuckDB's "is not a valid DuckDB database file", which no wait can change, is raised at once.
# Seen: It is raised after ten waits, each twice as long as the one before: 0.1 s to 51.2 s. (The waits are
# counted here, not waited for.) The IO managers open their file in the same way, so it is 102 s an output.
# Why it matters: A damaged or wrong file looks like a run that hangs, without a line in the log: look whether
# bytes 8 to 11 are `DUCK` before the file is given to Dagster.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6 dagster-duckdb==0.29.27 duckdb==1.5.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
venv/bin/python <<'PY'
from pathlib import Path
from unittest.mock import patch

import duckdb
from dagster_duckdb import DuckDBResource

Path("notes.txt").write_text("This is no database.\n")
waits, said = [], ""
with patch("time.sleep", waits.append):
    try:
        with DuckDBResource(database="notes.txt").get_connection():
            pass
    except duckdb.IOException as error:
        said = str(error)
print("waits:", waits, "| in all:", round(sum(waits), 1), "s | then:", said)

try:
    duckdb.connect("notes.txt")
except duckdb.IOException as error:
    assert str(error) == said, "DuckDB itself says so at once"
assert len(waits) == 10 and round(sum(waits), 1) == 102.3, "the behaviour has changed"
assert "is not a valid DuckDB database file" in said
PY
