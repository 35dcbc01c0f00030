"""The life of one server: start it, tell where it is, stop it when nobody uses it any more.

Here: when the server starts and stops. Not here: how (`cluster`), and who asks for it (`lease`).
"""

import fcntl
import os
import signal
import subprocess
import threading
import time

from dataflow_assets.core.ports import free_port, is_free
from dataflow_assets.postgres.embedded import locks
from dataflow_assets.postgres.embedded.cluster import Cluster
from dataflow_assets.postgres.embedded.files import Files

_EARLIER_SECONDS = 60.0
_READY_SECONDS = 280.0
_ATTEMPTS = 3
_STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 15.0), (signal.SIGKILL, 15.0))


def supervise(files: Files, cluster: Cluster, *, durable: bool, port: int) -> None:
    """Run the server until its last user is gone or it ends; on this port, or on any if it is 0."""
    data_in_use = _wait_for_earlier_server(files, cluster)
    if not files.cluster.is_dir():
        cluster.create(data_in_use, durable=durable)
    server, port = _start(cluster, data_in_use, port)
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
    ended = threading.Event()
    threading.Thread(target=_stop_when_unused, args=(files, server, ended), daemon=True).start()
    _publish(files, cluster.url(port))
    server.wait()
    ended.set()
    files.url.unlink(missing_ok=True)


def _wait_for_earlier_server(files: Files, cluster: Cluster) -> int:
    """Lock the data folder. A server whose supervisor was killed is asked to end and waited for."""
    descriptor = locks.try_lock(files.server_lock)
    if descriptor is not None:
        return descriptor
    orphan = cluster.server_pid()
    if orphan is not None:
        os.kill(orphan, signal.SIGINT)
    return locks.lock(files.server_lock, time.monotonic() + _EARLIER_SECONDS)


def _start(cluster: Cluster, data_in_use: int, wanted: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server. A free port may be taken before PostgreSQL has it, so this is tried again."""
    port = wanted or cluster.last_port()
    for _ in range(_ATTEMPTS):
        if wanted and not is_free(wanted):
            raise SystemExit(f"port {wanted}, which DATAFLOW_DATABASE_PORT names, is in use")
        if port is None or not is_free(port):
            port = free_port()
        server = cluster.start(port, data_in_use)
        if _becomes_ready(cluster, server):
            cluster.remember_port(port)
            return server, port
        port = wanted or None
    raise SystemExit("PostgreSQL does not start; the reason stands above")


def _becomes_ready(cluster: Cluster, server: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _READY_SECONDS
    while server.poll() is None:
        if cluster.is_ready():
            return True
        if time.monotonic() > deadline:
            _stop(server)
            raise SystemExit(f"PostgreSQL was not ready after {_READY_SECONDS:.0f} seconds and was stopped")
        time.sleep(locks.PAUSE)
    return False


def _publish(files: Files, url: str) -> None:
    draft = files.url.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(url)
    draft.replace(files.url)


def _stop_when_unused(files: Files, server: subprocess.Popen[bytes], ended: threading.Event) -> None:
    users = os.open(files.users_lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(users, fcntl.LOCK_EX)  # granted when nobody is left; kept, so that nobody comes back meanwhile
    files.url.unlink(missing_ok=True)
    for step, seconds in _STOP_STEPS:
        server.send_signal(step)
        if ended.wait(seconds):
            return


def _stop(server: subprocess.Popen[bytes]) -> None:
    for step, seconds in _STOP_STEPS:
        server.send_signal(step)
        try:
            server.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
