#!/usr/bin/env bash
# In the SQL of delta-rs an instant before 1677 cannot be written as a CAST, although the table holds it.
#
# Versions: deltalake 1.6.6, pyarrow 26.0.1
# Expected: CAST('0001-01-01T00:00:00Z' AS TIMESTAMP WITH TIME ZONE) compares with a column of microseconds.
# Seen: "Overflow converting … to Nanosecond": every CAST goes through nanoseconds; arrow_cast to microseconds works.
# Why it matters: Open beginnings such as 0001-01-01 stop each query that names them; write them by arrow_cast.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(deltalake==1.6.6 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi

venv/bin/python - "$work/table" <<'PY'
import sys
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake

begins = pa.array([datetime(1, 1, 1, tzinfo=UTC), datetime(2021, 12, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
write_deltalake(sys.argv[1], pa.table({"begins": begins}))
engine = QueryBuilder().register("rows", DeltaTable(sys.argv[1]))


def count(literal):
    try:
        return pa.table(engine.execute(f"SELECT count(*) AS n FROM rows WHERE begins >= {literal}").read_all())["n"][0].as_py()
    except Exception as error:
        return " ".join(str(error).split())


by_cast = count("CAST('0001-01-01T00:00:00Z' AS TIMESTAMP WITH TIME ZONE)")
by_arrow_cast = count("""arrow_cast('0001-01-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')""")
print("CAST:      ", by_cast)
print("arrow_cast:", by_arrow_cast)

assert "Nanosecond" in str(by_cast) and by_arrow_cast == 2, "the behaviour has changed"
PY
