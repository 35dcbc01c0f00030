"""What a process keeps of the memory that it no longer uses is bounded, where the package is imported first."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping

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
    return int(_run(_PROGRAM, {name: value for name, value in os.environ.items() if name != _SETTING}))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_large_columns_that_one_thread_freed_serve_the_next() -> None:
    assert 45 * _MIB < _most_held() < 80 * _MIB


def test_a_setting_of_the_user_for_that_memory_stands() -> None:
    program = f"import dataflow_assets, os; print(os.environ['{_SETTING}'])"
    assert _run(program, os.environ | {_SETTING: "narenas:2"}) == "narenas:2"


# Each thread holds a value for which the C library needs a heap, until all of them do.
_HEAPS = textwrap.dedent("""
    import ctypes
    import re
    import tempfile
    from threading import Barrier, Thread

    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.fopen.restype = ctypes.c_void_p, ctypes.c_void_p
    everybody = Barrier(8)

    def hold() -> None:
        libc.malloc(100_000)
        everybody.wait()

    threads = [Thread(target=hold) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    with tempfile.NamedTemporaryFile() as said:
        file = ctypes.c_void_p(libc.fopen(said.name.encode(), b"w"))
        libc.malloc_info(0, file)
        libc.fclose(file)
        heaps = len(re.findall("<heap nr=", said.read().decode()))
""")


def _run(script: str, environment: Mapping[str, str] | None = None) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="heaps are those of glibc")
def test_the_threads_of_a_server_share_two_heaps() -> None:
    assert int(_run(f"{_HEAPS}print(heaps)")) > 2
    assert int(_run(f"import dataflow_assets.serving\n{_HEAPS}print(heaps)")) == 2


def test_arrow_keeps_nothing_for_itself_in_a_server() -> None:
    script = "import pyarrow\nprint(pyarrow.default_memory_pool().backend_name)"
    assert _run(f"import dataflow_assets.serving.server\n{script}") == "system"
