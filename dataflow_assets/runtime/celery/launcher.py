"""Where Dagster launches runs if there is a Redis: in the Celery workers, wherever they are.

Here: Dagster's side. Not here: how many runs are launched at once (see `run_coordinator`), and making them (see
`worker`).
"""

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
from dataflow_assets.runtime.celery.code_version import code_version
from dataflow_assets.runtime.celery.queues import full_name, queue_of
from dataflow_assets.runtime.celery.signs import connect, is_lost, read_workers
from dataflow_assets.runtime.tags import WORKER


class CeleryWorkerLauncher(CeleryRunLauncher):
    """Launches a run in a Celery worker of the same code, and knows when that worker is lost."""

    def __init__(self, redis_url: str, inst_data: Any = None) -> None:
        super().__init__(default_queue="dataflow", inst_data=inst_data, **app_arguments(redis_url))
        self._redis = connect(redis_url)
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
        self.celery.control.revoke(run_id, terminate=True, signal="SIGINT")
        if WORKER not in run.tags:
            self._instance.report_run_canceled(run, "Canceled before it had started.")
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the worker that makes a run lives, as far as Redis can say."""
        worker = run.tags.get(WORKER)
        try:
            if worker and is_lost(self._redis, worker):
                return CheckRunHealthResult(WorkerStatus.FAILED, f"The worker {worker} is gone.")
        except (RedisError, OSError):
            pass  # Redis is away, which ends no run
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:  # noqa: ARG002
        """Which workers there are, for a run that none has begun or whose worker is gone."""
        try:
            found = read_workers(self._redis)
        except (RedisError, OSError) as error:
            return f"Redis is away: {error}"
        listed = ", ".join(f"{one.name} (code {one.code}, {', '.join(one.queues)})" for one in found)
        return f"The run is for workers of the code {self._code}. Workers that live: {listed or 'none'}."
