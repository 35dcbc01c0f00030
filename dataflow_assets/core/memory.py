"""Memory of large values goes back to the system when they are freed.

By itself it stays with the process. glibc, after the first large value that is freed, puts those of up to 32 MiB among
the small ones, in a heap for each thread, where whatever small is kept behind them holds their place: reading a file of
values of 2 MB took 1.2 GB so, and takes half of that. The allocator inside Polars, jemalloc, gives each thread an
arena, and what one thread frees is not there for another before it has gone back, a second later: the same file took
650 MiB so, and takes 550. A server would have a heap of the C library for each of its threads, and those of Arrow's own
allocator beside them: after reading a table in every format it had 60 MiB more than before, and has half of that.

Here: the settings of this process. Not here: how much is held at once (see `lake.readers`).
"""

import ctypes
import os
import sys
from functools import cache

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE = 1 << 19  # bytes; with 128 KiB a load takes 3 % more processor time
_POLARS = "_RJEM_MALLOC_CONF"  # read once, when Polars is loaded
_ARROW = "ARROW_DEFAULT_MEMORY_POOL"  # likewise
_SERVERS_HEAPS = 2


def prepare_polars() -> None:
    """Let all threads have one arena for large values of Polars; it is too late where Polars is loaded.

    A setting of the user's own stands.
    """
    os.environ.setdefault(_POLARS, f"oversize_threshold:{_LARGE},muzzy_decay_ms:0")


def prepare_server() -> None:
    """Let all threads, and Arrow, share two heaps of the C library; for Arrow it is too late where it is loaded."""
    os.environ.setdefault(_ARROW, "system")
    _set(_M_ARENA_MAX, _SERVERS_HEAPS)


@cache
def return_large_values() -> None:
    """Let every large value have memory of its own."""
    _set(_M_MMAP_THRESHOLD, _LARGE)


def _set(parameter: int, value: int) -> None:
    """Set a parameter of the C library's allocator; where the library is another one, nothing."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(parameter, value)
