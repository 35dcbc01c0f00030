#!/usr/bin/env bash
# s3fs deletes, moves and reads another object where a name holds square brackets.
#
# Versions: s3fs 2026.9.0 (and its fsspec), moto[server] 5.2.5
# Expected: `rm`, `mv` and `cat` of a name that `ls` gave and `open` reads are about that object. Of patterns the
# documentation speaks for `glob` and for copies; `rm` takes "files or directories to delete".
# Seen: `rm("sales[1].csv")` deletes sales1.csv, without an error, and leaves sales[1].csv. `mv` to done.csv makes
# done.csv/sales1.csv of sales1.csv, `cat` returns its bytes. Without a sales1.csv there is "no such file". `rm_file`,
# `cp_file` and `cat_file` take names as they are, and `rm(glob.escape(name))` deletes the right one.
# Why it matters: A second download is often called so. A load that removes what it has read loses another delivery,
# and meets the same file again. Use the calls on one file for names that come from a listing.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(s3fs==2026.9.0 "moto[server]==5.2.5")
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi
venv/bin/python -W ignore <<'PY'
import glob
import logging

import s3fs
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
store = s3fs.S3FileSystem(key="any", secret="any", endpoint_url=f"http://{host}:{port}")
store.mkdir("landing")


def after(act):
    for name in ("sales1.csv", "sales[1].csv"):
        store.pipe_file(f"landing/{name}", name.encode())
    (name,) = (name for name in store.ls("landing", detail=False) if "[" in name)
    found = act(name)
    store.invalidate_cache()
    left = {name.removeprefix("landing/"): store.cat_file(name).decode() for name in store.find("landing")}
    store.rm("landing", recursive=True)
    store.mkdir("landing")
    return found, left


opened, both = after(lambda name: store.open(name).read().decode())
cat = {name: content.decode() for name, content in after(store.cat)[0].items()}
removed = after(store.rm)[1]
moved = after(lambda name: store.mv(name, "landing/done.csv"))[1]
single, escaped = after(store.rm_file)[1], after(lambda name: store.rm(glob.escape(name)))[1]
server.stop()
print("there are", *both, "| open of the latter:", opened, "| cat:", cat)
print("left after rm:", *removed, "| after mv to done.csv, with their contents:", moved)
print("left after rm_file:", *single, "| after rm of the escaped name:", *escaped)

assert opened == "sales[1].csv" and list(single) == list(escaped) == ["sales1.csv"]
assert cat == {"landing/sales1.csv": "sales1.csv"}, "the behaviour has changed"
assert list(removed) == ["sales[1].csv"], "the behaviour has changed"
assert moved == {"done.csv/sales1.csv": "sales1.csv", "sales[1].csv": "sales[1].csv"}, "the behaviour has changed"
PY
