"""The processes of a home folder: which environment they get, and which there are, for tests that must leave none.

Here: that environment, looking at /proc, and killing what is found there. Not here: starting anything.
"""

import contextlib
import os
import select
import signal
import time
from pathlib import Path

from dataflow_assets.settings import variable_names


def environment_with(**settings: str) -> dict[str, str]:
    """The environment of this process with these settings of ours, and no others."""
    return {name: value for name, value in os.environ.items() if name not in variable_names()} | settings


def processes_of(home: Path) -> dict[int, str]:
    """Every other living process that names the folder in its command or environment, or works inside it."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) != os.getpid() and _belongs(process, str(home)):
            found[int(process.name)] = _text(process / "cmdline")
    return found


def wait_until_gone(home: Path, seconds: float = 300) -> dict[int, str]:
    """The processes of the folder that are still there after this time; empty as soon as there are none."""
    deadline = time.monotonic() + seconds
    while (found := processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.1)  # a look takes a hundredth of a second of the processor, which those that end need
    return found


def kill(process: int, *, seconds: float = 300) -> None:
    """SIGKILL a process and wait until it is dead."""
    try:
        watched = os.pidfd_open(process)
    except ProcessLookupError:
        return
    with contextlib.closing(os.fdopen(watched)), contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
        assert select.select([watched], [], [], seconds)[0], f"process {process} does not die"


def kill_all(home: Path) -> None:
    """SIGKILL every process of the folder and wait until they are dead."""
    for process in processes_of(home):
        kill(process)


def _belongs(process: Path, home: str) -> bool:
    try:
        if not _text(process / "cmdline"):
            return False  # a zombie, or a thread of the kernel
        folder = str((process / "cwd").readlink())
    except OSError:
        return False
    return home in _text(process / "cmdline") or home in folder or home in _text(process / "environ")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
