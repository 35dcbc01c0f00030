"""Where Dagster launches runs: in the workers of `dataflow up`, which have imported everything already, or of Celery.

Here: Dagster's side, named by dagster.yaml. Not here: the workers (see `run_server` and `run_worker`), and launching in
those of Celery (see `celery.launcher`).
"""

import json
import socket
from collections.abc import Mapping
from typing import Any

from dagster import DagsterRun, DefaultRunLauncher
from dagster._grpc.types import ExecuteRunArgs  # how every launcher that is not in Dagster itself says what to do

from dataflow_assets.runtime import run_server
from dataflow_assets.runtime.tags import RUN_SERVER
from dataflow_assets.settings import load_settings


class WorkerRunLauncher(DefaultRunLauncher):
    """Launches a run in a worker, where a run server listens in DAGSTER_HOME, else in the code server."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Any:
        """Such a launcher, or, where the settings name a Redis, the one of Celery workers."""
        if url := load_settings().redis_url:
            from dataflow_assets.runtime.celery.launcher import CeleryWorkerLauncher  # noqa: PLC0415, not without Redis

            return CeleryWorkerLauncher(url.get_secret_value(), inst_data)
        return super().from_config_value(inst_data, config_value)

    def launch_run(self, context: Any) -> None:
        """Have a run made; it begins a moment later."""
        run: DagsterRun = context.dagster_run
        folder = self._instance.root_directory
        if not run_server.is_served(folder):
            super().launch_run(context)
            return
        place = {"host": socket.gethostname(), "folder": folder}
        self._instance.add_run_tags(run.run_id, {RUN_SERVER: json.dumps(place)})
        assert run.job_code_origin
        what = ExecuteRunArgs(run.job_code_origin, run.run_id, self._instance.get_ref())
        run_server.ask(folder, {"run": run.run_id, "arguments": what.get_command_args()[-3:]})

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run; whether it was under way."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or RUN_SERVER not in run.tags:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        if run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        place = json.loads(run.tags[RUN_SERVER])
        return bool(run_server.ask(place["folder"], {"cancel": run_id})["found"])


def is_lost(run: DagsterRun) -> bool:
    """Whether a run was launched by a run server on this machine that is gone."""
    place = json.loads(run.tags.get(RUN_SERVER, "{}"))
    return place.get("host") == socket.gethostname() and not run_server.is_served(place["folder"])
