"""Keeps a group of processes alive together, and ends all of them together.

A process of its own, `python -m dataflow_assets.runtime.process_group`, that leads the group. Its standard input
names the parts in one line of JSON and then stays open as long as they are wanted: the kernel closes it however
the process at the other end dies. It ends the group when that happens, on a signal, or when a part ends, and
says on standard output which part that was. The last thing it does is to kill its group, itself included.

The parts are forks of it (see `forks`), so that what all of them import is imported once and is in memory once.

Here: starting, watching and ending. Not here: what the parts are, and what they share (see `up`).
"""

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from typing import Any, TextIO

from dataflow_assets.core.garbage import import_for_good
from dataflow_assets.runtime import forks

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ASKED_SECONDS = 10.0
_ABANDONED_SECONDS = 2.5
_LOOK_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Part:
    """One process, in which the `main` of a module is called with arguments.

    If it has a port, the next part starts when it listens there. Where one ends, all do, but for one that `may_end` and
    does so with code 0.
    """

    name: str
    module: str
    arguments: Sequence[str]
    port: int | None = None
    may_end: bool = False


@dataclass(frozen=True)
class End:
    """Why everything ends, and how long the parts may take for it."""

    reason: str
    seconds: float


def start(
    parts: Sequence[Part],
    shared: Sequence[str],
    environment: dict[str, str],
    inherited: int,
    log: TextIO | None = None,
) -> subprocess.Popen[bytes]:
    """Start a leader for these parts, which inherits one descriptor. They live until its standard input is closed.

    It imports the modules that they share, none of which may start a thread. What they say goes to a file, or to
    standard error.
    """
    leader = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment,
        pass_fds=(inherited,),
        start_new_session=True,
    )
    assert leader.stdin
    wanted = {"parts": [asdict(part) for part in parts], "shared": [*shared], "inherited": inherited}
    leader.stdin.write(json.dumps(wanted).encode() + b"\n")
    leader.stdin.flush()
    return leader


@contextlib.contextmanager
def catch_signals(*numbers: signal.Signals) -> Iterator[int]:
    """A descriptor that receives one byte, its number, for each of these signals, which do nothing else."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    handlers = {number: signal.signal(number, lambda *_: None) for number in numbers}
    before = signal.set_wakeup_fd(writer)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def is_listening(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _keep_alive(parts: Sequence[Part], lifeline: int, inherited: int) -> End:
    waiting, running = list(parts), list[tuple[Part, BaseProcess]]()
    port: int | None = None
    with catch_signals(signal.SIGCHLD, *STOP_SIGNALS) as signals:
        while True:
            if waiting and (port is None or is_listening(port)):
                part = waiting.pop(0)
                process = forks.start(f"up: {part.name}", _be, part, close=(inherited,))
                running.append((part, process))
                port = part.port
                continue
            ready, _, _ = select.select([lifeline, signals], [], [], _LOOK_SECONDS if waiting else None)
            if lifeline in ready:
                return End("", _ABANDONED_SECONDS)
            if signals in ready and (end := _end_for(os.read(signals, 4096), running)):
                return end


def _be(part: Part) -> None:
    os.dup2(sys.stderr.fileno(), 1)  # which was the leader's way to say why all ended
    sys.argv = [part.module, *part.arguments]
    importlib.import_module(part.module).main()


def _end_for(signals: bytes, running: Sequence[tuple[Part, BaseProcess]]) -> End | None:
    if set(signals) & {*STOP_SIGNALS}:
        return End("", _ASKED_SECONDS)
    for part, process in running:
        code = process.exitcode
        if code is not None and not (part.may_end and code == 0):
            return End(f"the {part.name} ended with code {code}", _ASKED_SECONDS)
    return None


def _end_group(seconds: float) -> None:
    """Ask every process of the group to end, wait, and kill what is left, this process included."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _adopt_orphans()
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _has_children():
        time.sleep(_LOOK_SECONDS)
    os.killpg(0, signal.SIGKILL)


def _adopt_orphans() -> None:
    """Become the parent of the processes whose parent ends before them, so that they can be waited for."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _has_children() -> bool:
    """Whether a child in this group lives; the dead are buried."""
    try:
        while os.waitpid(0, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def _main() -> None:
    line = sys.stdin.buffer.readline()
    if not line:
        return  # who wanted parts is gone already
    end = End("the process that keeps them failed", _ABANDONED_SECONDS)
    try:
        wanted: dict[str, Any] = json.loads(line)
        parts = [Part(**part) for part in wanted["parts"]]
        import_for_good(wanted["shared"])
        end = _keep_alive(parts, sys.stdin.fileno(), wanted["inherited"])
    finally:
        _report(end)
        _end_group(end.seconds)


def _report(end: End) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(sys.stdout.fileno(), f"{end.reason}\n".encode())


if __name__ == "__main__":
    _main()
