"""A Celery worker: a process that takes runs from Redis, and its children that make them.

`dataflow worker` starts it, or `python -m dataflow_assets.runtime.celery.worker MODULE CONCURRENCY [QUEUE …]` where the
environment names DAGSTER_HOME already. A child imports everything once and makes one run after another. Asked to end
(SIGTERM, Ctrl-C), it takes nothing more and ends when its runs have; asked twice, at once.

The children are copies of this process, so it uses nothing that has threads of its own, as Polars has: they would miss
them.

Here: the process. Not here: what a child does with a run (see `making`).
"""

import logging
import os
import socket
import sys
import threading
import uuid
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from celery import Celery, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.worker import state
from redis.exceptions import RedisError

from dataflow_assets.core.garbage import import_for_good
from dataflow_assets.core.logging import is_terminal, json_line, mask_process
from dataflow_assets.runtime.celery.app import MAKE, RECORD_END, build_app
from dataflow_assets.runtime.celery.queues import full_name, require_queues
from dataflow_assets.runtime.celery.signs import BEAT_SECONDS, Worker, connect, give_sign, read_workers, withdraw
from dataflow_assets.runtime.code_version import code_version
from dataflow_assets.runtime.forks import keep_environment
from dataflow_assets.settings import Settings, load_settings

_log = logging.getLogger("dataflow.worker")
_QUIET = ("alembic", "celery.worker.control", "kombu")  # a result, which nobody keeps, is what control misses


class _Lines(logging.Handler):
    """What Celery and this process say, on standard error: text in a terminal, else JSON."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            message = f"{message}\n{logging.Formatter().formatException(record.exc_info)}"
        time = datetime.fromtimestamp(record.created, UTC)
        text = f"{time:%H:%M:%S} {record.levelname} {message}"
        line = text if is_terminal() else json_line(time, record.levelno, record.name, message)
        print(line, file=sys.stderr, flush=True)  # noqa: T201


def work(settings: Settings, module: str, concurrency: int, queues: Sequence[str] = ()) -> int:
    """Make the runs that come by some queues, so many at once, until a signal ends this process.

    Args:
        settings: those of the platform; REDIS_URL is one of them.
        module: the one of the code location, which every child imports.
        concurrency: how many runs are made at once, each in a child of its own.
        queues: the layers whose runs are taken; where none is named, all of them.

    Returns:
        The exit code.
    """
    assert settings.redis_url
    url = settings.redis_url.get_secret_value()
    name = f"{uuid.uuid4().hex[:8]}@{socket.gethostname()}"
    worker = Worker(name, code_version(), concurrency, require_queues(queues))
    warnings.simplefilter("ignore", SecurityWarning)  # root may take messages from the platform's own Redis
    app = build_app(url)
    beat = _Beat(url, worker)
    _connect(app, settings, module, beat)
    process = app.Worker(
        hostname=name,
        pool_cls="prefork",
        concurrency=concurrency,
        queues=[full_name(worker.code, queue) for queue in worker.queues],
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    process.start()
    beat.end()
    return int(process.exitcode or 0)


def _connect(app: Celery, settings: Settings, module: str, beat: "_Beat") -> None:
    """Say what happens at the turns of a worker's life."""

    def log(**_: Any) -> None:
        handler = _Lines()
        root = logging.getLogger()
        root.handlers, root.level = [handler], logging.getLevelName(settings.log_level)
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", "Handling yaml-defined logging configuration")
        warnings.simplefilter("ignore", CPendingDeprecationWarning)  # at each loss of Redis, of what is set as it is

    def prepare_child(**_: Any) -> None:
        os.setpgid(0, 0)  # Ctrl-C is for the worker, which lets its runs end
        import_for_good([module])

    def tell_failure(task_id: str, exception: BaseException, sender: Any, **_: Any) -> None:
        if sender.name == MAKE:
            queue = sender.request.delivery_info["routing_key"]
            app.send_task(RECORD_END, args=[task_id, f"as {exception}"], queue=queue)

    turns = {
        signals.setup_logging: log,
        signals.worker_process_init: prepare_child,
        signals.task_failure: tell_failure,
        signals.worker_ready: beat.start,
        signals.worker_shutting_down: beat.slow_down,
    }
    for turn, handler in turns.items():
        turn.connect(handler, weak=False)  # Celery would let go of it


class _Beat:
    """Says in Redis that the worker lives, until its last run has ended, and in the log that others run other code."""

    def __init__(self, url: str, worker: Worker) -> None:
        self._redis, self._worker = connect(url), worker
        self._wake, self._is_over = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="signs of life", daemon=True)

    def start(self, **_: Any) -> None:
        """Begin, as the worker is ready."""
        _log.info(
            "%s makes %s runs at once of %s, by the code %s.",
            self._worker.name,
            self._worker.slots,
            ", ".join(self._worker.queues),
            self._worker.code,
        )
        self._thread.start()

    def slow_down(self, **_: Any) -> None:
        """Say that the worker takes no more runs."""
        self._worker = replace(self._worker, is_ending=True)
        self._wake.set()

    def end(self) -> None:
        """Say that the worker has ended."""
        self._is_over = True
        self._wake.set()
        with suppress(RedisError, OSError):
            withdraw(self._redis, self._worker)

    def _run(self) -> None:
        others: set[str] = set()
        while not self._is_over:
            with suppress(RedisError, OSError, RuntimeError):  # the last, where a run begins or ends just now
                runs = tuple(request.id for request in list(state.reserved_requests))
                give_sign(self._redis, replace(self._worker, runs=runs))
                codes = {one.code for one in read_workers(self._redis)} - {self._worker.code}
                if new := codes - others:
                    _log.warning("Other workers run other code, %s; this one runs %s.", new, self._worker.code)
                others = codes
            self._wake.wait(BEAT_SECONDS)
            self._wake.clear()


def _main() -> None:
    module, concurrency, *queues = sys.argv[1:]
    settings = load_settings()
    keep_environment()
    os.umask(0o077)  # what is kept in the home is nobody else's
    mask_process(settings)
    sys.exit(work(settings, module, int(concurrency), queues))


if __name__ == "__main__":
    _main()
