"""What a process of a Celery worker does with a run: it takes it, so that no other makes it too, and makes it.

Here: that one process alone takes a run, and that one can be interrupted. Not here: the process (see `worker`).
"""

import gc
import logging
import os
import signal
from contextlib import suppress
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from dagster import DagsterInstance, DagsterRunStatus
from redis.exceptions import RedisError

from dataflow_assets.runtime.celery.signs import connect
from dataflow_assets.runtime.run_worker import be_deaf, run_command
from dataflow_assets.runtime.tags import WORKER

_log = logging.getLogger("dataflow.worker")
_TAKEN = "dataflow.run."
_TAKEN_SECONDS = 24 * 3600
_CANCELED = (DagsterRunStatus.CANCELED, DagsterRunStatus.CANCELING)


@cache
def _dagster() -> Any:
    (script,) = entry_points(group="console_scripts", name="dagster")
    return script.load()


@cache
def _instance() -> DagsterInstance:
    return DagsterInstance.get()


def make(redis_url: str, run_id: str, arguments: list[str], worker: str) -> None:
    """Make a run by Dagster's command, unless another process has taken it.

    A process whose run was canceled ends, once Dagster has recorded that: Celery knows that it was interrupted, and
    would take its next failure for that one.
    """
    if not _take(redis_url, run_id, worker):
        return
    _instance().add_run_tags(run_id, {WORKER: worker})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run_command(_dagster(), arguments)
    finally:
        be_deaf()
        run = _instance().get_run_by_id(run_id)
        if run and run.status in _CANCELED:
            os._exit(0)
        gc.collect()  # the run's instance is in circles, and holds connections


def _take(redis_url: str, run_id: str, worker: str) -> bool:
    """Whether this process is the first to take a run: two daemons may have sent it, or Redis again."""
    with suppress(RedisError):  # it went away just now; Dagster leaves a run alone that has started
        if not connect(redis_url).set(_TAKEN + run_id, worker, nx=True, ex=_TAKEN_SECONDS):
            _log.warning("The run %s was sent twice, and is made once.", run_id)
            return False
    return True
