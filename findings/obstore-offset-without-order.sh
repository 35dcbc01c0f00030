#!/usr/bin/env bash
# obstore's local store lists without order, so going on from the last key loses objects.
#
# Versions: obstore 0.12.1
# Expected: list(offset=last key) goes on where the listing stopped: S3 and the memory store give keys in
# order.
# Seen: The offset only drops smaller keys. In pages of 100 by offset, 1,000 objects of the memory store are
# all seen; of the local store most are not.
# Why it matters: Code that is right on S3 and in tests with the memory store skips deliveries on a local
# folder: sort the whole listing first.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(obstore==0.12.1)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python <<'PY'
import os

import obstore
from obstore.store import LocalStore, MemoryStore

def seen(store):
    for number in range(1000):
        obstore.put(store, f"{number:04}.csv", b"")
    keys, last = set(), None
    while page := next(iter(obstore.list(store, offset=last, chunk_size=100)), []):
        keys.update(entry["path"] for entry in page)
        last = page[-1]["path"]
    return len(keys)

in_memory, in_a_folder = seen(MemoryStore()), seen(LocalStore(os.path.abspath("landing"), mkdir=True))
print("seen of 1,000 objects: memory store", in_memory, "| local store", in_a_folder)

assert in_memory == 1000
assert in_a_folder < 1000, "the behaviour has changed"
PY
