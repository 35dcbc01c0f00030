#!/usr/bin/env bash
# An installed pandas is imported by whoever connects to PostgreSQL by ADBC, though neither uses it.
#
# Versions: adbc-driver-postgresql 1.13.0, pyarrow 26.0.1, pandas 3.1.1
# Expected: `adbc_driver_postgresql.dbapi` imports what it needs; pandas only where a frame of it is asked for.
# Seen: The module imports `pyarrow.dataset`, which imports pandas if it is there: 0.35 s of processor time and 25 MiB more.
# Why it matters: pandas in the environment, even for one test or one notebook, slows each start of each process. Keep it
# in an environment of its own.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(adbc-driver-postgresql==1.13.0 pyarrow==26.0.1 pandas==3.1.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
cat >look.py <<'PY'
import sys

import adbc_driver_postgresql

before = "pandas" in sys.modules
import adbc_driver_postgresql.dbapi  # noqa: E402

print(f"the driver: {before}, its DB-API: {'pandas' in sys.modules}")
PY
venv/bin/python look.py 2>log | tee seen
[ "$(cat seen)" = "the driver: False, its DB-API: True" ] || { cat log; echo "the behaviour has changed"; exit 1; }
