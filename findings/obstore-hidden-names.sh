#!/usr/bin/env bash
# obstore's local store does not list a file whose name ends in # and digits.
#
# Versions: obstore 0.12.1
# Expected: A listing has every file of the folder, as the same names in its memory store are listed.
# Seen: orders.csv#1 and orders.csv#2 are in the folder and not in the listing; head() refuses the name.
# orders#1.csv is listed.
# Why it matters: A delivery that was dropped under such a name is never seen and no error says so: compare
# with the folder.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(obstore==0.12.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import os
import pathlib

import obstore
from obstore.store import LocalStore, MemoryStore

names = ["orders.csv", "orders.csv#1", "orders.csv#2", "orders#1.csv"]
pathlib.Path("landing").mkdir()
local, memory = LocalStore(os.path.abspath("landing")), MemoryStore()
for name in names:
    pathlib.Path("landing", name).write_text("id")
    obstore.put(memory, name, b"id")
listed = lambda store: sorted(entry["path"] for entry in obstore.list(store).collect())
print("folder:", sorted(os.listdir("landing")))
print("memory store:", listed(memory))
print("local store:", listed(local))

assert listed(memory) == sorted(names)
assert listed(local) == ["orders#1.csv", "orders.csv"], "the behaviour has changed"
PY
