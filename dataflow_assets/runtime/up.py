"""`dataflow up`: the whole platform on this machine, as one thing to start and one thing to stop.

Here: which processes it consists of, and waiting for them. Not here: how they live and die together
(see `process_group`), and what they run (see `definitions`).
"""

import contextlib
import http
import http.client
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import sqlalchemy as sa
from dagster import DagsterInstance

from dataflow_assets.collectors.follow import is_stream
from dataflow_assets.core.files import make_private
from dataflow_assets.core.logging import format_line
from dataflow_assets.errors import DataFlowError
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.embedded import locks
from dataflow_assets.postgres.failures import shown, unavailable
from dataflow_assets.postgres.pooler import require_sessions
from dataflow_assets.postgres.server import database_url
from dataflow_assets.runtime import dagster_process, process_group, run_server
from dataflow_assets.runtime.instance import build_environment, forget_future_ticks, make_ready, open_instance
from dataflow_assets.runtime.status_line import StatusLine, status_line
from dataflow_assets.runtime.tags import CODE_LOCATION
from dataflow_assets.settings import Settings
from dataflow_assets.sources import all_sources

_HOST = "127.0.0.1"
_LOCK = "up.lock"
_API = "dataflow_assets.serving"  # by name alone: it is above this room
_READY_SECONDS = 180.0
_LOOK_SECONDS = 0.1
_EARLIER_SECONDS = 6.0
_UP_LOCK = sa.text("SELECT pg_try_advisory_lock(hashtextextended('up', 0))")  # as long as the connection lasts
# Said by a statement: a pooler refuses options of the connection.
_KEEPALIVES = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
_CLOCK_SECONDS, _SET_BACK_SECONDS, _STATUS_SECONDS = 10.0, 2.0, 2.0


def up(
    settings: Settings, port: int, api_port: int | None = None, *, module: str = "dataflow_assets.definitions"
) -> int:
    """Run the code server, the daemon, the UI and the HTTP API on a port each until a signal comes or one of them ends.

    Without a port the HTTP API is left out; port 0 is any free one.

    Returns:
        The exit code: 0 after a signal, 1 if a part ended by itself.

    Raises:
        DataFlowError: a port is in use, or the UI or the API does not answer.
    """
    _check_free(port, "--port")
    if api_port is not None:
        _check_free(api_port, "--api-port")
        api_port = api_port or _free_port()
    alone = _lock(settings.home)
    try:
        # One process makes the tables, before several use them.
        with (
            _only_one(settings),
            open_instance(settings) as instance,
            process_group.catch_signals(*process_group.STOP_SIGNALS) as signals,
        ):
            make_ready(instance)
            page = f"http://{_HOST}:{port}"
            known = {"DATAFLOW_UI_URL": page} | os.environ | build_environment(settings)
            with status_line(instance, page, settings.home / "logs" / "up.log") as status:
                parts, log = _parts(settings, port, api_port, module), status.log if status else None
                process = process_group.start(parts, known, alone, log)
                return _run(process, _Addresses(port, api_port), signals, instance, status)
    finally:
        embedded.release(settings.home)
        os.close(alone)


def is_up(home: Path) -> bool:
    """Whether `dataflow up` runs for this home, on this machine."""
    return (home / _LOCK).exists() and locks.is_locked(home / _LOCK)


def _lock(home: Path) -> int:
    """Be the only one for this home; the processes of one that was killed get the time to end."""
    make_private(home)
    try:
        return locks.lock(home / _LOCK, time.monotonic() + _EARLIER_SECONDS)
    except TimeoutError:
        raise DataFlowError(
            f"`dataflow up` already runs for {home}: use that one, stop it, or set another DATAFLOW_HOME"
        ) from None


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Be the only one for this database: from another home or machine two daemons would ask for each run twice."""
    if settings.database_url is None:  # it belongs to the home
        yield
        return
    url, deadline = database_url(settings), time.monotonic() + _EARLIER_SECONDS
    require_sessions(url)
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg2"),
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"application_name": "dataflow up"},
    )
    try:
        connection = engine.connect()
    except sa.exc.OperationalError as error:
        raise unavailable(url, error.orig or error) from None
    with connection:
        connection.exec_driver_sql(_KEEPALIVES)
        while not connection.execute(_UP_LOCK).scalar():
            if time.monotonic() > deadline:
                raise DataFlowError(
                    f"`dataflow up` already runs for the database at {shown(url)}, from another home or on another "
                    "machine: use that one, stop it, or set another DATABASE_URL"
                )
            time.sleep(_LOOK_SECONDS)
        yield


def _check_free(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise DataFlowError(
                f"port {port} on {_HOST} cannot be used ({error.strerror}): "
                f"stop what uses it, or choose another with {option}"
            ) from None


def _parts(settings: Settings, port: int, api_port: int | None, module: str) -> list[process_group.Part]:
    code_port = _free_port()
    workspace = str(_write_workspace(settings.home / "workspace.yaml", code_port))
    start = (sys.executable, "-m", dagster_process.__name__)
    code = (*start, "dagster", "api", "grpc", "-m", module, "--host", _HOST, "--port", str(code_port))
    threads = ("--max-workers", "32")  # a tick that waits for news has one for itself
    runs = (sys.executable, "-m", run_server.__name__, str(settings.dagster_home), module)
    parts = [] if settings.redis_url else [process_group.Part("run server", runs)]  # Celery workers make the runs
    parts += [
        process_group.Part("code server", (*code, *threads, "--location-name", CODE_LOCATION), code_port),
        process_group.Part("webserver", (*start, "dagster-webserver", "-h", _HOST, "-p", str(port), "-w", workspace)),
        process_group.Part("daemon", (*start, "dagster-daemon", "run", "-w", workspace)),
    ]
    if api_port is not None:
        parts.append(process_group.Part("HTTP API", (sys.executable, "-m", _API, "--port", str(api_port))))
    if any(map(is_stream, all_sources())):
        command = (sys.executable, "-m", "dataflow_assets.cli", "follow")
        parts.append(process_group.Part("collector of streams", command))
    return parts


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _write_workspace(path: Path, code_port: int) -> Path:
    server = {"grpc_server": {"host": _HOST, "port": code_port, "location_name": CODE_LOCATION}}
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"load_from": [server]}))  # JSON is YAML
    draft.replace(path)
    return path


@dataclass(frozen=True)
class _Addresses:
    """Where the UI and the HTTP API answer."""

    port: int
    api_port: int | None

    def answer(self) -> bool:
        """Whether they do."""
        return _answers(self.port, "/server_info") and (self.api_port is None or _answers(self.api_port, "/health"))

    def __str__(self) -> str:
        api = "" if self.api_port is None else f", its HTTP API: http://{_HOST}:{self.api_port}"
        return f"http://{_HOST}:{self.port}{api}"


def _run(
    process: subprocess.Popen[bytes],
    addresses: _Addresses,
    signals: int,
    instance: DagsterInstance,
    status: StatusLine | None,
) -> int:
    try:
        return _watch(process, addresses, signals, instance, status)
    finally:
        _end(process)


def _watch(
    process: subprocess.Popen[bytes],
    addresses: _Addresses,
    signals: int,
    instance: DagsterInstance,
    status: StatusLine | None,
) -> int:
    """Tell when the UI answers; return when a signal came or its leader ends. The clock may be set back meanwhile."""
    assert process.stdout
    reports = process.stdout.fileno()
    answers, deadline, ahead = False, time.monotonic() + _READY_SECONDS, _seconds_ahead()
    pause = _STATUS_SECONDS if status else _CLOCK_SECONDS
    if status:
        status.show("Starting …")
    while True:
        ready, _, _ = select.select([reports, signals], [], [], pause if answers else _LOOK_SECONDS)
        before, ahead = ahead, _seconds_ahead()
        if ahead < before - _SET_BACK_SECONDS:
            sentence = "dataflow up: the clock was set back; the sensors go on as if it had not been"
            _say(format_line(sentence, logging.WARNING), sys.stderr)
            with contextlib.suppress(Exception):  # the next start does it
                forget_future_ticks(instance)
        if signals in ready:
            if status:
                status.show("Stopping …")
            process.send_signal(signal.SIGTERM)
            return 0
        if reports in ready:
            reason = process.stdout.readline().decode().strip() or "the process that keeps them was killed"
            place = f"in {status.log.name}" if status else "above"
            sentence = f"dataflow up: {reason}, so everything is stopped; what it said stands {place}"
            _say(format_line(sentence, logging.ERROR), sys.stderr)
            return 1
        if not answers and (answers := addresses.answer()):
            _say_ready(addresses, status)
        elif not answers and time.monotonic() > deadline:
            raise DataFlowError(f"nothing answered at {addresses} within {_READY_SECONDS:.0f} seconds")
        if answers and status:
            with contextlib.suppress(Exception):  # a database that restarts; the next look tells
                status.look()


def _say_ready(addresses: _Addresses, status: StatusLine | None) -> None:
    sentence = f"DataFlow Assets is up: {addresses} (Ctrl-C stops it)"
    if status:
        status.tell(sentence)
        status.tell(f"What its processes say is kept in {status.log.name}")
    else:
        _say(sentence, sys.stdout)


def _seconds_ahead() -> float:
    """How far the clock is ahead of the time that nobody sets."""
    return time.time() - time.monotonic()


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let go of the group's leader, wait for it, and make sure that nothing of its group is left if it was killed."""
    assert process.stdin
    assert process.stdout
    process.stdin.close()
    process.wait()
    process.stdout.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _say(sentence: str, stream: TextIO) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(sentence, file=stream, flush=True)
