"""The smallest code location that can do what the platform's tests ask: run at once, or run for long.

Here: two assets, each with a job. Not here: anything of the real code location.
"""

import os
import time
from pathlib import Path

import dagster as dg


@dg.asset
def quick() -> int:
    return 1


@dg.asset
def slow() -> None:
    Path(os.environ["DATAFLOW_HOME"], "slow-runs").touch()
    deadline, end = time.monotonic() + 600, Path(os.environ["DATAFLOW_HOME"], "end-slow-runs")
    while time.monotonic() < deadline and not end.exists():
        time.sleep(0.1)


defs = dg.Definitions(
    assets=[quick, slow],
    jobs=[dg.define_asset_job("quick_job", [quick]), dg.define_asset_job("slow_job", [slow])],
    executor=dg.in_process_executor,
)


def quick_job() -> dg.JobDefinition:
    return defs.resolve_job_def("quick_job")


def slow_job() -> dg.JobDefinition:
    return defs.resolve_job_def("slow_job")
