"""Keeps a group of processes alive together, and ends all of them together.

A process of its own leads the group. A pipe names the parts in one line of JSON and then stays open as long as they are
wanted: the kernel closes it however the process at the other end dies. The leader ends the group when that happens, on
a signal, or when a part ends, and says on another pipe which part that was. The last thing it does is to kill its
group, itself included.

The leader is a fork of the process that wants the group, and the parts are forks of the leader (see `forks`), so that
what they import is imported once and is in memory once. It imports what the parts share while that process does what
comes before them.

Here: starting, watching and ending. Not here: what the parts are, and what they share (see `up`).
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, BinaryIO

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


@dataclass
class Leader:
    """The process that leads the group: its parts live until the lifeline is closed."""

    process: BaseProcess
    lifeline: BinaryIO
    reports: BinaryIO
    has_parts: bool = False

    @contextlib.contextmanager
    def running(self, parts: Sequence[Part], environment: Mapping[str, str], log: str | None = None) -> Iterator[None]:
        """Start these parts; they end with the block. What they say goes to the end of a file, or to standard error."""
        wanted = {"parts": [asdict(part) for part in parts], "environment": {**environment}, "log": log}
        self.has_parts = True
        try:
            with contextlib.suppress(BrokenPipeError):  # it was killed, which its reports tell
                self.lifeline.write(json.dumps(wanted).encode() + b"\n")
                self.lifeline.flush()
            yield
        finally:
            self.end()

    def end(self) -> None:
        """Let go of the parts, wait for the leader, and see that nothing of its group is left if it was killed."""
        if self.lifeline.closed:
            return
        if not self.has_parts:
            self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.lifeline.close()
        self.process.join()
        self.reports.close()
        assert self.process.ident
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.ident, signal.SIGKILL)


@contextlib.contextmanager
def lead(shared: Sequence[str], inherited: int) -> Iterator[Leader]:
    """A leader, which has one descriptor of this process and ends with the block, unless it ended with its parts.

    It imports the modules that its parts share, none of which may start a thread. Nor may this process have several.
    """
    ours, theirs = os.pipe(), os.pipe()
    gc.freeze()  # no look comes by at what is there now, so that forks go on sharing its pages
    process = forks.start("up: leader", _lead, shared, ours[0], theirs[1], inherited, close=(ours[1], theirs[0]))
    os.close(ours[0])
    os.close(theirs[1])
    leader = Leader(process, os.fdopen(ours[1], "wb"), os.fdopen(theirs[0], "rb"))
    try:
        yield leader
    finally:
        leader.end()


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


def _keep_alive(parts: Sequence[Part], lifeline: int, close: Sequence[int]) -> End:
    waiting, running = list(parts), list[tuple[Part, BaseProcess]]()
    port: int | None = None
    with catch_signals(signal.SIGCHLD, *STOP_SIGNALS) as signals:
        while True:
            if waiting and (port is None or is_listening(port)):
                part = waiting.pop(0)
                process = forks.start(f"up: {part.name}", _be, part, close=close)
                running.append((part, process))
                port = part.port
                continue
            ready, _, _ = select.select([lifeline, signals], [], [], _LOOK_SECONDS if waiting else None)
            if lifeline in ready:
                return End("", _ABANDONED_SECONDS)
            if signals in ready and (end := _end_for(os.read(signals, 4096), running)):
                return end


def _be(part: Part) -> None:
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


def _lead(shared: Sequence[str], lifeline: int, reports: int, inherited: int) -> None:
    os.setsid()
    end = End("the process that keeps them failed", _ABANDONED_SECONDS)
    try:
        import_for_good(shared)
        with open(lifeline, "rb", closefd=False) as wishes:
            line = wishes.readline()
        if not line:
            end = End("", 0)  # who wanted parts is gone already
            return
        wanted: dict[str, Any] = json.loads(line)
        _prepare(wanted["environment"], wanted["log"])
        end = _keep_alive([Part(**part) for part in wanted["parts"]], lifeline, (lifeline, reports, inherited))
    finally:
        with contextlib.suppress(OSError):  # nobody listens any more
            os.write(reports, f"{end.reason}\n".encode())
        _end_group(end.seconds)


def _prepare(environment: Mapping[str, str], log: str | None) -> None:
    """Let the parts have this environment, and say what they say in a file, or on standard error."""
    os.environ.update(environment)
    if log:
        with Path(log).open("ab") as file:
            os.dup2(file.fileno(), 2)
    os.dup2(2, 1)
