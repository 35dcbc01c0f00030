"""Keeps processes that have imported everything already, its workers, and hands them the runs that Dagster launches.

A process of its own, `python -m dataflow_assets.runtime.run_server FOLDER MODULE`, that listens on a socket in the
folder, to which nobody but its user can connect. A request is one message of JSON, and so is its answer:

| request | answer |
|---|---|
| `{"run": id, "arguments": […]}`: make a run by this command of Dagster's | `{}` |
| `{"cancel": id}`: interrupt the process that makes it | `{"found": …}`: whether there is one |

A worker is a fork of it that imports the module and makes one run after another. One is always there. Where runs wait
and none of the workers was done for some seconds, one more is started; those that had nothing to do for a minute end,
but for one. Where a worker ends while it makes a run, another one is told to record that.

Here: processes and messages. Not here: what a worker does (see `run_worker`), and Dagster's side of it (see
`run_launcher`). It has no thread, and what it waits for are descriptors, so that its forks start as it did.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from dataflow_assets.runtime import forks, run_worker

SOCKET = "runs.sock"
_MOST_BYTES = 1 << 20  # of a message; a run's arguments are a few kilobytes
_ANSWER_SECONDS = 10.0  # that it gives to who asks, and to a worker that is to end
_REQUEST_SECONDS = 60.0  # of who asks: it may do several of these before
_PATIENCE_SECONDS = 3.0  # about as long as a worker takes to start
_IDLE_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 10.0  # after a worker that ended before it was ready


@dataclass(frozen=True)
class Task:
    """Something for a worker to do, a run or the record of one whose process ended, and since when it waits."""

    message: Mapping[str, Any]
    since: float = field(default_factory=time.monotonic)

    @property
    def run(self) -> str | None:
        """The run that it makes."""
        return self.message.get("run")


@dataclass
class Worker:
    """A process, our end of its socket, and what it does."""

    process: BaseProcess
    channel: socket.socket
    is_ready: bool = False
    task: Task | None = None
    since: float = 0.0  # when it was ready last

    @property
    def is_free(self) -> bool:
        """Whether it waits for something to do."""
        return self.is_ready and self.task is None


def ask(folder: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """What the server that listens in a folder answers.

    Raises:
        ConnectionRefusedError, FileNotFoundError: none listens there; the request was not sent.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        with _address(folder) as address:
            channel.connect(address)
        channel.settimeout(_REQUEST_SECONDS)
        channel.send(json.dumps(request).encode())
        answer = json.loads(channel.recv(_MOST_BYTES) or b"null")
    if not isinstance(answer, dict):
        raise ConnectionResetError(f"the run server in {folder} did not answer")
    return answer


def is_served(folder: str) -> bool:
    """Whether a server listens in a folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel, suppress(OSError):
        with _address(folder) as address:
            channel.connect(address)
        return True
    return False


@contextmanager
def _address(folder: str) -> Iterator[str]:
    """The address of the socket in a folder, which is short however long the folder's path is."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


class RunServer:
    """The workers, and what waits for one."""

    def __init__(self, listener: socket.socket, module: str) -> None:
        self._listener = listener
        self._module = module
        self._workers: list[Worker] = []
        self._waiting: deque[Task] = deque()
        self._moved_on = time.monotonic()  # when a worker was given something to do, or one was started
        self._paused_until = 0.0

    def serve(self) -> None:
        """Answer requests until this process is ended."""
        while True:
            self._hand_out()
            self._staff()
            has_changes_ahead = self._waiting or len(self._workers) != 1
            channels = [worker.channel for worker in self._workers]
            ready, _, _ = select.select(
                [self._listener, *channels], [], [], _LOOK_SECONDS if has_changes_ahead else None
            )
            for worker in [worker for worker in self._workers if worker.channel in ready]:
                self._hear(worker)
            if self._listener in ready:
                with suppress(OSError, ValueError):  # who asked is gone, or speaks another language
                    self._answer()

    def _hand_out(self) -> None:
        """Give what waits to the workers that are free, to the one that was busy last first: its memory is warm."""
        free = sorted((worker for worker in self._workers if worker.is_free), key=lambda worker: worker.since)
        while free and self._waiting:
            worker = free.pop()
            worker.task, self._moved_on = self._waiting.popleft(), time.monotonic()
            with suppress(OSError):  # it has ended, which is heard next
                worker.channel.send(json.dumps(worker.task.message).encode())

    def _staff(self) -> None:
        """Start a worker where one is missing, and end one that is too many."""
        now = time.monotonic()
        patience = _PATIENCE_SECONDS * len(self._workers)  # where there are many, the machine may be what is slow
        is_late = self._waiting and now - max(self._moved_on, self._waiting[0].since) > patience
        if ((is_late and all(worker.is_ready for worker in self._workers)) or not self._workers) and (
            now > self._paused_until
        ):
            self._workers.append(self._start())
            self._moved_on = now
        idle = [worker for worker in self._workers if worker.is_free and now - worker.since > _IDLE_SECONDS]
        if idle and len(self._workers) > 1:
            self._dismiss(idle[0])

    def _hear(self, worker: Worker) -> None:
        """Note that a worker is ready for the next task, or has ended."""
        try:
            said = worker.channel.recv(_MOST_BYTES)
        except OSError:
            said = b""
        if said:
            worker.is_ready, worker.task, worker.since = True, None, time.monotonic()
            return
        task, was_ready = worker.task, worker.is_ready
        code = self._dismiss(worker)
        if task is not None and code != 0:
            self._waiting.appendleft(Task({"ended": task.run, "code": code}) if task.run else task)
        if not was_ready or (task is not None and not task.run):
            self._paused_until = time.monotonic() + _PAUSE_SECONDS

    def _dismiss(self, worker: Worker) -> int:
        """Let a worker end, which it does when its channel is closed; its exit code."""
        self._workers.remove(worker)
        worker.channel.close()
        worker.process.join(_ANSWER_SECONDS)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
        assert worker.process.exitcode is not None
        return worker.process.exitcode

    def _start(self) -> Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        held = [self._listener, ours, *(worker.channel for worker in self._workers)]
        close = [one.fileno() for one in held]
        with theirs:
            return Worker(forks.start("run worker", run_worker.work, theirs, self._module, close=close), ours)

    def _answer(self) -> None:
        channel, _ = self._listener.accept()
        with channel:
            channel.settimeout(_ANSWER_SECONDS)
            request = json.loads(channel.recv(_MOST_BYTES))
            answer = {"found": self._cancel(request["cancel"])} if "cancel" in request else {}
            if "run" in request:
                self._waiting.append(Task(request))
            channel.send(json.dumps(answer).encode())

    def _cancel(self, run: str) -> bool:
        """Interrupt the worker that makes a run, or leave a run that waits for one; whether there is either."""
        for task in [task for task in self._waiting if task.run == run]:
            self._waiting.remove(task)
            self._waiting.append(Task({"ended": run, "code": None}))
            return True
        for worker in self._workers:
            if worker.task and worker.task.run == run:
                assert worker.process.pid
                os.kill(worker.process.pid, signal.SIGINT)
                return True
        return False


def _listen(folder: str) -> socket.socket:
    """Listen in a folder, where one that was killed may have left its socket."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with _address(folder) as address:
        Path(address).unlink(missing_ok=True)
        mask = os.umask(0o177)
        listener.bind(address)
        os.umask(mask)
    listener.listen(64)
    return listener


def main() -> None:
    """Serve in a folder the runs of a module's code location."""
    folder, module = sys.argv[1:]
    RunServer(_listen(folder), module).serve()


if __name__ == "__main__":
    main()
