"""Memory of large values goes back to the system when they are freed.

By itself glibc keeps it: after the first large value that is freed, it puts those of up to 32 MiB among the small ones,
in a heap for each thread, where whatever small is kept behind them holds their place. Reading a file of values of 2 MB
took 1.2 GB so, and takes half of that.

Here: the setting of this process. Not here: how much is held at once (see `lake.readers`).
"""

import ctypes
import sys
from functools import cache

_M_MMAP_THRESHOLD = -3
_LARGE = 1 << 20  # bytes; with 128 KiB a load takes 3 % more processor time


@cache
def return_large_values() -> None:
    """Let every large value have memory of its own; where the C library is another one, nothing."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
