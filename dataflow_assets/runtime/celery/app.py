"""The Celery application, which launcher and workers share: its settings and its two tasks.

Here: what is sent. Not here: who sends it (see `launcher`), and the process that does it (see `worker`).
"""

from typing import Any

from celery import Celery, Task
from dagster_celery.make_app import make_app

from dataflow_assets.runtime.celery.making import make
from dataflow_assets.runtime.run_worker import MOST_MEMORY, MOST_RUNS, record_failure

MAKE, RECORD_END = "dataflow.make_run", "dataflow.record_end"
PROCESS_SECONDS = 180.0  # that a process may take to import everything
CONFIG: dict[str, Any] = {
    "task_ignore_result": True,  # Dagster records what became of a run
    # What no process of a worker is free for stays in Redis, for another worker.
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "worker_max_tasks_per_child": MOST_RUNS,
    "worker_max_memory_per_child": MOST_MEMORY,
    "worker_proc_alive_timeout": PROCESS_SECONDS,
    "worker_redirect_stdouts": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,  # Redis may be away for long
    "broker_transport_options": {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
}


def app_arguments(redis_url: str) -> dict[str, Any]:
    """What both sides make the application of."""
    return {"broker": redis_url, "backend": None, "include": [], "config_source": CONFIG}


def build_app(redis_url: str) -> Celery:
    """The application with its tasks, for a worker."""
    app: Celery = make_app(app_args=app_arguments(redis_url))  # type: ignore[no-untyped-call]

    @app.task(name=MAKE, bind=True)  # type: ignore[untyped-decorator]
    def make_run(self: Task, run_id: str, arguments: list[str]) -> None:
        make(redis_url, run_id, arguments, str(self.request.hostname))

    @app.task(name=RECORD_END)  # type: ignore[untyped-decorator]
    def record_end(run_id: str, how: str) -> None:
        record_failure(run_id, how)

    return app
