#!/usr/bin/env bash
# Appending and merging floats into an integer column of a Delta table drops the fractions.
#
# Versions: deltalake 1.6.6, polars 2.1.0
# Expected: An error, as for text that is no number, an integer that is too large, or a decimal of another
# scale: all three are refused.
# Seen: 1.9 is appended as 1, and a merge updates 1 to 9 from 9.75. Neither call warns.
# Why it matters: One source that starts to send fractions turns sums wrong without a failed run; compare
# types before a write.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(deltalake==1.6.6 polars==2.1.0)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import polars as pl

pl.DataFrame({"id": [1], "amount": [1]}).write_delta("table")
pl.DataFrame({"id": [2], "amount": [1.9]}).write_delta("table", mode="append")
appended = dict(pl.read_delta("table").rows())

merge = {"predicate": "new.id = old.id", "source_alias": "new", "target_alias": "old"}
correction = pl.DataFrame({"id": [1], "amount": [9.75]})
correction.write_delta("table", mode="merge", delta_merge_options=merge).when_matched_update_all().execute()
merged = dict(pl.read_delta("table").rows())
print("after the append of 1.9:", appended, "| after the merge of 9.75:", merged)

try:
    pl.DataFrame({"id": [3], "amount": ["n/a"]}).write_delta("table", mode="append")
except Exception as error:
    print("text is refused:", str(error).splitlines()[0])
else:
    raise AssertionError("text was taken")
assert appended == {1: 1, 2: 1}, "the behaviour has changed"
assert merged == {1: 9, 2: 1}, "the behaviour has changed"
PY
