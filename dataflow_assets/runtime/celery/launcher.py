"""Where Dagster launches runs if there is a Redis: in the Celery workers, wherever they are.

Here: Dagster's side. Not here: how many runs are launched at once (see `run_coordinator`), and making them (see
`worker`).
"""

import time
from contextlib import suppress
from typing import Any

from dagster import DagsterRun
from dagster._grpc.types import ExecuteRunArgs  # how every launcher that is not in Dagster itself says what to do
from dagster_celery.launcher import (  # type: ignore[attr-defined]
    CeleryRunLauncher,
    CheckRunHealthResult,
    WorkerStatus,
)
from redis.exceptions import RedisError

from dataflow_assets.runtime.celery.app import MAKE, app_arguments
from dataflow_assets.runtime.celery.queues import full_name, queue_of
from dataflow_assets.runtime.celery.signs import BEAT_SECONDS, connect, find_worker, has_heard_all, read_workers
from dataflow_assets.runtime.code_version import code_version
from dataflow_assets.runtime.tags import WORKER

MISSED_SECONDS = 2 * BEAT_SECONDS
_ANSWER_SECONDS, _MOST_QUESTIONS = 2.0, 5


class CeleryWorkerLauncher(CeleryRunLauncher):
    """Launches a run in a Celery worker of the same code, and knows when that worker is lost."""

    def __init__(self, redis_url: str, inst_data: Any = None) -> None:
        super().__init__(default_queue="dataflow", inst_data=inst_data, **app_arguments(redis_url))
        self._redis = connect(redis_url)
        self._missed: dict[str, float] = {}  # since when the worker of a run does not name it
        self._code = code_version()  # of the time at which this process started

    @property
    def supports_resume_run(self) -> bool:
        """A run is made again from its beginning, which is harmless."""
        return False

    def launch_run(self, context: Any) -> None:
        """Send a run to the workers; one begins a moment later."""
        run: DagsterRun = context.dagster_run
        assert run.job_code_origin
        queue = full_name(self._code, queue_of(run))
        what = ExecuteRunArgs(run.job_code_origin, run.run_id, None)  # every worker knows the instance itself
        arguments = list(what.get_command_args()[-3:])
        self.celery.send_task(MAKE, args=[run.run_id, arguments], task_id=run.run_id, queue=queue)
        self._instance.report_engine_event(f"Sent to the workers by the queue {queue}.", run)

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run, or leave one that no worker has begun; whether it was under way."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if WORKER in run.tags:
            self._interrupt(run_id, run.tags[WORKER])
            return True
        self._revoke(run_id)  # a worker may have taken it just now
        self._instance.report_run_canceled(run, "Canceled before it had started.")
        return True

    def _interrupt(self, run_id: str, worker: str) -> None:
        """Ask a worker to interrupt a run, until it answers: one that connects to Redis again does not hear."""
        for _ in range(_MOST_QUESTIONS):
            if self._revoke(run_id, destination=[worker], reply=True, limit=1, timeout=_ANSWER_SECONDS):
                return

    def _revoke(self, run_id: str, **whom: Any) -> Any:
        """Interrupt a run, or keep workers from taking it; what they answered."""
        with self.celery.connection_for_write() as connection:  # a kept one may be of before Redis was restarted
            return self.celery.control.revoke(run_id, terminate=True, signal="SIGINT", connection=connection, **whom)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the worker that has taken a run lives and still makes it, as far as Redis can say."""
        lost = None
        with suppress(RedisError, OSError):  # that Redis is away ends no run
            lost = self._find_loss(run.run_id, run.tags[WORKER]) if WORKER in run.tags else None
        return CheckRunHealthResult(WorkerStatus.FAILED if lost else WorkerStatus.RUNNING, lost)

    def _find_loss(self, run_id: str, name: str) -> str | None:
        """How a run was lost with its worker, or by it.

        A living worker names its runs every few seconds. One that it does not name may have begun since: so it must be
        missing again later.
        """
        worker = find_worker(self._redis, name)
        if worker is None:
            return f"The worker {name} is gone." if has_heard_all(self._redis) else None
        if run_id in worker.runs:
            self._missed.pop(run_id, None)
        elif time.monotonic() - self._missed.setdefault(run_id, time.monotonic()) >= MISSED_SECONDS:
            return f"The worker {name} makes this run no more, and could not record how it ended."
        return None

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:  # noqa: ARG002
        """Which workers there are, for a run that none has begun or whose worker is gone."""
        try:
            found = read_workers(self._redis)
        except (RedisError, OSError) as error:
            return f"Redis is away: {error}"
        listed = ", ".join(f"{one.name} (code {one.code}, {', '.join(one.queues)})" for one in found)
        return f"The run is for workers of the code {self._code}. Workers that live: {listed or 'none'}."
