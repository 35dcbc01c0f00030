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
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from dataflow_assets.core.logging import format_line
from dataflow_assets.core.ports import free_port
from dataflow_assets.errors import DataFlowError
from dataflow_assets.postgres import embedded
from dataflow_assets.postgres.server import database_url
from dataflow_assets.runtime import process_group
from dataflow_assets.runtime.dagster_home import build_environment, prepare_home
from dataflow_assets.runtime.only_one import lock_home, only_database
from dataflow_assets.runtime.status_line import StatusLine, status_line
from dataflow_assets.runtime.tags import CODE_LOCATION
from dataflow_assets.settings import Settings

_HOST = "127.0.0.1"
_API, _CLI = "dataflow_assets.serving.__main__", "dataflow_assets.cli"  # by name alone: they are above this room
_DAGSTER, _RUNS = "dataflow_assets.runtime.dagster_process", "dataflow_assets.runtime.run_server"
_PREPARATION = "dataflow_assets.runtime.preparation"  # these by name alone, because they are large
SHARED = (  # what most parts import
    _DAGSTER,
    _RUNS,
    "dataflow_assets.runtime.instance",
    "dagster._cli",
    "dagster._grpc",
    "fastavro",
    "grpc_health.v1.health",
    "psycopg2",
    "requests",
    "uvicorn",
    "watchfiles",
)
_READY_SECONDS = 600.0  # of which a machine that is not busy takes a few
_LOOK_SECONDS = 0.1
_CLOCK_SECONDS, _SET_BACK_SECONDS, _STATUS_SECONDS = 10.0, 2.0, 2.0


def up(
    settings: Settings,
    port: int,
    api_port: int | None = None,
    *,
    module: str = "dataflow_assets.definitions",
    prepare: Callable[[Settings], object] = database_url,
) -> int:
    """Run the code server, the daemon, the UI and the HTTP API on a port each until a signal comes or one of them ends.

    Without a port the HTTP API is left out. Port 0 is any free one. What is to be prepared before is done while they
    are imported; whoever calls this has used nothing before that starts a thread.

    Returns:
        The exit code: 0 after a signal, 1 if a part ended by itself.

    Raises:
        DataFlowError: a port is in use, or the UI or the API does not answer.
    """
    port = _choose(port, "--port")
    api_port = None if api_port is None else _choose(api_port, "--api-port")
    alone = lock_home(settings.home)
    try:
        with process_group.lead(SHARED, alone) as leader:
            prepare(settings)  # one process makes the tables, before several use them
            with only_database(settings), process_group.catch_signals(*process_group.STOP_SIGNALS) as signals:
                url = database_url(settings)  # leased until the end: the parts find it running
                prepare_home(settings)
                page = f"http://{_HOST}:{port}"
                known = {"DATAFLOW_UI_URL": page} | os.environ | build_environment(settings)
                parts, places = _parts(settings, port, api_port, module), _Addresses(port, api_port)
                with _status_line(settings, url, page) as status:
                    log = status.log.name if status else None
                    with leader.running(
                        parts, known, log
                    ):  # ends while this is the only one, and hears no more signals
                        return _watch(leader, places, signals, known, status)
    finally:
        embedded.release(settings.home)
        os.close(alone)


@contextlib.contextmanager
def _status_line(settings: Settings, url: str, page: str) -> Iterator[StatusLine | None]:
    """The line, where a person watches a terminal; None elsewhere: there the processes say everything themselves."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield None
        return
    with status_line(url, page, settings.home / "logs" / "up.log") as status:
        yield status


def _choose(port: int, option: str) -> int:
    """The port, or a free one where it is 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise DataFlowError(
                f"port {port} on {_HOST} cannot be used ({error.strerror}): "
                f"stop what uses it, or choose another with {option}"
            ) from None
    return port or free_port()


def _parts(settings: Settings, port: int, api_port: int | None, module: str) -> list[process_group.Part]:
    """The processes: first the two that the page needs, side by side, and the others once it listens."""
    code_port = free_port()
    workspace = str(_write_workspace(settings.home / "workspace.yaml", code_port))
    after = ("--after", str(code_port))
    code = ("--prepare", "dagster", "api", "grpc", "-m", module, "--host", _HOST, "--port", str(code_port))
    threads = ("--max-workers", "32")  # a tick that waits for news has one for itself
    page = (*after, "dagster-webserver", "-h", _HOST, "-p", str(port), "-w", workspace)
    parts = [
        process_group.Part("code server", _DAGSTER, (*code, *threads, "--location-name", CODE_LOCATION)),
        process_group.Part("webserver", _DAGSTER, page, port),
        process_group.Part("daemon", _DAGSTER, ("dagster-daemon", "run", "-w", workspace)),
    ]
    if api_port is not None:
        parts.append(process_group.Part("HTTP API", _API, ("--port", str(api_port))))
    if not settings.redis_url:  # Celery workers make the runs
        parts.append(process_group.Part("run server", _RUNS, (str(settings.dagster_home), module)))
    return [*parts, process_group.Part("collector of streams", _CLI, ("follow", "--if-any"), may_end=True)]


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


def _watch(
    leader: process_group.Leader,
    addresses: _Addresses,
    signals: int,
    known: Mapping[str, str],
    status: StatusLine | None,
) -> int:
    """Tell when the UI answers; return when a signal came or its leader ends. The clock may be set back meanwhile."""
    reports = leader.reports.fileno()
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
            # In a session of its own a signal of the terminal leaves it alone; where it fails, the next start does it.
            subprocess.run([sys.executable, "-m", _PREPARATION], env=known, start_new_session=True, check=False)
        if signals in ready:
            if status:
                status.show("Stopping …")
            leader.process.terminate()
            return 0
        if reports in ready:
            reason = leader.reports.readline().decode().strip() or "the process that keeps them was killed"
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


def _say(sentence: str, stream: TextIO) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(sentence, file=stream, flush=True)
