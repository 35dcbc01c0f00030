"""Makes runs of Dagster, one after another, in a process that has imported everything already.

A process of its own, started by the run server. On a socket it says that it is ready, gets one task, and says that it
is ready again. The socket is closed when it is to end.

Here: a task. Not here: which worker gets which (see `run_server`).
"""

import gc
import json
import resource
import signal
import socket
import sys
from importlib.metadata import entry_points
from typing import Any

from dagster import DagsterInstance, RunsFilter

from dataflow_assets.core.garbage import import_for_good
from dataflow_assets.core.logging import mask_process
from dataflow_assets.runtime.tags import PART_OF
from dataflow_assets.settings import load_settings

_MOST_BYTES = 1 << 20
MOST_RUNS = 500
MOST_MEMORY = 1 << 20  # KiB; after a run that took more this process ends, and with it what was not given back


def work(channel: socket.socket, module: str) -> None:
    """Make what the channel says of a module's code location, until it is closed or this process has made enough."""
    mask_process(load_settings())
    import_for_good([module])
    (script,) = entry_points(group="console_scripts", name="dagster")
    dagster = script.load()
    for _ in range(MOST_RUNS):
        be_deaf()
        channel.send(b"ready")
        message = channel.recv(_MOST_BYTES)
        if not message:
            return
        task = json.loads(message)
        if "run" in task:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            run_command(dagster, task["arguments"])
        else:
            _record_end(task["ended"], task["code"])
        gc.collect()  # the run's instance is in circles, and holds connections
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MOST_MEMORY:
            return


def be_deaf() -> None:
    """Between two runs an interrupt is meant for one that has just ended. Dagster leaves its own handlers behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def run_command(dagster: Any, arguments: list[str]) -> None:
    """Make a run by a command of Dagster's, in this process.

    Raises:
        SystemExit: with the code of a command that failed.
    """
    sys.argv = ["dagster", *arguments]
    try:
        dagster()
    except SystemExit as end:
        if end.code:
            raise


def _record_end(run_id: str, code: int | None) -> None:
    """Record that a run failed whose process ended, with a code, or that it was canceled before it had one."""
    if code is not None:
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        record_failure(run_id, f"by {how}")
        return
    with DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
        if run and not run.is_finished:
            instance.report_run_canceled(run, "Canceled before it had started.")


def record_failure(run_id: str, how: str) -> None:
    """Record that a run failed whose process ended, and what it went on with, unless they had come to their end."""
    with DagsterInstance.get() as instance:
        parts = instance.get_runs(RunsFilter(tags={PART_OF: run_id}))
        for run in [*parts, instance.get_run_by_id(run_id)]:
            if run and not run.is_finished:
                message = f"The process of this run ended unexpectedly, {how}."
                instance.report_engine_event(message, run)
                instance.report_run_failed(run, message)
