#!/usr/bin/env bash
# What Polars spills to disk stays there, in a process that is a fork of one that had imported Polars.
#
# Versions: polars 2.1.0
# Expected: The files to which the streaming engine moves what its memory budget does not hold are removed once they are
# read again, in any process. Polars' guide advises the start methods `spawn` and `forkserver` of multiprocessing.
# Seen: They are removed by a thread that `import polars` starts and that a fork does not have. With `forkserver` and Polars
# among its preloaded modules every file of a sort is still there when it has ended, and the next sort adds its own.
# Why it matters: Preloading is what makes workers start at once (forkserver, prefork servers, Celery). Such a worker fills
# the disk while it lives, and only where memory is short. Import Polars after the fork.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(polars==2.1.0)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
cat >sort.py <<'PY'
import multiprocessing
import os
import sys
from pathlib import Path


def sort(spills):
    import polars as pl

    numbers = pl.scan_parquet("numbers.parquet")
    numbers.sort("shuffled").sink_parquet(f"sorted-{os.getpid()}.parquet", engine="streaming")
    spills.send(sum(path.is_file() for path in Path("spilled").rglob("*")))


if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(sys.argv[1:])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=sort, args=(sender,))
    process.start()
    print("preloaded", sys.argv[1:], "files left:", "none" if receiver.recv() == 0 else "some")
    process.join()
PY
cat >make.py <<'PY'
import polars as pl

count = 3_000_000
frame = pl.DataFrame({"row": pl.int_range(count, eager=True)})
frame.with_columns(shuffled=pl.col("row").shuffle(seed=1)).write_parquet("numbers.parquet")
PY
venv/bin/python make.py
mkdir spilled
export POLARS_TEMP_DIR="$PWD/spilled" POLARS_OOC_SPILL_DIR="$PWD/spilled" POLARS_OOC_MEMORY_BUDGET_MB=20 POLARS_OOC_LOG_METRICS=1
{ venv/bin/python sort.py && venv/bin/python sort.py polars; } 2>log | tee seen
grep -q "spill_stats(sort" log || { echo "nothing was spilled"; exit 1; }
expected="preloaded [] files left: none
preloaded ['polars'] files left: some"
[ "$(cat seen)" = "$expected" ] || { cat log; echo "the behaviour has changed"; exit 1; }
