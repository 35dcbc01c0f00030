"""Forks have what their parent imported, and nothing else of it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from dataflow_assets.runtime.up import SHARED
from dataflow_assets_tests.waiting import wait_until

_FACTS = """
import json, os, sys
import dataflow_assets.cli
from dataflow_assets.core.garbage import import_for_good
from dataflow_assets.runtime import forks, up
import_for_good(up.SHARED)
threads = len(os.listdir("/proc/self/task"))

def main():
    rollup = open("/proc/self/smaps_rollup").read()
    of_its_own, all_of_it = (int(rollup.split(name + ":")[1].split()[0]) for name in ("Private_Dirty", "Rss"))
    sys.exit(100 * of_its_own // all_of_it)

process = forks.start("up: nothing", main, close=())
process.join()
print(json.dumps({"threads": threads, "modules": list(sys.modules), "per cent of a fork's own": process.exitcode}))
"""
# Most start a thread when they are imported; all are large, and not every process needs them.
HEAVY = {
    "adbc_driver_manager",
    "adbc_driver_postgresql",
    "deltalake",
    "duckdb",
    "numpy",
    "obstore",
    "polars",
    "pyarrow",
}


def test_what_the_parts_share_starts_no_thread_and_is_in_memory_once() -> None:
    said = subprocess.run([sys.executable, "-c", _FACTS], capture_output=True, text=True, check=True)
    facts = json.loads(said.stdout)
    assert facts["threads"] == 1
    assert facts["per cent of a fork's own"] < 20
    assert {*SHARED, "dagster"} <= {*facts["modules"]}
    assert not HEAVY & {*facts["modules"]}


_PARENT = """
import os, signal, sys
from pathlib import Path
from dataflow_assets.runtime import forks, process_group

def main(folder, descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        (folder / "closed").touch()
    (folder / "stdin").write_text(sys.stdin.read())
    (folder / "pid").write_text(str(os.getpid()))
    (folder / "pid").rename(folder / "ready")
    signal.pause()

folder = Path(sys.argv[1])
held = os.open(os.devnull, os.O_RDONLY)
with process_group.catch_signals(*process_group.STOP_SIGNALS):
    process = forks.start("up: nothing", main, folder, held, close=(held,))
    process.join()
print(process.exitcode)
"""


def test_a_fork_has_a_title_and_its_own_signals_and_no_descriptor_that_is_not_meant_for_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"SAID": "still"},
    )
    assert parent.stdin
    wait_until((tmp_path / "ready").exists)
    child = Path("/proc") / (tmp_path / "ready").read_text()
    assert (tmp_path / "closed").exists()
    assert (tmp_path / "stdin").read_text() == ""
    assert (child / "cmdline").read_bytes().rstrip(b"\0 ") == b"dataflow up: nothing"
    assert b"SAID=still" in (child / "environ").read_bytes()
    os.kill(int(child.name), signal.SIGTERM)
    said, _ = parent.communicate(timeout=300)
    assert said.strip() == str(-signal.SIGTERM)


_ENDS = """
import os
from dataflow_assets.runtime import process_group

held = os.open(os.devnull, os.O_RDONLY)
with process_group.lead((), held) as killed:
    killed.process.kill()
    killed.process.join()
    with killed.running([], {}):
        print(killed.reports.read())
with process_group.lead(("this_module_is_not_there",), held) as failed:
    print(failed.reports.readline())
with process_group.lead(("time",), held) as unused:
    pass
print(unused.process.exitcode)
"""


def test_a_leader_that_ends_early_is_told_as_one_and_one_without_parts_ends_at_once() -> None:
    said = subprocess.run([sys.executable, "-c", _ENDS], capture_output=True, text=True, check=True, timeout=300)
    assert said.stdout.splitlines() == ["b''", "b'the process that keeps them failed\\n'", "-9"]
