#!/usr/bin/env bash
# Dagster starts four processes for each step to show what it prints, two of them Python.
#
# Versions: dagster 1.13.27, sqlalchemy 2.0.58, protobuf 6.33.6
# Expected: A run in the caller's own process starts no others.
# Seen: With the default compute logs, each step starts two `tail` and two `python …/watch_orphans.py`, also in a run in
# process, and ends them with the step: 60 to 80 ms of processor time, where an empty step takes 300.
# Why it matters: Many small runs pay a sixth or more for it. `NoOpComputeLogManager` (`compute_logs` in dagster.yaml) starts
# none and keeps nothing; for one that does both Dagster exports no base class.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 sqlalchemy==2.0.58 protobuf==6.33.6)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
export DAGSTER_HOME="$work" DAGSTER_DISABLE_TELEMETRY=yes PYTHONWARNINGS=ignore
touch dagster.yaml
cat >count.py <<'PY'
import os
from pathlib import Path

import dagster as dg


def children() -> list[str]:
    """The programs of the processes that this one has started and that still run."""
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in own]
    return sorted(Path(os.fsdecode(command[1 if b"python" in command[0] else 0])).name for command in commands)


@dg.asset
def nothing() -> list[str]:
    return children()


with dg.DagsterInstance.get() as instance:
    before = children()
    during = dg.materialize([nothing], instance=instance, resources={"io_manager": dg.mem_io_manager}).output_for_node("nothing")
print(f"before {before}, during {during}, after {children()}")
PY
venv/bin/python count.py 2>log | tee seen
expected="before [], during ['tail', 'tail', 'watch_orphans.py', 'watch_orphans.py'], after []"
[ "$(cat seen)" = "$expected" ] || { cat log; echo "the behaviour has changed"; exit 1; }
