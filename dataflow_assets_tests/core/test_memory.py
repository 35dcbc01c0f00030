"""Memory of large values that one thread freed is there for the others, where the package is imported before Polars."""

import os
import subprocess
import sys

import pytest

_MIB = 1 << 20
_SETTING = "_RJEM_MALLOC_CONF"
_PROGRAM = """
import dataflow_assets, polars as pl, threading

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def make_and_free():
    columns = [pl.zeros(1 << 18, pl.Int64, eager=True) + 1 for _ in range(25)]
    held.append(resident() - before)
    del columns

pl.zeros(10, pl.Int64, eager=True).sum()
before, held = resident(), []
for _ in range(8):
    thread = threading.Thread(target=make_and_free)
    thread.start()
    thread.join()
print(max(held))
"""


def _most_held() -> int:
    """The most bytes of a process in which eight threads, one after the other, make and free 50 MiB of columns."""
    inherited = {name: value for name, value in os.environ.items() if name != _SETTING}
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, env=inherited)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_large_columns_that_one_thread_freed_serve_the_next() -> None:
    assert 45 * _MIB < _most_held() < 80 * _MIB


def test_a_setting_of_the_user_for_that_memory_stands() -> None:
    program = f"import dataflow_assets, os; print(os.environ['{_SETTING}'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {_SETTING: "narenas:2"},
    )
    assert done.stdout.strip() == "narenas:2"
