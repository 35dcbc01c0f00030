#!/usr/bin/env bash
# Of a scan of a Delta table each new filter asks for all files of the table again, whatever it leaves of them.
#
# Versions: polars 2.1.0, deltalake 1.6.6
# Expected: `scan_delta` of an open table lists its files once, or at least only those that a filter on the column by which
# the table is partitioned leaves.
# Seen: Each filter of one scan, for one partition of 300, asks for the paths, the statistics and the sizes of all 300 files.
# Why it matters: With ten years of daily files (3,650) to read one day takes four times as long as alone, most of it for the
# list. Hand Polars a table of a subclass that returns the paths and statistics (`file_uris`, `get_add_actions`) of the
# files wanted; the sizes it asks of the inner table (`_table.get_add_file_sizes`): 5 ms of each scan of 4,000 files.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(polars==2.1.0 deltalake==1.6.6 pyarrow==26.0.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
cat >look.py <<'PY'
import polars as pl
from deltalake import DeltaTable, write_deltalake

days = pl.DataFrame({"day": range(300), "amount": range(300)})
write_deltalake("table", days.to_arrow(), partition_by=["day"])
asked = {"paths": 0, "statistics": 0, "sizes": 0}


class CountingSizes:
    def __init__(self, inner):
        self.inner = inner

    def get_add_file_sizes(self):
        found = self.inner.get_add_file_sizes()
        asked["sizes"] += len(found)
        return found

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Counting(DeltaTable):
    def file_uris(self, *arguments, **named):
        found = super().file_uris(*arguments, **named)
        asked["paths"] += len(found)
        return found

    def get_add_actions(self, *arguments, **named):
        found = super().get_add_actions(*arguments, **named)
        asked["statistics"] += found.num_rows
        return found


table = Counting("table")
table._table = CountingSizes(table._table)
frame = pl.scan_delta(table)
seen = []
for day in range(3):
    assert frame.filter(pl.col("day") == day).collect()["amount"].to_list() == [day]
    seen.append([*asked.values()] if seen else [f"{count} {what}" for what, count in asked.items()])
print("; ".join(", ".join(map(str, counts)) for counts in seen))
PY
venv/bin/python look.py 2>log | tee seen
expected="300 paths, 300 statistics, 300 sizes; 600, 600, 600; 900, 900, 900"
[ "$(cat seen)" = "$expected" ] || { cat log; echo "the behaviour has changed"; exit 1; }
