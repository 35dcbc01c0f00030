"""A disk of its own that is soon full, for tests.

Here: mounting it, and filling it up to some bytes. Not here: what is written to it.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """A mounted file system in memory."""

    folder: Path

    @contextmanager
    def filled(self, *, left: int) -> Iterator[None]:
        """Let no more than so many bytes be free until the block ends."""
        ballast, state = self.folder / "ballast", os.statvfs(self.folder)
        try:
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, state.f_bavail * state.f_frsize - left))
            yield
        finally:
            ballast.unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one at a folder; without the right to do so the test is skipped."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nobody may mount a file system here, so there is no disk to fill")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
