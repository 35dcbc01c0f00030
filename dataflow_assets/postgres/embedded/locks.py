"""File locks that the kernel frees when their holder ends, however it ends.

Here: `flock`, with a bounded wait. Not here: what each lock means (see the package).
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE = 0.01


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Lock the file and return its descriptor, or None while another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def lock(path: Path, deadline: float, *, shared: bool = False) -> int:
    """Lock the file as soon as it is free and return its descriptor; closing that gives the lock back.

    Raises:
        TimeoutError: the lock was still held at the deadline (of `time.monotonic`).
    """
    while (descriptor := try_lock(path, shared=shared)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} stayed locked by another process")
        time.sleep(PAUSE)
    return descriptor


def unlock(descriptor: int) -> None:
    """Give the lock back, even if a process forked in the meantime has inherited the descriptor."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@contextmanager
def locked(path: Path, deadline: float) -> Iterator[None]:
    """Hold the lock for the length of the block."""
    descriptor = lock(path, deadline)
    try:
        yield
    finally:
        unlock(descriptor)


def is_locked(path: Path, *, exclusively: bool = False) -> bool:
    """Whether anybody holds the lock (or, if asked so, holds it alone)."""
    descriptor = try_lock(path, shared=exclusively)
    if descriptor is None:
        return True
    unlock(descriptor)
    return False
