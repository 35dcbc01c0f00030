"""A PostgreSQL server of a test's own, that can be restarted while somebody works with it.

Here: starting it, and stopping it in PostgreSQL's own ways. Not here: when that happens.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from dataflow_assets.core.ports import free_port
from dataflow_assets.postgres.embedded.cluster import Cluster
from dataflow_assets.postgres.embedded.files import Files
from dataflow_assets.postgres.embedded.lease import find_programs
from dataflow_assets_tests.loading import Report, Worker

FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT  # as `pg_ctl stop` calls its modes; after the second it must recover
_SECONDS = 300

_running: list[subprocess.Popen[bytes]] = []  # in the process that starts them


class OwnServer:
    """A server on a port of its own. It ends with its worker: a process without threads can start programs safely."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._worker = Worker()
        self.port = free_port()
        self._worker.begin(_create, folder)
        self._worker.result()
        self.restart(FAST)
        self.url = Cluster(Files.below(folder), find_programs()).url(self.port)

    def restart(self, mode: signal.Signals) -> None:
        """Stop it and start it again; it is ready then."""
        self._worker.begin(_restart, self._folder, self.port, mode)
        self._worker.result(2 * _SECONDS)

    def stop(self) -> None:
        """Stop it for good."""
        self._worker.begin(_stop, IMMEDIATE)
        self._worker.result()
        self._worker.kill()


@contextmanager
def own_server(folder: Path) -> Iterator[OwnServer]:
    """A server below a folder, until the block ends."""
    server = OwnServer(folder)
    try:
        yield server
    finally:
        server.stop()


def _create(report: Report, folder: Path) -> None:
    files = Files.below(folder)
    files.folder.mkdir(parents=True)
    files.folder.chmod(0o711)
    Cluster(files, find_programs()).create(_nothing(), durable=False)


def _restart(report: Report, folder: Path, port: int, mode: signal.Signals) -> None:
    _stop(report, mode)
    cluster = Cluster(Files.below(folder), find_programs())
    _running.append(cluster.start(port, _nothing()))
    deadline = monotonic() + _SECONDS
    while not cluster.is_ready():
        assert monotonic() < deadline, "the server does not start"
        sleep(0.01)


def _stop(report: Report, mode: signal.Signals) -> None:
    while _running:
        server = _running.pop()
        server.send_signal(mode)
        server.wait(_SECONDS)


def _nothing() -> int:
    """A descriptor to inherit."""
    return os.open(os.devnull, os.O_RDONLY)
